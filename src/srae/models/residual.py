"""A small residual network that starts as the identity (or as bicubic) and improves on it.

The image is folded to a coarser grid (pixel-unshuffle), goes through residual
blocks and is unfolded again (sub-pixel convolution, Shi et al. 2016); the
result is added to the input.  The last layer starts at zero, so training begins
at the identity baseline, which no autoencoder of the reports reaches.  Blocks
without batch-norm as in Lim et al. 2017 (EDSR).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from srae.models.blocks import check_multiple, enlarge_bicubic, image_scale
from srae.models.options import Blocks, Channels, Side


class ResidualNetwork(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w).

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
        width: channels of the blocks.
        blocks: number of residual blocks.
        shrink: side of the pixel-unshuffle at the input; the blocks work on 1/shrink of the input's size.
    """

    fixed_size = None
    starts_as_baseline = True

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        width: Channels = 48,
        blocks: Blocks = 8,
        shrink: Side = 2,
    ) -> None:
        super().__init__()
        self.scale = image_scale(in_shape, out_shape)
        self.shrink = self.multiple_of = shrink
        check_multiple(in_shape, shrink, "shrink")
        self.receptive_radius = shrink * (2 * blocks + 3)
        unfold = shrink * self.scale
        self.head = nn.Conv2d(in_shape[0] * shrink**2, width, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.tail = nn.Conv2d(width, out_shape[0] * unfold**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        assert self.tail.bias is not None
        nn.init.zeros_(self.tail.bias)

    def forward(self, input: Tensor) -> Tensor:
        correction = self.correct(input)  # first: the enlarged image need not wait in memory
        return enlarge_bicubic(input, self.scale) + correction

    def correct(self, input: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, scale * h, scale * w): what is added to the enlarged image."""
        folded = F.pixel_unshuffle(input, self.shrink) if self.shrink > 1 else input
        x = self.head(folded)  # (B, C * shrink^2, h/shrink, w/shrink) -> (B, width, h/shrink, w/shrink)
        for block in self.blocks:
            x = block(x)
        return F.pixel_shuffle(self.tail(x), self.shrink * self.scale)


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        # In place: a new tensor for each step would cost about as much as the step.
        return self.second(F.relu(self.first(x), inplace=True)).add_(x)
