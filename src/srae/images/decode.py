"""Image files -> pixels, every bit of them.

Everything that is read goes through one door: the formats of one table,
recognised by content; a pixel limit read from the header before anything is
decoded; fully decoded or refused; upright.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from srae.errors import DataError, ResourceError
from srae.images.animation import Timing, find_timing
from srae.images.deep_color import find_bits, load_pixels
from srae.images.formats import Format, explain_unknown, identify
from srae.images.headers import Header, read_jxl
from srae.images.limits import MAX_PIXELS, check_frame, check_size
from srae.images.metadata import read_tags
from srae.images.modes import converts_colors, is_grey_mode, pillow_quiet
from srae.images.plugins import Samples, find_more_bits, open_image, read_samples
from srae.images.png_chunks import hide_metadata
from srae.images.read_tiff import read_page_header, read_tiff
from srae.images.tags import Tags
from srae.images.tiff import count_pages, is_tiff


class DecodedImage(NamedTuple):
    """What a file holds, upright; see `srae.images.image.TaggedImage` for the fields."""

    pixels: np.ndarray
    tags: Tags
    notes: tuple[str, ...] = ()


def decode(
    data: bytes | Path, name: str, *, max_pixels: int = MAX_PIXELS, frame: int | None = None, bands: bool = False
) -> DecodedImage:
    """One image from a file or its bytes.

    Args:
        name: what messages call it.
        frame: of an animation or a TIFF of several pages, from 0.
        bands: keep all samples of a TIFF of grey, RGB or more bands as they lie in the file, alpha or not.

    Raises:
        DataError: missing, damaged, too large, animated without `frame`, or no image.
        ResourceError: not enough memory.
    """
    try:
        with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
            return _decode(file, name, max_pixels, frame, bands=bands)
    except DataError as error:
        raise type(error)(error.what, error.where or name, error.remedy) from None
    except MemoryError:
        raise ResourceError("not enough memory for this image", name, "use a smaller image") from None
    except Exception as error:
        # Pillow's decoders raise almost anything on damaged files (struct.error, KeyError, SyntaxError ...).
        raise _unreadable(error, name) from None


def read_size(path: Path) -> tuple[int, int]:
    """Height and width as the header says, before turning upright; (0, 0) when it cannot be read."""
    header = read_header(path)
    return header.height, header.width


def read_header(path: Path) -> Header:
    """What a file says of its pixels, before turning upright; 0x0 of 8 bits when it cannot be read."""
    try:
        with path.open("rb") as file:
            if is_tiff(file):
                return read_page_header(file)
            row = _identify(file, path.name)
            if row.name == "JXL":
                return read_jxl(file.read())
            with pillow_quiet():
                image = open_image(hide_metadata(file), row, lambda width, height: None)
                bits = max(find_bits(image), find_more_bits(file, image))
                return Header(image.height, image.width, bits, colors=1 if is_grey_mode(image) else 3)
    except Exception:  # reading the file will say what is wrong with it
        return Header(0, 0, 8)


def count_frames(path: Path) -> int:
    """How many frames or pages of a file `decode` can be asked for; 1 when it cannot be read: reading says why."""
    try:
        with path.open("rb") as file:
            if is_tiff(file):
                return count_pages(file)
            row = _identify(file, path.name)
            if not row.animates:
                return 1
            with pillow_quiet():
                return _frames(open_image(hide_metadata(file), row, lambda width, height: None))
    except Exception:
        return 1


def read_timing(path: Path) -> Timing:
    """Of an animation, all of whose frames are decoded for it.

    Raises:
        Exception: of many kinds, when the file is damaged.
    """
    with path.open("rb") as file, pillow_quiet():
        return find_timing(open_image(hide_metadata(file), _identify(file, path.name), lambda width, height: None))


def _frames(image: Image.Image) -> int:
    """Phones write a JPEG or a HEIC with a second, hidden image (depth, HDR); the first is the photograph."""
    return 1 if image.format in ("MPO", "HEIF") else getattr(image, "n_frames", 1)


def _identify(file: IO[bytes], name: str) -> Format:
    """Leaves the file at its start."""
    first = file.read(64)
    file.seek(0)
    if not first:
        raise DataError("the file is empty", name, "copy or download it again")
    row = identify(first, PurePath(name).suffix)
    if row is None:
        raise DataError("not an image srae can read", name, explain_unknown(name))
    return row


def _unreadable(error: Exception, name: str) -> DataError:
    if isinstance(error, OSError) and error.errno:
        return DataError(f"cannot read image: {error.strerror}", name, "check the name, and that you may read it")
    if isinstance(error, UnidentifiedImageError):  # although its first bytes are right
        return DataError("damaged image: its header cannot be read", name, "replace or remove the file")
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"damaged image: {reason}", name, "replace or remove the file")


def _decode(file: IO[bytes], name: str, max_pixels: int, frame: int | None, *, bands: bool) -> DecodedImage:
    if is_tiff(file):
        pixels, (tags, orientation, notes) = read_tiff(file, name, max_pixels, frame, bands=bands)
        return DecodedImage(_orient(pixels, orientation), tags, notes)
    image = _open(file, name, max_pixels, frame)
    if samples := read_samples(file, image, frame):
        return _with_tags(samples, file, image)
    pixels = load_pixels(image, partial(_open, file, name, max_pixels, frame), name)
    with pillow_quiet():
        tags, orientation, notes = read_tags(file, image)
    if converts_colors(image):
        tags = tags.without_color_space()
    return DecodedImage(_orient(pixels, orientation), tags, notes)


def _with_tags(samples: Samples, file: IO[bytes], image: Image.Image) -> DecodedImage:
    with pillow_quiet():
        tags, orientation, notes = read_tags(file, image)
    if samples.color and not tags.icc:
        tags = replace(tags, color=samples.color)
    pixels = samples.pixels if samples.upright else _orient(samples.pixels, orientation)
    return DecodedImage(np.ascontiguousarray(pixels), tags, (*samples.notes, *notes))


def _open(file: IO[bytes], name: str, max_pixels: int, frame: int | None) -> Image.Image:
    """The header, checked; nothing is decoded yet."""
    file.seek(0)
    with pillow_quiet():
        image = open_image(hide_metadata(file), _identify(file, name), partial(check_size, name, max_pixels))
        check_size(name, max_pixels, *image.size)
        check_frame(name, _frames(image), frame)
        if frame:
            image.seek(frame)
            check_size(name, max_pixels, *image.size)
    return image


def _orient(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Upright, by the value of the EXIF tag."""
    if orientation not in range(2, 9):
        return pixels
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
