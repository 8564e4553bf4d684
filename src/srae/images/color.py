"""Luma, the grey version of a colour image, for networks for grey and for the Y protocol.  Pure.

Of arrays and of tensors alike, on any device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Images = TypeVar("Images", np.ndarray, "Tensor")

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue, ITU-R BT.601."""


def to_luma(images: Images) -> Images:
    """RGB (..., 3, H, W) -> luma (..., 1, H, W) of ITU-R BT.601, full range [0, 1]; grey is its own luma."""
    if images.shape[-3] == 1:
        return images
    red, green, blue = (images[..., i : i + 1, :, :] * weight for i, weight in enumerate(LUMA))
    return red + green + blue


def to_y(images: Images) -> Images:
    """RGB or grey (..., 3|1, H, W) -> luma (..., 1, H, W) of ITU-R BT.601, [16, 235] / 255."""
    return (219 * to_luma(images) + 16) / 255
