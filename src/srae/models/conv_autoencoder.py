"""The convolutional autoencoder of the origin reports, all variants.

encoder: layers of [convolution, batch-norm, activation, dropout, max-pool];
middle: nothing, or a Linear to a latent vector and back; decoder: the encoder
mirrored with transposed convolutions, optionally with skip connections (the
encoder's features come first in the concatenation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srae.models.blocks import (
    Activation,
    build_activation,
    build_conv,
    build_transposed_conv,
    conv_size,
    from_range,
    per_layer,
    to_range,
    transposed_size,
)
from srae.models.options import Channels, Code, Padding, PerLayer, Rate, Side, ValueRange


class ConvAutoencoder(nn.Module):
    """(B, C, H, W) in [0, 1] -> the same shape.

    Args:
        in_shape: (C, H, W) of a sample.
        out_shape: equal to in_shape.
        channels: output channels of each encoder layer; its length is the depth.
        kernel: kernel side, one for all layers or one per layer.
        stride: stride, one for all layers or one per layer.
        padding: zero padding, one for all layers or one per layer.
        pool: max-pool after each layer (1: none), one for all or one per layer.
        activation: after every layer of the encoder and, by default, the decoder.
        decoder_activations: per decoder layer, first to last.
        latent_activation: once more on the code (the encoder's last output).
        output_activation: once more on the decoder's output.
        latent: length of the latent vector between two Linear layers; none: no Linear.
        skips: skip connections from each encoder layer to the decoder layer of its level.
        batch_norm: batch normalisation after every convolution.
        dropout: dropout rate after every activation.
        plain_output: leave batch-norm, activation and dropout out of the last decoder layer.
        value_range: range in which the network works; images are mapped to it and back.
    """

    scale = 1

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        channels: PerLayer[Channels],
        kernel: Side | PerLayer[Side] = 3,
        stride: Side | PerLayer[Side] = 2,
        padding: Padding | PerLayer[Padding] = 1,
        pool: Side | PerLayer[Side] = 1,
        activation: Activation = "relu",
        decoder_activations: PerLayer[Activation] | None = None,
        latent_activation: Activation = "none",
        output_activation: Activation = "none",
        latent: Code | None = None,
        skips: bool = False,
        batch_norm: bool = False,
        dropout: Rate = 0.0,
        plain_output: bool = False,
        value_range: ValueRange | None = None,
    ) -> None:
        super().__init__()
        if in_shape != out_shape:
            raise ValueError(f"input {in_shape} and target {out_shape} differ; this network keeps the size")
        levels = _plan_levels(in_shape, channels, kernel=kernel, stride=stride, padding=padding, pool=pool)
        acts: list[Activation] = per_layer(decoder_activations or activation, len(levels), "decoder_activations")
        self.low, self.high = value_range or (0.0, 1.0)
        self.skips = skips
        self.receptive_radius, self.multiple_of = _reach(levels)

        # Layers are built in this order because it decides their random weights and the keys of checkpoints.
        self.encoder, self.pools = nn.ModuleList(), nn.ModuleList()
        for level in levels:
            conv = build_conv(level.inputs, level.outputs, level.kernel, level.stride, level.padding)
            self.encoder.append(_layer(conv, activation, batch_norm, dropout))
            self.pools.append(nn.MaxPool2d(level.pool) if level.pool > 1 else nn.Identity())

        self.latent_activation = build_activation(latent_activation)
        self.code_shape = (levels[-1].outputs, *levels[-1].pooled)
        code = math.prod(self.code_shape)
        self.to_latent = nn.Linear(code, latent) if latent else nn.Identity()
        self.from_latent = nn.Linear(latent, code) if latent else nn.Identity()
        self.has_latent = latent is not None

        self.decoder = nn.ModuleList()
        for level, act in zip(reversed(levels), acts, strict=True):
            conv_back = _build_mirror(level, skipped=level.outputs if skips else 0)
            plain = plain_output and level is levels[0]
            self.decoder.append(nn.Sequential(conv_back) if plain else _layer(conv_back, act, batch_norm, dropout))
        self.output_activation = build_activation(output_activation)

        # A Linear layer fixes the input size.  So does a kernel at least half as wide as its input: in
        # training most of its window lay in the padding or in one place.
        wide = any(2 * level.kernel >= min(level.size) for level in levels)
        self.fixed_size = in_shape[1:] if latent or wide else None

    def forward(self, input: Tensor) -> Tensor:
        x = to_range(input, self.low, self.high)
        skipped = []
        for layer, pool in zip(self.encoder, self.pools, strict=True):
            x = layer(x)
            skipped.append(x)
            x = pool(x)
        x = self.latent_activation(x)
        if self.has_latent:
            x = self.from_latent(self.to_latent(x.flatten(1)))
            x = x.unflatten(1, self.code_shape)  # (B, code) -> (B, C, h, w)
            x = x.contiguous(memory_format=torch.channels_last)
        for layer in self.decoder:
            from_encoder = skipped.pop()
            if x.shape[2:] != from_encoder.shape[2:]:  # undo the pooling
                x = F.interpolate(x, size=from_encoder.shape[2:], mode="nearest")
            x = layer(torch.cat((from_encoder, x), dim=1) if self.skips else x)
        x = self.output_activation(x)
        return from_range(x, self.low, self.high)


class _Level(NamedTuple):
    """A layer of the encoder and its mirror in the decoder; sizes are (height, width) in pixels of the level."""

    inputs: int
    outputs: int
    """Channels of the encoder's layer."""
    kernel: int
    stride: int
    padding: int
    pool: int
    size: tuple[int, int]
    """Of its input."""
    convolved: tuple[int, int]
    """After the convolution, before the pool."""
    pooled: tuple[int, int]


def _plan_levels(
    in_shape: tuple[int, int, int], channels: Sequence[int], **options: int | Sequence[int]
) -> list[_Level]:
    """First to last.

    Args:
        options: `kernel`, `stride`, `padding`, `pool`; one for all levels or one per level.

    Raises:
        ValueError: an option has too few or too many entries, or a layer leaves nothing.
    """
    each = [per_layer(value, len(channels), name) for name, value in options.items()]
    levels, size, inputs = list[_Level](), in_shape[1:], in_shape[0]
    for i, (outputs, kernel, stride, padding, pool) in enumerate(zip(channels, *each, strict=True)):
        convolved = conv_size(size, kernel, stride, padding)
        pooled = (convolved[0] // pool, convolved[1] // pool)
        if min(pooled) < 1:
            raise ValueError(f"layer {i + 1} has nothing left of a {in_shape[1]}x{in_shape[2]} input")
        levels.append(_Level(inputs, outputs, kernel, stride, padding, pool, size, convolved, pooled))
        inputs, size = outputs, pooled
    for i, level in reversed(list(enumerate(levels))):
        extra = _extra(level)
        if extra[0] != extra[1] or not 0 <= extra[0] < max(level.stride, 2):
            raise ValueError(f"layer {i + 1} cannot be mirrored: {level.convolved} back to {level.size}")
    return levels


def _extra(level: _Level) -> tuple[int, int]:
    """Rows and columns that the transposed convolution lacks to give back the size of the level's input."""
    height, width = (
        wanted - transposed_size(size, level.kernel, level.stride, level.padding)
        for wanted, size in zip(level.size, level.convolved, strict=True)
    )
    return height, width


def _reach(levels: Sequence[_Level]) -> tuple[int, int]:
    """Receptive radius, and the number that the sides of the input must be multiples of, in pixels of the input."""
    radius, multiple = 0, 1
    for level in levels:
        radius += 2 * level.kernel * multiple  # there and back
        multiple *= level.stride * level.pool
        radius += level.pool * multiple * (level.pool > 1)
    return radius, multiple


def _build_mirror(level: _Level, skipped: int) -> nn.ConvTranspose2d:
    """The transposed convolution that undoes a level; `skipped` channels come from its skip connection."""
    return build_transposed_conv(
        level.outputs + skipped,
        level.inputs,
        level.kernel,
        stride=level.stride,
        padding=level.padding,
        output_padding=_extra(level)[0],
    )


def _layer(conv: nn.Conv2d | nn.ConvTranspose2d, activation: str, batch_norm: bool, dropout: float) -> nn.Sequential:
    parts: list[nn.Module] = [conv]
    if batch_norm:
        parts.append(nn.BatchNorm2d(conv.out_channels))
    parts.append(build_activation(activation))
    if dropout:
        parts.append(nn.Dropout(dropout))
    return nn.Sequential(*parts)
