"""Transparent images laid on white, as a page shows them; and whether an image is transparent at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from srae.images.bands import bands

_OPAQUE_MODES = {"1", "L", "P", "RGB", "CMYK", "YCbCr", "I;16", "I;16B"}
"""Of Pillow; with `transparency` in its info an image of these modes may be transparent all the same."""


def is_transparent(pixels: np.ndarray) -> bool:
    """Whether some pixel of (H, W, C) is not fully opaque; of 2 or 4 channels the last is alpha, in floats up to 1."""
    last = pixels[:, :, -1]
    opaque = 1 if last.dtype == np.float32 else np.iinfo(last.dtype).max
    return pixels.shape[2] in (2, 4) and bool(last.min() < opaque)


def may_be_transparent(path: Path) -> bool:
    """By its header; False is certain, True is not: only the pixels tell."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "BMP", "WEBP", "TIFF")) as image:
            return image.mode not in _OPAQUE_MODES or "transparency" in image.info
    except Exception:  # another format, or a damaged file: decoding tells
        return True


def lay_on_white(pixels: np.ndarray) -> np.ndarray:
    """uint8, uint16 or float32 (H, W, 2|4) -> (H, W, 1|3) of the same type; opaque pixels keep their values.

    Integers are rounded to nearest; white is 1 in floats.  Alpha is straight, not premultiplied, as in PNG.
    """
    if pixels.dtype == np.float32:
        return pixels[:, :, :-1] * pixels[:, :, -1:] + (1 - pixels[:, :, -1:])
    white = int(np.iinfo(pixels.dtype).max)
    result = np.empty((*pixels.shape[:2], pixels.shape[2] - 1), pixels.dtype)
    for rows in bands(pixels):
        band = pixels[rows].astype(np.uint32)  # 65535**2 + 32767 is less than 2**32
        color, alpha = band[:, :, :-1], band[:, :, -1:]
        result[rows] = (color * alpha + white * (white - alpha) + white // 2) // white
    return result
