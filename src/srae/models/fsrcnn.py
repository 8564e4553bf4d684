"""FSRCNN: SRCNN on the small image, in the shape of an hourglass, enlarged by a deconvolution at the end.

Dong, Loy & Tang, "Accelerating the Super-Resolution Convolutional Neural
Network" (ECCV 2016): FSRCNN(d = 56, s = 12, m = 4) has 12,464 weights for one
channel; biases and PReLU slopes come on top.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from srae.models.blocks import image_scale
from srae.models.options import Blocks, Channels


class FSRCNN(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w); the paper has C = 1, luma.

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
        features: channels at both ends, the paper's d.
        shrunk: channels in the middle, the paper's s.
        mappings: 3x3 convolutions in the middle, the paper's m.
    """

    multiple_of = 1
    fixed_size = None

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        features: Channels = 56,
        shrunk: Channels = 12,
        mappings: Blocks = 4,
    ) -> None:
        super().__init__()
        self.scale = image_scale(in_shape, out_shape)
        self.receptive_radius = 2 + mappings + math.ceil(4 / self.scale)
        self.layers = nn.Sequential(
            *_conv(in_shape[0], features, 5),
            *_conv(features, shrunk, 1),
            *(layer for _ in range(mappings) for layer in _conv(shrunk, shrunk, 3)),
            *_conv(shrunk, features, 1),
        )
        # The output padding makes the size exact: (h - 1) * scale + 9 - 2 * 4 + (scale - 1) = h * scale.
        self.deconvolution = nn.ConvTranspose2d(features, out_shape[0], 9, self.scale, 4, self.scale - 1)
        nn.init.normal_(self.deconvolution.weight, std=0.001)
        assert self.deconvolution.bias is not None
        nn.init.zeros_(self.deconvolution.bias)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.deconvolution(self.layers(input))
        return output


def _conv(inputs: int, outputs: int, kernel: int) -> tuple[nn.Conv2d, nn.PReLU]:
    """Convolution that keeps the size, and its PReLU; initialised for it (He et al. 2015)."""
    conv, prelu = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.PReLU(outputs)
    nn.init.kaiming_normal_(conv.weight, a=0.25, nonlinearity="leaky_relu")
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv, prelu
