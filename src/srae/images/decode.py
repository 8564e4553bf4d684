"""Image files -> pixels, every bit of them.

Everything that is read goes through one door: five formats, recognised by
content; a pixel limit read from the header before anything is decoded; fully
decoded or refused; upright.
"""

from __future__ import annotations

import io
import math
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from srae.errors import DataError, ResourceError
from srae.images.formats import TIFF_TAGS_KEPT
from srae.images.tags import Tags

MAX_PIXELS = 178_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
_ORIENTATION, _BITS, _PHOTOMETRIC, _RESOLUTION, _PLANES, _SAMPLE_FORMAT = 274, 258, 262, 282, 284, 339  # TIFF's tags
_BAND = 512  # rows copied at a time

_pillow_globals = threading.Lock()


class DecodedImage(NamedTuple):
    """What a file holds, upright; see `srae.images.image.TaggedImage` for the fields."""

    pixels: np.ndarray
    tags: Tags
    notes: tuple[str, ...] = ()


@contextmanager
def _pillow_quiet() -> Iterator[None]:
    """Pillow's warnings and its own pixel limit are process-wide; off here, back afterwards, one thread at a time."""
    with _pillow_globals, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def decode(data: bytes | Path, name: str, *, max_pixels: int = MAX_PIXELS, frame: int | None = None) -> DecodedImage:
    """One image from a file or its bytes.

    Args:
        name: what messages call it.
        frame: of an animation or a TIFF of several pages, from 0.

    Raises:
        DataError: missing, damaged, too large, animated without `frame`, or no image.
        ResourceError: not enough memory.
    """
    try:
        with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
            return _decode(file, name, max_pixels, frame)
    except DataError:
        raise
    except MemoryError:
        raise ResourceError("not enough memory for this image", name, "use a smaller image") from None
    except Exception as error:
        # Pillow's decoders raise almost anything on damaged files (struct.error, KeyError, SyntaxError ...).
        raise _unreadable(error, name) from None


def read_size(path: Path) -> tuple[int, int]:
    """Height and width as the header says, before turning upright; (0, 0) when it cannot be read."""
    try:
        with _pillow_quiet(), Image.open(path, formats=_FORMATS) as image:
            return image.height, image.width
    except Exception:  # reading the file will say what is wrong with it
        return 0, 0


def _unreadable(error: Exception, name: str) -> DataError:
    if isinstance(error, OSError) and error.errno:
        return DataError(f"cannot read image: {error.strerror}", name)
    if isinstance(error, UnidentifiedImageError):
        return DataError("not an image srae can read", name, "PNG, JPEG, WebP, BMP and TIFF are accepted")
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"damaged image: {reason}", name, "replace or remove the file")


def _decode(file: IO[bytes], name: str, max_pixels: int, frame: int | None) -> DecodedImage:
    image = _open(file, name, max_pixels, frame)
    deep = _find_deep(image, name)
    _widen_key(image)
    image.load()
    icc, dpi = image.info.get("icc_profile"), _dpi(image)
    with _pillow_quiet():
        method, exif = _read_exif(image)
        if image.mode == "CMYK":
            image, icc = _from_cmyk(image, icc), None
        if not deep:
            image = _to_known_mode(image, name)
    pixels = _copy(image) if deep else to_pixels(image, name)
    _check_signs(image, pixels, name)
    if deep and deep.low:
        del image
        file.seek(0)
        pixels = pixels.astype(np.uint16)
        pixels <<= 8
        pixels = _add_low_bytes(pixels, _open(file, name, max_pixels, frame), deep)
    elif deep:
        pixels = pixels.view(">u2").astype(np.uint16)  # bytes of a pixel: high, low, high, low
    return DecodedImage(_orient(pixels, method), Tags(icc or None, exif, dpi))


def _open(file: IO[bytes], name: str, max_pixels: int, frame: int | None) -> Image.Image:
    """The header, checked; nothing is decoded yet."""
    with _pillow_quiet():
        image: Image.Image = Image.open(file, formats=_FORMATS)
        _check_size(image, name, max_pixels)
        # Phones write a JPEG with a second, hidden image (depth, HDR); the first is the photograph.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1 and frame is None:
            raise DataError(f"{frames} frames or pages in one file", name, "choose one with --frame, 0 is the first")
        if (frame or 0) not in range(frames):
            raise DataError(f"no frame {frame}", name, f"the file has {frames}, counted from 0")
        if frame:
            image.seek(frame)
            _check_size(image, name, max_pixels)
    return image


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        remedy = f"if you trust the file: --max-pixels {width * height}"
        raise DataError(f"{width}x{height} is more than {max_pixels} pixels", name, remedy)


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    if image.format == "TIFF" and _RESOLUTION not in image.tag_v2:  # type: ignore[attr-defined]
        return None  # Pillow says 1 for those
    try:
        x, y = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if math.isfinite(x + y) and min(x, y) > 0 else None


def _read_exif(image: Image.Image) -> tuple[int, bytes | None]:
    """The orientation, and the EXIF block without it; damaged EXIF is dropped, not an error."""
    exif, orientation = None, 1
    try:
        tags = image.getexif()
        orientation = tags.pop(_ORIENTATION, 1)
        if image.format == "TIFF":
            for tag in set(tags) - TIFF_TAGS_KEPT:
                del tags[tag]
        exif = tags.tobytes() if len(tags) else None
    except Exception:  # whatever is wrong with the block, the pixels are fine
        pass
    return orientation, exif


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


def _from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    """RGB through the file's own ink profile where there is one, else by the plain complement."""
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            screen = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, profile, screen, outputMode="RGB") or image.convert("RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def to_pixels(image: Image.Image, name: str) -> np.ndarray:
    """A loaded image of any mode -> uint8 or uint16 (H, W, C).

    Raises:
        DataError: the mode has no such pixels, or values beyond 16 bits.
    """
    image = _to_known_mode(image, name)
    return _grey_16(image, name) if image.mode.startswith("I") else _copy(image)


def _to_known_mode(image: Image.Image, name: str) -> Image.Image:
    """L, LA, RGB, RGBA, or 16-bit grey."""
    if image.mode.startswith("I"):
        return image
    if image.mode in ("YCbCr", "RGBX", "CMYK", "LAB", "HSV"):
        image = image.convert("RGB")
    elif image.mode in ("P", "PA") or (image.has_transparency_data and image.mode in ("1", "L", "RGB")):
        grey = image.mode in ("1", "L")
        image = image.convert(("LA" if grey else "RGBA") if image.has_transparency_data else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise DataError(f"colour mode {image.mode} is not supported", name, "save it as RGB or grey")
    return image


def _copy(image: Image.Image) -> np.ndarray:
    """uint8 (H, W, C)."""
    pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    for rows, band in _bands(image):
        pixels[rows] = band
    return pixels


def _bands(image: Image.Image) -> Iterator[tuple[slice, np.ndarray]]:
    """Some rows at a time, uint8 (rows, W, C): Pillow's export takes twice the memory of what it exports."""
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        band = np.asarray(image.crop((0, top, image.width, bottom)))
        yield slice(top, bottom), band if band.ndim == 3 else band[:, :, None]


def _widen_key(image: Image.Image) -> None:
    """The transparent grey of a PNG of 2 or 4 bits, as its samples will be: Pillow widens these to 8 bits alone."""
    key = image.info.get("transparency")
    if image.format == "PNG" and isinstance(key, int) and _tiles(image):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}.get(_unpacker(_tiles(image)[0]), 1)


def _grey_16(image: Image.Image, name: str) -> np.ndarray:
    """uint16 (H, W, 1), or (H, W, 2) where one value stands for transparent."""
    grey = np.asarray(image)
    if grey.min() < 0 or grey.max() > 65_535:
        raise DataError("grey values beyond 16 bits", name, "save it as 16-bit grey")
    grey = _by_tags(grey.astype(np.uint16)[:, :, None], image)
    hidden = image.info.get("transparency")
    return _with_key(grey, (hidden,)) if isinstance(hidden, int) else grey


def _by_tags(grey: np.ndarray, image: Image.Image) -> np.ndarray:
    """Deep grey of a TIFF from 0, black, to 65535, white: Pillow heeds neither the depth nor that 0 may be white."""
    tags = image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]
    bits = tags.get(_BITS, (16,))[0]
    if bits < 16:
        grey = (grey * (65_535 / (2**bits - 1)) + 0.5).astype(np.uint16)
    return 65_535 - grey if tags.get(_PHOTOMETRIC) == 0 and bits <= 16 else grey


def _with_key(pixels: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """Alpha 0 where the colour is `key`, else 65535."""
    alpha = np.where((pixels == np.array(key)).all(2, keepdims=True), 0, 65_535)
    return np.concatenate((pixels, alpha.astype(np.uint16)), axis=2)


# ------------------------------------------------------------------ 16-bit colour


class _DeepColor(NamedTuple):
    """How to get the second byte of 16-bit colour, of which Pillow keeps the first.

    Pillow's unpackers for 16 bits take the more significant byte of each
    sample.  The same data unpacked as if its byte order were the other gives
    the less significant one: decoded twice, by well-tried code, the image is
    complete.

    Attributes:
        low: unpacker of the low bytes; None when one pass gives all.
        premultiplied: colours are stored times alpha.
    """

    low: str | None
    premultiplied: bool = False


_OTHER = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


def _find_deep(image: Image.Image, name: str) -> _DeepColor | None:
    """How to read an opened image with 16-bit colour, now ready to be loaded; None for all others."""
    if image.format not in ("PNG", "TIFF") or image.mode not in ("RGB", "RGBA") or not _tiles(image):
        return None
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits = set(tags.get(_BITS, (1,)))
        if max(bits) > 8 and (bits != {16} or tags.get(_PLANES, 1) != 1):
            raise DataError("16-bit TIFF stored plane by plane", name, "save it as PNG, or its pixels interleaved")
    elif getattr(image, "is_animated", False):
        return None
    layout, _, order = _unpacker(_tiles(image)[0]).partition(";")
    if layout == "LA":  # read as four bytes a pixel: both of grey, both of alpha
        _set_unpacker(image, "RGBA")
        return _DeepColor(None)
    if order not in _OTHER:
        return None
    premultiplied = layout == "RGBa"
    if premultiplied:  # Pillow would divide by alpha in 8 bits
        layout = "RGBA"
        _set_unpacker(image, f"{layout};{order}")
    return _DeepColor(f"{layout};{_OTHER[order]}", premultiplied)


def _tiles(image: Image.Image) -> list[ImageFile._Tile]:
    return image.tile  # type: ignore[attr-defined]


def _unpacker(tile: ImageFile._Tile) -> str:
    return str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)


def _set_unpacker(image: Image.Image, raw: str) -> None:
    image.tile = [  # type: ignore[attr-defined]
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in _tiles(image)
    ]


def _check_signs(image: Image.Image, pixels: np.ndarray, name: str) -> None:
    """Pillow reads signed bytes as unsigned ones: -5 becomes 251."""
    signed = image.format == "TIFF" and 2 in image.tag_v2.get(_SAMPLE_FORMAT, (1,))  # type: ignore[attr-defined]
    if signed and pixels.dtype == np.uint8 and pixels.max(initial=0) > 127:
        raise DataError("samples below zero", name, "save it with unsigned samples")


def _add_low_bytes(pixels: np.ndarray, image: Image.Image, deep: _DeepColor) -> np.ndarray:
    """uint16 (H, W, 3|4) with the high bytes, and the opened image once more -> all bytes."""
    assert deep.low is not None
    key = image.info.get("transparency")
    _set_unpacker(image, deep.low)
    image.load()
    for rows, low in _bands(image):
        pixels[rows] |= low
        if deep.premultiplied:
            band = pixels[rows].astype(np.float32)
            band[:, :, :3] *= 65_535 / np.maximum(band[:, :, 3:], 1)
            pixels[rows] = np.minimum(band + 0.5, 65_535)
    return _with_key(pixels, key) if isinstance(key, tuple) and pixels.shape[2] == 3 else pixels
