"""SRCNN: three convolutions on the bicubically enlarged image.

Dong, Loy, He & Tang, "Image Super-Resolution Using Deep Convolutional Networks"
(ECCV 2014; TPAMI 2016): patches to 64 features, a non-linear map to 32, and
back to an image.  9-5-5 is the network of the papers' tables (57,184 weights
for one channel), 9-1-5 that of 2014 (8,032); biases come on top.

The papers draw the weights with a deviation of 0.001 and train for days; here
they start as He et al. 2015 propose (the same 240 steps of Adam lead to 31.8 dB
instead of 24.9 on the luma of Set5 x2), with the same function and size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srae.models.blocks import enlarge_bicubic, enlarged_radius, image_scale
from srae.models.options import Side


class SRCNN(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w); the paper has C = 1, luma.

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
        middle_kernel: side of the second convolution: 5 is SRCNN 9-5-5, 1 is 9-1-5.
    """

    multiple_of = 1
    fixed_size = None

    def __init__(
        self, *, in_shape: tuple[int, int, int], out_shape: tuple[int, int, int], middle_kernel: Side = 5
    ) -> None:
        super().__init__()
        if middle_kernel % 2 == 0:
            raise ValueError(f"middle_kernel must be odd, not {middle_kernel}: an even one shifts the image")
        self.scale = image_scale(in_shape, out_shape)
        self.receptive_radius = enlarged_radius(4 + middle_kernel // 2 + 2, self.scale)
        self.layers = nn.Sequential(
            _conv(in_shape[0], 64, 9),
            nn.ReLU(),
            _conv(64, 32, middle_kernel),
            nn.ReLU(),
            _conv(32, out_shape[0], 5),
        )

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.layers(enlarge_bicubic(input, self.scale))
        return output


class _EdgeConv2d(nn.Conv2d):
    """Keeps the size by repeating the edge: zero padding would darken it.

    Built from slices: on CUDA the gradient of `padding_mode="replicate"` has an undefined summation order.
    """

    def forward(self, input: Tensor) -> Tensor:
        if torch.compiler.is_exporting():  # one operation of a graph
            y, x = (side // 2 for side in self.kernel_size)
            return super().forward(F.pad(input, [x, x, y, y], mode="replicate"))
        for side, dim in zip(self.kernel_size, (-2, -1), strict=True):
            first, last = input.narrow(dim, 0, 1), input.narrow(dim, -1, 1)
            input = torch.cat([*[first] * (side // 2), input, *[last] * (side // 2)], dim)
        return super().forward(input)


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    conv = _EdgeConv2d(inputs, outputs, kernel)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv
