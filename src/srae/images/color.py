"""Luma, the grey version of a colour image, for networks for grey and for the Y protocol.  Pure."""

from __future__ import annotations

from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue, ITU-R BT.601."""


def to_luma(images: Tensor) -> Tensor:
    """RGB (..., 3, H, W) -> luma (..., 1, H, W) of ITU-R BT.601, full range [0, 1]; grey is its own luma."""
    if images.shape[-3] == 1:
        return images
    return (images * images.new_tensor(LUMA).view(3, 1, 1)).sum(-3, keepdim=True)


def to_y(images: Tensor) -> Tensor:
    """RGB or grey (..., 3|1, H, W) -> luma (..., 1, H, W) of ITU-R BT.601, [16, 235] / 255."""
    return (219 * to_luma(images) + 16) / 255
