"""VDSR: twenty 3x3 convolutions that learn what the bicubically enlarged image lacks.

Kim, Lee & Lee, "Accurate Image Super-Resolution Using Very Deep Convolutional
Networks" (CVPR 2016): 20 layers of 64 channels, zeros around, He's
initialisation, the result added to the input; 664,704 weights for one channel.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srae.models.blocks import enlarge_bicubic, enlarged_radius, image_scale
from srae.models.options import Blocks, Channels


class VDSR(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w); the paper has C = 1, luma.

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
        layers: number of convolutions, at least 2.
        width: channels between them.
    """

    multiple_of = 1
    fixed_size = None

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        layers: Annotated[Blocks, Field(ge=2)] = 20,
        width: Channels = 64,
    ) -> None:
        super().__init__()
        self.scale = image_scale(in_shape, out_shape)
        self.receptive_radius = enlarged_radius(layers, self.scale)
        sides = [in_shape[0], *[width] * (layers - 1), out_shape[0]]
        self.layers = nn.Sequential()
        for inputs, outputs in pairwise(sides):
            conv = nn.Conv2d(inputs, outputs, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
            self.layers.extend([conv, nn.ReLU()])
        del self.layers[-1]

    def forward(self, input: Tensor) -> Tensor:
        base = enlarge_bicubic(input, self.scale)
        output: Tensor = base + self.layers(base)
        return output
