"""SRVGG, or Compact: 3x3 convolutions with PReLU on the small image, added to it, enlarged by repeating its pixels.

The small network of Wang, Xie, Dong & Shan, "Real-ESRGAN: Training Real-World
Blind Super-Resolution with Pure Synthetic Data" (ICCV workshops 2021), in their
later releases: 16 convolutions of 64 channels between the first and the last,
621,424 parameters at x4.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from srae.models.blocks import image_scale
from srae.models.options import Blocks, Channels


class SRVGG(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w); the paper has C = 3.

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
        width: channels between the convolutions.
        layers: number of convolutions between the first and the last.
    """

    multiple_of = 1
    fixed_size = None

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        width: Channels = 64,
        layers: Blocks = 16,
    ) -> None:
        super().__init__()
        self.scale = image_scale(in_shape, out_shape)
        self.receptive_radius = layers + 2
        self.layers = nn.Sequential()
        for inputs in (in_shape[0], *[width] * layers):
            self.layers.extend([nn.Conv2d(inputs, width, 3, padding=1), nn.PReLU(width)])
        self.layers.append(nn.Conv2d(width, out_shape[0] * self.scale**2, 3, padding=1))

    def forward(self, input: Tensor) -> Tensor:
        # Every channel scale^2 times: after the sub-pixel layer each pixel is repeated scale times along both sides.
        repeated = input.repeat_interleave(self.scale**2, dim=1)
        return F.pixel_shuffle(self.layers(input) + repeated, self.scale)
