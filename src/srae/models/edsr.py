"""EDSR-baseline: residual blocks without batch-norm on the small image, then sub-pixel steps.

Lim, Son, Kim, Nah & Lee, "Enhanced Deep Residual Networks for Single Image
Super-Resolution" (CVPR workshops 2017): 16 blocks of 64 channels, 1.37 million
parameters at x2.  The authors subtract the mean colour of their training
images; here it is mid-grey, 0.5, for any data and number of channels (no
batch-norm, so only the zero padding makes a difference).
"""

from __future__ import annotations

from torch import Tensor, nn

from srae.models.blocks import image_scale
from srae.models.options import Blocks, Channels
from srae.models.residual import ResidualBlock


class EDSR(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w); the paper has C = 3.

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
        blocks: number of residual blocks.
        width: channels of the blocks.
    """

    multiple_of = 1
    fixed_size = None

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        blocks: Blocks = 16,
        width: Channels = 64,
    ) -> None:
        super().__init__()
        self.scale = image_scale(in_shape, out_shape)
        steps = _steps(self.scale)
        # Head, two per block, the convolution that ends the body; on the enlarged grids at most one pixel each.
        self.receptive_radius = 1 + 2 * blocks + 1 + len(steps) + 1
        self.head = nn.Conv2d(in_shape[0], width, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1))
        self.enlarge = nn.Sequential()
        for step in steps:
            self.enlarge.extend([nn.Conv2d(width, width * step**2, 3, padding=1), nn.PixelShuffle(step)])
        self.tail = nn.Conv2d(width, out_shape[0], 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        x = self.head(input - 0.5)
        x = x + self.body(x)
        output: Tensor = self.tail(self.enlarge(x)) + 0.5
        return output


def _steps(scale: int) -> list[int]:
    """Doublings, and the rest at once: 4 -> [2, 2], 3 -> [3], 1 -> []."""
    steps = []
    while scale % 2 == 0:
        steps.append(2)
        scale //= 2
    return steps + [scale] * (scale > 1)
