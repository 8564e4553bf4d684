"""Deep images and images of many bands as training reads them: 16 bits, from 0, black, to 65535, white.

What black and white are in the units of a file is the value range of its data set: a camera of 12 bits writes 0 to
4095 into files of 16 bits, an elevation model of floats any numbers at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from srae.errors import DataError
from srae.images.bands import bands
from srae.images.color import to_luma
from srae.images.decode import decode
from srae.images.flatten import is_transparent, lay_on_white

Channels = Literal["L", "RGB", "RGBA"] | int
"""Colour channels, or that many samples of every pixel, whatever they mean."""
WHITE = 65_535


class Extremes(NamedTuple):
    """Of the colours of some images, in the units of their files."""

    lowest: float
    highest: float
    floats: bool
    """Whether they are stored as floats, or as integers with a sign."""


class LeveledImage(NamedTuple):
    """An image in the value range of its data set.

    Attributes:
        pixels: uint16 (H, W, C).
        on_white: whether it was transparent and is laid on white.
        clipped: whether some values lay outside the range.
    """

    pixels: np.ndarray
    on_white: bool
    clipped: bool


def measure_extremes(path: Path, channels: Channels) -> Extremes | None:
    """Of one file; None where it has 8 bits a sample, which always fill their range.

    Raises:
        DataError: see `decode`.
    """
    pixels = decode(path, str(path), bands=isinstance(channels, int)).pixels
    if pixels.dtype == np.uint8:
        return None
    color = pixels[:, :, : _count_colors(pixels, channels)]
    return Extremes(float(color.min()), float(color.max()), pixels.dtype == np.float32)


def whole_range(extremes: Extremes) -> tuple[float, float]:
    """Black and white of images with these values.

    Of integers white is the largest number of 8 to 16 bits, the fewest that hold all values: 1023, 4095.  Floats within
    [0, 1] keep that range; of others the extremes, and black is 0 where none is negative.
    """
    lowest, highest = min(extremes.lowest, 0.0), extremes.highest
    if not extremes.floats:
        return 0.0, float(2 ** max(8, int(highest).bit_length()) - 1)
    if lowest == 0 and highest <= 1:
        return 0.0, 1.0
    return lowest, highest if highest > lowest else lowest + 1


def read_levels(data: bytes | Path, channels: Channels, values: tuple[float, float], *, name: str = "") -> LeveledImage:
    """Decode to exactly these channels in 16 bits; what lies outside the range is clipped.

    8 bits fill the range whatever it is.  Grey from colour is BT.601 luma; missing alpha is opaque; without alpha among
    the channels transparent images are laid on white.

    Args:
        values: black and white in the units of files of more than 8 bits.

    Raises:
        DataError: missing, damaged, too large, animated, no image, or another number of samples than `channels`.
    """
    name = name or (str(data) if isinstance(data, Path) else "image")
    pixels = decode(data, name, bands=isinstance(channels, int)).pixels
    colors = _count_colors(pixels, channels)
    color = pixels[:, :, :colors]
    deep = pixels.dtype != np.uint8
    clipped = deep and bool(color.min() < values[0] or color.max() > values[1])
    levels = to_levels16(pixels, values, colors)
    if on_white := channels in ("L", "RGB") and is_transparent(levels):
        levels = lay_on_white(levels)
    return LeveledImage(_with_channels(levels, channels, name), on_white, clipped)


def to_levels16(pixels: np.ndarray, values: tuple[float, float] = (0, WHITE), colors: int | None = None) -> np.ndarray:
    """uint8, uint16 or float32 (H, W, C) -> uint16 (H, W, C), rounded to nearest.

    Args:
        values: as of `read_levels`.
        colors: how many channels have this range; what follows is alpha, which fills its own.
    """
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint16) * np.uint16(257)
    if pixels.dtype == np.uint16 and values == (0, WHITE):
        return pixels
    most = 1.0 if pixels.dtype == np.float32 else float(WHITE)
    result = np.empty(pixels.shape, np.uint16)
    for part, (low, high) in ((slice(0, colors), values), (slice(colors, None), (0.0, most))):
        for rows in bands(pixels):
            shares = (pixels[rows, :, part].astype(np.float64) - low) / (high - low)
            result[rows, :, part] = (shares.clip(0, 1) * WHITE).round()
    return result


def check_bands(pixels: np.ndarray, channels: int, name: str) -> np.ndarray:
    """The same. Raises: DataError: another number of samples a pixel."""
    if pixels.shape[2] != channels:
        what = f"{pixels.shape[2]} samples a pixel, where data.channels is {channels}"
        raise DataError(what, name, f"set data.channels: {pixels.shape[2]}, or remove the file")
    return pixels


def _count_colors(pixels: np.ndarray, channels: Channels) -> int:
    """How many of the samples are no alpha."""
    if isinstance(channels, int):
        return int(pixels.shape[2])
    return 1 if pixels.shape[2] < 3 else 3


def _with_channels(pixels: np.ndarray, channels: Channels, name: str) -> np.ndarray:
    """uint16 (H, W, 1..4) -> these channels, C-contiguous."""
    if isinstance(channels, int):
        return np.ascontiguousarray(check_bands(pixels, channels, name))
    colors = 1 if pixels.shape[2] < 3 else 3
    color, alpha = pixels[:, :, :colors], pixels[:, :, colors:]
    if channels == "L" and colors == 3:
        planes = color.transpose(2, 0, 1).astype(np.float32)  # (H, W, C) -> (C, H, W)
        color = to_luma(planes).round().transpose(1, 2, 0).astype(np.uint16)
    elif channels != "L" and colors == 1:
        color = color.repeat(3, axis=2)
    if channels == "RGBA":
        alpha = alpha if alpha.shape[2] else np.full_like(color[:, :, :1], WHITE)
        color = np.concatenate((color, alpha), axis=2)
    return np.ascontiguousarray(color)
