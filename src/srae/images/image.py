"""Image files: read, written, listed; bytes <-> numbers in [0, 1].

`write_image` writes every image: atomically, and it overwrites only on request.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from srae.errors import ConfigError, DataError
from srae.files import atomic_write, natural_key
from srae.images.animation import Frames
from srae.images.decode import decode, read_header
from srae.images.encode import encode, to_8_bits, to_image
from srae.images.flatten import is_transparent, lay_on_white
from srae.images.formats import EXTENSIONS, check_fit, format_of
from srae.images.levels import Channels, check_bands, measure_extremes, read_levels, whole_range
from srae.images.limits import MAX_PIXELS
from srae.images.plugins import check_profile
from srae.images.tags import NO_TAGS, Tags

__all__ = ["EXTENSIONS", "MAX_PIXELS"]


@dataclass(frozen=True, eq=False)
class TaggedImage:
    """A decoded image, upright, as compact as in its file.

    Attributes:
        pixels: uint8, uint16, or float32 of any finite range; (H, W, C).  C is 1 grey, 2 grey and alpha, 3 RGB, 4 RGB
            and alpha; alpha of floats is in [0, 1].
        tags: what the file holds beside the pixels.
        notes: lines for the user about content of the file that this image lacks or changes.
    """

    pixels: np.ndarray
    tags: Tags = NO_TAGS
    notes: tuple[str, ...] = ()

    @staticmethod
    def from_float(color: np.ndarray, alpha: np.ndarray | None = None, *, bits: Literal[8, 16] = 8) -> TaggedImage:
        """Of numbers in [0, 1], clamped and rounded to nearest.

        Args:
            color: (1|3, H, W).
            alpha: (1, H, W).
        """
        planes = color if alpha is None else np.concatenate((color, alpha))
        return TaggedImage(to_pixels(planes, np.uint16 if bits == 16 else np.uint8))

    @property
    def bits(self) -> Literal[8, 16, 32]:
        """Of a sample; 32 are floats."""
        return {1: 8, 2: 16, 4: 32}[self.pixels.dtype.itemsize]  # type: ignore[return-value]

    @property
    def color(self) -> np.ndarray:
        """float32 (1|3, H, W) in [0, 1], floats as they are; one channel for grey."""
        return from_pixels(self.pixels[:, :, : self.colors])

    @property
    def alpha(self) -> np.ndarray | None:
        """float32 (1, H, W) in [0, 1], or None when the image has none."""
        return from_pixels(self.pixels[:, :, self.colors :]) if self.pixels.shape[2] in (2, 4) else None

    @property
    def colors(self) -> Literal[1, 3]:
        return 1 if self.pixels.shape[2] < 3 else 3

    @property
    def is_transparent(self) -> bool:
        """Whether some pixel is not fully opaque."""
        return is_transparent(self.pixels)


def from_pixels(pixels: np.ndarray) -> np.ndarray:
    """uint8, uint16 or float32 (H, W, C) -> float32 (C, H, W) in [0, 1]; floats as they are."""
    planes = np.empty((pixels.shape[2], *pixels.shape[:2]), np.float32)
    for channel, plane in enumerate(planes):  # by one transposed copy it takes four times as long
        plane[...] = pixels[:, :, channel]
    if pixels.dtype != np.float32:
        planes /= np.float32(np.iinfo(pixels.dtype).max)
    return planes


def to_pixels(planes: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """Floats (C, H, W), clamped to [0, 1] -> (H, W, C) of uint8, uint16 or float32; integers rounded."""
    pixels = np.empty((*planes.shape[1:], len(planes)), dtype)
    write_planes(pixels, to_levels(planes, dtype))
    return pixels


def write_planes(pixels: np.ndarray, planes: np.ndarray) -> None:
    """Fill (H, W, C) with the values of (C, H, W), or of one plane for all channels."""
    planes = planes.astype(pixels.dtype, copy=False)
    for channel in range(pixels.shape[2]):  # by one transposed copy it takes four times as long
        pixels[:, :, channel] = planes[min(channel, len(planes) - 1)]


def to_levels(planes: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """Floats clamped to [0, 1] -> the same for float32, else whole numbers up to the maximum of the type, as floats."""
    planes = planes.clip(0, 1)
    if dtype == np.float32:
        return planes
    planes *= np.float32(np.iinfo(dtype).max)
    return np.rint(planes, out=planes)


def find_images(folder: str | Path) -> tuple[list[Path], int]:
    """Images directly inside a folder in natural order, and how many entries were passed over.

    Passed over are hidden files, folders, and files with other suffixes.  A
    broken link with an image's suffix is listed, so that reading it reports its name.

    Raises:
        DataError: not a readable folder.
    """
    try:
        entries = list(Path(folder).iterdir())
    except OSError as error:
        raise DataError(f"cannot list folder: {error.strerror}", str(folder)) from None
    found = [path for path in entries if is_image(path)]
    return sorted(found, key=lambda path: natural_key(path.name)), len(entries) - len(found)


def is_image(path: Path) -> bool:
    """By its name; broken links count, hidden files and folders do not."""
    if path.suffix.lower() not in EXTENSIONS or path.name.startswith("."):
        return False
    return os.path.isfile(path) or (os.path.islink(path) and not os.path.exists(path))


def read_pixels(
    data: bytes | Path, channels: Literal["L", "RGB", "RGBA"], *, name: str = "", max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Decode to exactly these channels: uint8 (H, W, C), C-contiguous.

    Grey from colour is BT.601 luma; missing alpha is 255; without alpha among `channels` transparent images are laid on
    white; 16 bits are scaled, not clipped; floats are numbers in [0, 1].

    Raises:
        DataError: missing, damaged, too large, animated, no image, or floats outside [0, 1].
    """
    return read_flat_pixels(data, channels, name=name, max_pixels=max_pixels)[0]


def read_flat_pixels(
    data: bytes | Path, channels: Channels, *, name: str = "", max_pixels: int = MAX_PIXELS
) -> tuple[np.ndarray, bool]:
    """As `read_pixels`, or all samples as they are; and whether the image was transparent and is laid on white."""
    name = name or (str(data) if isinstance(data, Path) else "image")
    pixels = decode(data, name, max_pixels=max_pixels, bands=isinstance(channels, int)).pixels
    # An image whose shape is in its alpha would be a black square without it: equal to every other one.
    on_white = channels in ("L", "RGB") and is_transparent(pixels)
    if on_white:
        pixels = lay_on_white(pixels)
    if pixels.dtype == np.float32:
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > 1:
            remedy = "divide them so that black is 0 and white is 1, or save 8 or 16 bits"
            raise DataError(f"floats from {low:g} to {high:g}, where numbers in [0, 1] are needed", name, remedy)
        pixels = (pixels * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    elif pixels.dtype == np.uint16:
        pixels = to_8_bits(pixels)
    if isinstance(channels, int):
        return np.ascontiguousarray(check_bands(pixels, channels, name)), False
    if channels == "RGB" and pixels.shape[2] in (2, 4):
        pixels = pixels[:, :, :-1]
    if pixels.shape[2] != len(channels):
        pixels = np.array(to_image(pixels).convert(channels))
    return np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None]), on_white


def read_grey(path: Path) -> np.ndarray:
    """To compare images: float32 (H, W) from 0 to 255; deep ones as wide as what they hold, see `whole_range`.

    Raises:
        DataError: see `decode`.
    """
    extremes = measure_extremes(path, "RGB") if read_header(path).bits > 8 else None
    if extremes is None:
        return read_flat_pixels(path, "L")[0][:, :, 0].astype(np.float32)
    return read_levels(path, "L", whole_range(extremes)).pixels[:, :, 0].astype(np.float32) / np.float32(257)


def read_image(path: str | Path, *, max_pixels: int = MAX_PIXELS, frame: int | None = None) -> TaggedImage:
    """Decode a file, keeping what belongs to it: depth, alpha, profile, EXIF.

    Raises:
        DataError: missing, damaged, too large, animated without `frame`, or no image.
    """
    return TaggedImage(*decode(Path(path), str(path), max_pixels=max_pixels, frame=frame))


def write_image(
    path: str | Path,
    image: TaggedImage,
    *,
    overwrite: bool = False,
    metadata: Literal["keep", "strip"] = "keep",
    quality: int | None = None,
    frames: Frames | None = None,
) -> None:
    """Write an image atomically; the suffix names the format.

    16 bits stay 16 in PNG and TIFF and become 8 elsewhere; floats stay floats in TIFF.

    Args:
        quality: 1 to 100, of JPEG (None: 95), AVIF (90), WebP and JPEG XL (None: nothing is lost).
        frames: of an animation, whose first one the image is.

    Raises:
        ConfigError: the file exists (without `overwrite`), unknown suffix, or a format that cannot hold this image.
        ResourceError: disk full, no permission, no such folder.
    """
    path, pixels = Path(path), image.pixels
    check_output(path, overwrite=overwrite)
    check_fit(path, *pixels.shape[:2], transparent=image.is_transparent)
    if metadata == "strip":
        image = TaggedImage(pixels)
    check_profile(path, image.tags.icc)
    try:
        with atomic_write(path, overwrite=overwrite) as file:
            encode(file, format_of(path), pixels, image.tags, quality=quality, frames=frames)
    except FileExistsError:
        raise _exists(path) from None


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raises: ConfigError when the file exists (unless `overwrite`) or its suffix names no format."""
    format_of(path)
    if os.path.lexists(path) and not overwrite:
        raise _exists(path)


def _exists(path: Path) -> ConfigError:
    return ConfigError("output exists", str(path), "give --overwrite or another -o")


def jpeg_roundtrip(pixels: np.ndarray, quality: int, *, chroma_halved: bool) -> np.ndarray:
    """uint8 (H, W, 1|3) as it comes back from a JPEG file; 4:2:0 with `chroma_halved`, else 4:4:4."""
    file = io.BytesIO()
    to_image(pixels).save(file, format="JPEG", quality=quality, subsampling=2 if chroma_halved else 0)
    return decode(file.getvalue(), "a JPEG in memory").pixels
