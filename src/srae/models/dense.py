"""Report C's dense autoencoder: image > n > image."""

from __future__ import annotations

import math

from torch import Tensor, nn

from srae.models.blocks import Activation, Init, build_activation, from_range, initialise, to_range
from srae.models.options import Code, Rate, ValueRange


class DenseAutoencoder(nn.Module):
    """(B, C, H, W) in [0, 1] -> the same shape.

    Args:
        in_shape: (C, H, W) of a sample.
        out_shape: equal to in_shape.
        hidden: length of the code.
        activation: on the code.
        output_activation: on the output.
        dropout: dropout rate of the code.
        init: weights as torch draws them, or as Keras does (Glorot uniform, zero bias).
        value_range: range in which the network works; images are mapped to it and back.
    """

    scale = 1
    multiple_of = 1

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        hidden: Code,
        activation: Activation = "relu",
        output_activation: Activation = "sigmoid",
        dropout: Rate = 0.0,
        init: Init = "torch",
        value_range: ValueRange | None = None,
    ) -> None:
        super().__init__()
        if in_shape != out_shape:
            raise ValueError(f"input {in_shape} and target {out_shape} differ; set data.target: input")
        pixels = math.prod(in_shape)
        self.low, self.high = value_range or (0.0, 1.0)
        self.fixed_size = in_shape[1:]
        self.receptive_radius = max(in_shape[1:])
        self.encoder = nn.Linear(pixels, hidden)
        self.activation = build_activation(activation)
        self.dropout = nn.Dropout(dropout)
        self.decoder = nn.Linear(hidden, pixels)
        self.output_activation = build_activation(output_activation)
        initialise(self, init)

    def forward(self, input: Tensor) -> Tensor:
        x = to_range(input.flatten(1), self.low, self.high)  # (B, C, H, W) -> (B, C * H * W)
        code = self.dropout(self.activation(self.encoder(x)))
        x = self.output_activation(self.decoder(code))
        return from_range(x, self.low, self.high).view_as(input)
