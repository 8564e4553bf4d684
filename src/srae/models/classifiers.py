"""Classifiers: plain convolutional networks (reports D and E) and a small residual one (report E).

They put out logits; the softmax is part of the loss.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from srae.models.blocks import Activation, Init, build_activation, conv_size, initialise, per_layer
from srae.models.options import Channels, Padding, PerLayer, Rate, Side


class ConvClassifier(nn.Module):
    """(B, C, H, W) in [0, 1] -> logits (B, classes).

    Args:
        in_shape: (C, H, W) of a sample.
        out_shape: (classes,).
        channels: output channels of each convolution.
        kernel: kernel side, one for all layers or one per layer.
        stride: stride, one for all layers or one per layer.
        padding: zero padding, one for all layers or one per layer.
        pool: max-pool after each layer (1: none), one for all or one per layer.
        dense: widths of the Linear layers between the convolutions and the logits.
        activation: after every layer but the last.
        batch_norm: batch normalisation after every convolution.
        dropout: dropout rate before every Linear.
        init: weights as torch draws them, or as Keras does (Glorot uniform, zero bias).
    """

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, ...],
        channels: PerLayer[Channels],
        kernel: Side | PerLayer[Side] = 3,
        stride: Side | PerLayer[Side] = 1,
        padding: Padding | PerLayer[Padding] = 0,
        pool: Side | PerLayer[Side] = 1,
        dense: PerLayer[Channels] | None = None,
        activation: Activation = "relu",
        batch_norm: bool = False,
        dropout: Rate = 0.0,
        init: Init = "torch",
    ) -> None:
        super().__init__()
        depth, size = len(channels), in_shape[1:]
        kernels, strides = per_layer(kernel, depth, "kernel"), per_layer(stride, depth, "stride")
        paddings, pools = per_layer(padding, depth, "padding"), per_layer(pool, depth, "pool")
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(zip([in_shape[0], *channels], channels, strict=False)):
            layers.append(nn.Conv2d(inputs, outputs, kernels[i], strides[i], paddings[i]))
            if batch_norm:
                layers.append(nn.BatchNorm2d(outputs))
            after = [build_activation(activation)]
            if pools[i] > 1:
                after.append(nn.MaxPool2d(pools[i]))
            if activation == "relu":  # equal results after the pooling, from a quarter of the values
                after.reverse()
            layers.extend(after)
            height, width = conv_size(size, kernels[i], strides[i], paddings[i])
            size = (height // pools[i], width // pools[i])
            if min(size) < 1:
                raise ValueError(f"layer {i + 1} has nothing left of a {in_shape[1]}x{in_shape[2]} input")
        layers.append(nn.Flatten())
        widths = [channels[-1] * math.prod(size), *(dense or []), _class_count(out_shape)]
        for i, (inputs, outputs) in enumerate(pairwise(widths)):
            if dropout:
                layers.append(nn.Dropout(dropout))
            layers.append(nn.Linear(inputs, outputs))
            if i < len(widths) - 2:
                layers.append(build_activation(activation))
        self.layers = nn.Sequential(*layers)
        self.fixed_size = in_shape[1:]
        initialise(self, init)

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input)


class ResidualClassifier(nn.Module):
    """(B, C, H, W) in [0, 1] -> logits (B, classes); residual stages after He et al. 2016.

    Every stage halves the size: conv, batch-norm, relu, conv, batch-norm, plus the
    input (through a strided 1x1 convolution), relu.  Then a mean over all pixels.

    Args:
        in_shape: (C, H, W) of a sample.
        out_shape: (classes,).
        channels: output channels of each stage.
        dropout: dropout rate before the logits.
        init: weights as torch draws them, or as Keras does (Glorot uniform, zero bias).
    """

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, ...],
        channels: PerLayer[Channels],
        dropout: Rate = 0.0,
        init: Init = "torch",
    ) -> None:
        super().__init__()
        pairs = zip([in_shape[0], *channels], channels, strict=False)
        self.stages = nn.ModuleList(_Stage(inputs, outputs) for inputs, outputs in pairs)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(channels[-1], _class_count(out_shape))
        self.fixed_size = in_shape[1:]
        initialise(self, init)

    def forward(self, input: Tensor) -> Tensor:
        x = input
        for stage in self.stages:
            x = stage(x)
        return self.logits(self.dropout(x.mean((2, 3))))


class _Stage(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        # A 1x1 convolution of stride 2, but not called so: its backward pass in bfloat16 on a CPU (torch 2.15)
        # corrupts memory when the size of the batch changes.
        return F.relu(self.second_norm(self.second(y)) + self.shortcut(x[:, :, ::2, ::2]))


def _class_count(out_shape: tuple[int, ...]) -> int:
    if len(out_shape) != 1:
        raise ValueError(f"target {out_shape} is an image; a classifier needs data with labels")
    return out_shape[0]
