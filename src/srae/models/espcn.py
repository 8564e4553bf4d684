"""ESPCN: three convolutions on the small image and the sub-pixel layer that it introduced.

Shi et al., "Real-Time Single Image and Video Super-Resolution Using an
Efficient Sub-Pixel Convolutional Neural Network" (CVPR 2016): 5-3-3, 64 and 32
features, tanh; 21,284 parameters for one channel at x2.  The weights start as
Glorot and Bengio's, made for tanh.
"""

from __future__ import annotations

from torch import Tensor, nn

from srae.models.blocks import image_scale, initialise


class ESPCN(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w); the paper has C = 1, luma.

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
    """

    multiple_of = 1
    receptive_radius = 4  # 2 + 1 + 1
    fixed_size = None

    def __init__(self, *, in_shape: tuple[int, int, int], out_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.scale = image_scale(in_shape, out_shape)
        self.layers = nn.Sequential(
            nn.Conv2d(in_shape[0], 64, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(32, out_shape[0] * self.scale**2, 3, padding=1),
            nn.PixelShuffle(self.scale),  # (B, C * scale^2, h, w) -> (B, C, scale * h, scale * w)
        )
        initialise(self, "keras")

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.layers(input)
        return output
