"""Transparent images laid on white, as a page shows them; and whether an image is transparent at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from srae.images.bands import bands

_OPAQUE_MODES = {"1", "L", "P", "RGB", "CMYK", "YCbCr", "I;16", "I;16B"}
"""Of Pillow; with `transparency` in its info an image of these modes may be transparent all the same."""


def is_transparent(pixels: np.ndarray) -> bool:
    """Whether some pixel of uint8 or uint16 (H, W, C) is not fully opaque; of 2 or 4 channels the last is alpha."""
    last = pixels[:, :, -1]
    return pixels.shape[2] in (2, 4) and int(last.min()) < np.iinfo(last.dtype).max


def may_be_transparent(path: Path) -> bool:
    """By its header; False is certain, True is not: only the pixels tell."""
    try:
        with Image.open(path) as image:
            return image.mode not in _OPAQUE_MODES or "transparency" in image.info
    except Exception:  # a format that Pillow cannot open, or a damaged file: decoding tells
        return True


def lay_on_white(pixels: np.ndarray) -> np.ndarray:
    """uint8 or uint16 (H, W, 2|4) -> (H, W, 1|3) of the same type, rounded to nearest; opaque pixels keep their values.

    Alpha is straight, not premultiplied, as in PNG.
    """
    white = int(np.iinfo(pixels.dtype).max)
    result = np.empty((*pixels.shape[:2], pixels.shape[2] - 1), pixels.dtype)
    for rows in bands(pixels):
        band = pixels[rows].astype(np.uint32)  # 65535**2 + 32767 is less than 2**32
        color, alpha = band[:, :, :-1], band[:, :, -1:]
        result[rows] = (color * alpha + white * (white - alpha) + white // 2) // white
    return result
