"""Images as tensors, as data sets hold them and networks see them: bytes <-> numbers in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_float(pixels: Tensor) -> Tensor:
    """uint8, uint16, or int16 that holds the bits of uint16, of any shape -> float32 in [0, 1]; floats as they are."""
    if pixels.dtype == torch.float32:
        return pixels
    if pixels.dtype == torch.uint8:
        return pixels.to(torch.float32).div_(255)
    if pixels.dtype == torch.int16:
        pixels = pixels.to(torch.int32).bitwise_and_(0xFFFF)
    return pixels.to(torch.float32).div_(65_535)


def to_uint8(image: Tensor) -> Tensor:
    """Float of any shape, clamped to [0, 1] -> uint8, rounded to nearest."""
    return (image.clamp(0, 1) * 255).round_().to(torch.uint8)


def quantize(image: Tensor, dtype: np.dtype | type) -> Tensor:
    """As `to_uint8`, to uint8 or uint16; floats stay floats."""
    image = image.clamp(0, 1)
    if dtype == np.float32:
        return image
    return image.mul_(np.iinfo(dtype).max).round_().to(torch.uint8 if dtype == np.uint8 else torch.uint16)
