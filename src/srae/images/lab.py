"""CIE Lab under D50, as TIFF and Pillow have it, becomes sRGB."""

from __future__ import annotations

import numpy as np

from srae.images.bands import bands

_D50 = np.array((0.96422, 1, 0.82521), np.float32)
# XYZ under D50, adapted to D65 by Bradford's method -> linear sRGB (Lindbloom, "RGB/XYZ Matrices").
_TO_LINEAR = np.array(
    ((3.1338561, -1.6168667, -0.4906146), (-0.9787684, 1.9161415, 0.0334540), (0.0719453, -0.2289914, 1.4052427)),
    np.float32,
)


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """float32 (..., 3), L from 0 to 100 -> sRGB in [0, 1]; colours that it lacks are cut off."""
    level = (lab[..., 0] + 16) / 116
    ratio = np.stack((level + lab[..., 1] / 500, level, level - lab[..., 2] / 200), axis=-1)
    xyz = np.where(ratio > 6 / 29, ratio**3, 3 * (6 / 29) ** 2 * (ratio - 4 / 29)) * _D50
    linear = (xyz @ _TO_LINEAR.T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def lab_levels_to_srgb(levels: np.ndarray, white: int) -> np.ndarray:
    """uint8 or uint16 (H, W, 3) -> sRGB, the same type and shape; a and b have half of the range as their zero.

    Args:
        white: the level of L = 100.
    """
    result, most = np.empty_like(levels), np.iinfo(levels.dtype).max
    unit = (most + 1) / 256  # a step of a and b
    scale = np.array((100 / white, 1 / unit, 1 / unit), np.float32)
    offset = np.array((0, 128, 128), np.float32)
    for rows in bands(levels):
        result[rows] = lab_to_srgb(levels[rows] * scale - offset) * most + 0.5
    return result
