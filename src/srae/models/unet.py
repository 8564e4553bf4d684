"""U-Net of report A's "5 layers": double 3x3 convolutions, max-pool, skip connections.

The published file does not run (its shapes do not meet); here the convolutions
are padded, so the centre-crop before each concatenation has nothing to cut.
Structure after Ronneberger et al. 2015, "U-Net".
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srae.models.blocks import Activation, build_activation, check_multiple, from_range, to_range
from srae.models.options import Channels, PerLayer, ValueRange


class UNet(nn.Module):
    """(B, C, H, W) in [0, 1] -> the same shape.

    Args:
        in_shape: (C, H, W) of a sample.
        out_shape: equal to in_shape.
        channels: output channels of each level, top to bottom.
        activation: after every convolution but the last.
        output_activation: on the output.
        value_range: range in which the network works; images are mapped to it and back.
    """

    scale = 1
    fixed_size = None

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        channels: Annotated[PerLayer[Channels], Field(max_length=12)],
        activation: Activation = "relu",
        output_activation: Activation = "none",
        value_range: ValueRange | None = None,
    ) -> None:
        super().__init__()
        if in_shape != out_shape:
            raise ValueError(f"input {in_shape} and target {out_shape} differ; this network keeps the size")
        self.low, self.high = value_range or (0.0, 1.0)
        self.multiple_of = 2 ** (len(channels) - 1)
        check_multiple(in_shape, self.multiple_of, f"{len(channels)} levels")
        # Two 3x3 convolutions reach 2 pixels of their level, on the way down and
        # up again; a pooled or enlarged level adds one of its own pixels.
        self.receptive_radius = sum(4 * 2**level for level in range(len(channels))) + 2 * self.multiple_of
        self.down = nn.ModuleList(
            _double_conv(inputs, outputs, activation)
            for inputs, outputs in zip([in_shape[0], *channels[:-1]], channels, strict=True)
        )
        pairs = list(zip(channels[:0:-1], channels[-2::-1], strict=True))  # (512, 256), (256, 128), ...
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, 2) for below, above in pairs)
        self.merge = nn.ModuleList(_double_conv(2 * above, above, activation) for _, above in pairs)
        self.last = nn.Conv2d(channels[0], out_shape[0], 3, padding=1)
        self.output_activation = build_activation(output_activation)

    def forward(self, input: Tensor) -> Tensor:
        x = to_range(input, self.low, self.high)
        skipped: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skipped.append(x)
        skipped.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat((skipped.pop(), up(x)), dim=1))
        x = self.output_activation(self.last(x))
        return from_range(x, self.low, self.high)


def _double_conv(inputs: int, outputs: int, activation: str) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        build_activation(activation),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        build_activation(activation),
    )
