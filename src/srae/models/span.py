"""SPAN: plain 3x3 convolutions whose own outputs are the attention, at no parameter.

Wan et al., "Swift Parameter-free Attention Network for Efficient
Super-Resolution" (CVPR workshops 2024): six blocks of 48 or 52 channels, 411 or
481 thousand parameters at x2; the networks that win the NTIRE challenges by run time have 28
channels, 151 thousand at x4.  Each convolution is trained as branches
(`blocks.BranchedConv2d`) and is one 3x3 convolution for whoever runs it.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srae.models.blocks import BranchedConv2d, image_scale
from srae.models.options import Blocks, Channels

_MEAN = (0.4488, 0.4371, 0.4040)
"""Red, green and blue of the authors' training images."""
_RANGE = 255.0


class SPAN(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w); the paper has C = 3.

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
        width: channels of the blocks.
        blocks: number of attention blocks, at least 2.
        branches: train each 3x3 convolution as branches, as the paper does, or as it is.
        normalise: subtract the mean colour and work on 255 levels, as the paper does, or work on [0, 1].
    """

    multiple_of = 1
    fixed_size = None
    mean: Tensor

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        width: Channels = 48,
        blocks: Annotated[Blocks, Field(ge=2)] = 6,
        branches: bool = True,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.scale = image_scale(in_shape, out_shape)
        self.receptive_radius = 3 * blocks + 3  # head, three a block, the convolution after them, tail
        self.normalise = normalise
        mean = torch.tensor(_MEAN if in_shape[0] == 3 else [sum(_MEAN) / 3] * in_shape[0])
        self.register_buffer("mean", mean[:, None, None], persistent=False)
        self.head = _conv(in_shape[0], width, branches)
        self.blocks = nn.ModuleList(AttentionBlock(width, branches) for _ in range(blocks))
        self.last = _conv(width, width, branches)
        self.fuse = nn.Conv2d(4 * width, width, 1)
        self.tail = nn.Conv2d(width, out_shape[0] * self.scale**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)  # as torch draws it, the first outputs of 255 levels are 9 where images are 1
        assert self.tail.bias is not None
        nn.init.constant_(self.tail.bias, 0.5)

    def forward(self, input: Tensor) -> Tensor:
        x = head = self.head((input - self.mean) * _RANGE if self.normalise else input)
        outputs = []
        for block in self.blocks:
            x, early = block(x)
            outputs.append(x)
        fused = self.fuse(torch.cat([head, self.last(x), outputs[0], early], dim=1))
        return F.pixel_shuffle(self.tail(fused), self.scale)  # (B, C * scale^2, h, w) -> (B, C, scale * h, scale * w)


class AttentionBlock(nn.Module):
    """(B, width, h, w) -> the same shape, weighed by its own features, and the features after the first convolution."""

    def __init__(self, width: int, branches: bool) -> None:
        super().__init__()
        self.first, self.second, self.third = (_conv(width, width, branches) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        early = F.silu(self.first(x), inplace=True)
        features = self.third(F.silu(self.second(early), inplace=True))
        # The sigmoid less a half is odd: strong features count, whatever their sign.
        return (features + x) * (torch.sigmoid(features) - 0.5), early


def _conv(inputs: int, outputs: int, branches: bool) -> BranchedConv2d | nn.Conv2d:
    return BranchedConv2d(inputs, outputs) if branches else nn.Conv2d(inputs, outputs, 3, padding=1)
