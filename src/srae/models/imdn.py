"""IMDN: blocks that keep a quarter of their channels after each of four convolutions and process the rest further.

Hui, Gao, Yang & Wang, "Lightweight Image Super-Resolution with Information
Multi-distillation Network" (ACM Multimedia 2019): 6 blocks of 64 channels,
694,404 parameters at x2.  Each block weighs its channels by their mean and
standard deviation over all pixels, a global receptive field: `receptive_radius`
is None and images are not tiled.  (RFDN,
its light successor, pools locally, but on strides and through an interpolation
that depend on the image's size: it could not be tiled either.)
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srae.models.blocks import image_scale
from srae.models.options import Blocks, Channels

_SLOPE = 0.05


class IMDN(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w); the paper has C = 3.

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
        blocks: number of distillation blocks.
        width: channels of the blocks, a multiple of 4: a quarter is kept at each step.
    """

    multiple_of = 1
    receptive_radius = None
    fixed_size = None

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        blocks: Blocks = 6,
        width: Annotated[Channels, Field(multiple_of=4)] = 64,
    ) -> None:
        super().__init__()
        self.scale = image_scale(in_shape, out_shape)
        self.head = nn.Conv2d(in_shape[0], width, 3, padding=1)
        self.blocks = nn.ModuleList(DistillationBlock(width) for _ in range(blocks))
        self.fuse = nn.Conv2d(blocks * width, width, 1)
        self.smooth = nn.Conv2d(width, width, 3, padding=1)
        self.tail = nn.Conv2d(width, out_shape[0] * self.scale**2, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        x = head = self.head(input)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = self.smooth(F.leaky_relu(self.fuse(torch.cat(outputs, dim=1)), _SLOPE)) + head
        return F.pixel_shuffle(self.tail(x), self.scale)  # (B, C * scale^2, h, w) -> (B, C, scale * h, scale * w)


class DistillationBlock(nn.Module):
    """(B, width, h, w) -> the same shape: four convolutions, a quarter of each kept, weighed, mixed and added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kept = width // 4
        rest = width - self.kept
        self.refine = nn.ModuleList(nn.Conv2d(inputs, width, 3, padding=1) for inputs in (width, rest, rest))
        self.last = nn.Conv2d(rest, self.kept, 3, padding=1)
        self.attention = ContrastAttention(width)
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept, rest = [], x
        for conv in self.refine:
            y = F.leaky_relu(conv(rest), _SLOPE)
            kept.append(y[:, : self.kept])
            rest = y[:, self.kept :]
        kept.append(self.last(rest))
        mixed: Tensor = self.mix(self.attention(torch.cat(kept, dim=1)))
        return x + mixed


class ContrastAttention(nn.Module):
    """Each channel times a weight in (0, 1) that follows from mean + standard deviation of every channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = max(width // 16, 1)
        self.weigh = nn.Sequential(nn.Conv2d(width, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, width, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        # In float32: sums over an image are beyond bfloat16.  The root needs a slope where a channel is constant.
        variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=0, keepdim=True)
        weights: Tensor = self.weigh((variance + 1e-8).sqrt() + mean)
        return x * weights
