"""Pixels -> image files, in little more memory than the pixels take.

PNG (`png`) and TIFF (`write_tiff`) are written by srae, some rows at a time and
with all 16 bits, which Pillow has for grey alone; JPEG by Pillow some rows at a time (`jpeg`); WebP and
BMP by Pillow, without a copy of the pixels where they lie in memory as Pillow
wants them (`make_pixels`).
"""

from __future__ import annotations

import io
from importlib import import_module
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image

from srae.images.animation import Frames
from srae.images.bands import bands
from srae.images.formats import keeps_depth
from srae.images.jpeg import write_jpeg
from srae.images.metadata import fit_tags
from srae.images.png import write_png
from srae.images.tags import NO_TAGS, Tags
from srae.images.write_tiff import write_tiff

_QUALITY = 95
_AVIF_QUALITY = 90


def make_pixels(height: int, width: int, channels: int, dtype: np.dtype | type, kind: str) -> np.ndarray:
    """Uninitialised (H, W, C), laid out so that `encode` needs no copy of it for this format.

    For RGB in WebP, which Pillow writes as a whole, every pixel has a fourth byte.
    """
    if channels == 3 and dtype == np.uint8 and kind == "WEBP":
        return np.empty((height, width, 4), np.uint8)[:, :, :3]
    return np.empty((height, width, channels), dtype)


def encode(
    file: BinaryIO,
    kind: str,
    pixels: np.ndarray,
    tags: Tags = NO_TAGS,
    *,
    quality: int | None = None,
    frames: Frames | None = None,
) -> None:
    """Write uint8, uint16 or float32 pixels (H, W, C) that passed `check_fit`.

    Where the format has fewer bits, integers are rounded and floats become integers as `to_integers` does it.

    Args:
        frames: of an animation, whose first one `pixels` are; the format is one that animates.
        quality: 1 to 100, of JPEG (None: 95), AVIF (90), WebP and JPEG XL (None: nothing is lost).
    """
    if pixels.dtype == np.float32 and not keeps_depth(kind, 32):
        pixels = to_integers(pixels, np.uint16 if keeps_depth(kind, 16) else np.uint8)
    elif pixels.dtype == np.uint16 and not keeps_depth(kind, 16):
        pixels = to_8_bits(pixels)
    tags = fit_tags(tags, kind, *pixels.shape[:2]).tags
    if kind == "PNG" and frames is None:
        write_png(file, pixels, tags)
    elif kind == "TIFF":
        write_tiff(file, pixels, tags)
    else:
        _write_with_pillow(file, kind, pixels, tags, quality=quality, frames=frames)


def to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """uint16 -> uint8 of the same shape, rounded to nearest."""
    result = np.empty(pixels.shape, np.uint8)
    for rows in bands(pixels):
        result[rows] = (pixels[rows].astype(np.uint32) + 128) // 257
    return result


def describe_depth(kind: str, pixels: np.ndarray) -> list[str]:
    """A remark for the user where `encode` changes the samples."""
    bits, held = 8 * pixels.dtype.itemsize, 16 if keeps_depth(kind, 16) else 8
    if keeps_depth(kind, bits):
        return []
    if bits == 16:
        return [f"{kind} holds {held} bits a colour: 16 become {held}"]
    low, high = float_range(pixels)
    return [f"{kind} holds no floats: from {low:g}, black, to {high:g}, white, they become {held} bits"]


def float_range(pixels: np.ndarray) -> tuple[float, float]:
    """What becomes black and white where floats become integers: 0 and 1, or the extremes of the colours beyond."""
    color = pixels[:, :, : -1 if pixels.shape[2] in (2, 4) else None]
    return min(0.0, float(color.min(initial=0))), max(1.0, float(color.max(initial=0)))


def to_integers(
    pixels: np.ndarray, dtype: type[np.uint8] | type[np.uint16], extremes: tuple[float, float] | None = None
) -> np.ndarray:
    """float32 (H, W, C), alpha in [0, 1] -> integers of the same shape.

    Args:
        extremes: black and white; None: those of `float_range`.
    """
    low, high = extremes or float_range(pixels)
    colors, most = pixels.shape[2] - (pixels.shape[2] in (2, 4)), np.iinfo(dtype).max
    result = np.empty(pixels.shape, dtype)
    for rows in bands(pixels):
        band = pixels[rows].astype(np.float64)
        band[:, :, :colors] = (band[:, :, :colors] - low) / (high - low)
        result[rows] = (band.clip(0, 1) * most).round()
    return result


def to_image(pixels: np.ndarray) -> Image.Image:
    """A Pillow image of uint8 (H, W, C), or of uint16 (H, W, 1); without a copy where the layout allows."""
    height, width, channels = pixels.shape
    if channels == 1:
        return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0]))
    if channels == 3 and pixels.strides == (4 * width, 4, 1):
        four = np.lib.stride_tricks.as_strided(pixels, (height, width, 4), pixels.strides, writeable=False)
        return Image.frombuffer("RGBX", (width, height), four, "raw", "RGBX", 0, 1)
    return Image.fromarray(np.ascontiguousarray(pixels))


class _PlainFile(io.RawIOBase):
    """A file that Pillow cannot reach behind: writing past our back it takes a full disk for an encoder's error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(data)


def _write_with_pillow(
    file: BinaryIO, kind: str, pixels: np.ndarray, tags: Tags, *, quality: int | None, frames: Frames | None
) -> None:
    if kind in ("JPEG", "BMP") and pixels.shape[2] in (2, 4):  # `check_fit` knows that nothing is transparent
        pixels = pixels[:, :, :-1]
    if kind == "JPEG":
        return write_jpeg(file, pixels, to_image, tags, quality=quality or _QUALITY)
    wanted: dict[str, Any] = {"icc_profile": tags.icc, "exif": tags.exif, "dpi": tags.dpi, "xmp": tags.xmp}
    options = {key: value for key, value in wanted.items() if value}
    if kind == "WEBP":
        options |= {"lossless": True, "exact": True} if quality is None else {"quality": quality, "alpha_quality": 100}
    if kind == "AVIF":
        options |= {"quality": quality or _AVIF_QUALITY, "subsampling": "4:4:4", "speed": 8}
    if kind == "JXL":
        import_module("pillow_jxl")  # tells Pillow of itself
        # More effort makes files 10 % smaller and takes 8 times as long.
        options |= {"lossless": True, "effort": 3} if quality is None else {"quality": quality, "effort": 4}
    if frames:
        pixels, *rest = frames.pixels
        durations, loops = list(frames.timing.durations), frames.timing.loops
        options |= {"save_all": True, "append_images": list(map(to_image, rest)), "duration": durations, "loop": loops}
    image = to_image(pixels)
    if image.mode == "RGBX" and kind == "BMP":
        image = image.convert("RGB")
    image.save(cast(BinaryIO, _PlainFile(file)), format=kind, **options)
