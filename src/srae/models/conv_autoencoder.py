"""The convolutional autoencoder of the origin reports, all variants.

encoder: layers of [convolution, batch-norm, activation, dropout, max-pool];
middle: nothing, or a Linear to a latent vector and back; decoder: the encoder
mirrored with transposed convolutions, each optionally fed with the encoder's
features of its level (copied features come first in the concatenation).
"""

from __future__ import annotations

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
        skips: copy each encoder layer's output to the decoder layer of its level.
        batch_norm: batch normalisation after every convolution.
        dropout: dropout rate after every activation.
        plain_output: leave batch-norm, activation and dropout out of the last decoder layer.
        value_range: range in which the network works; pictures are mapped to it and back.
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
        depth = len(channels)
        kernels, strides = per_layer(kernel, depth, "kernel"), per_layer(stride, depth, "stride")
        paddings, pools = per_layer(padding, depth, "padding"), per_layer(pool, depth, "pool")
        acts: list[Activation] = per_layer(decoder_activations or activation, depth, "decoder_activations")
        self.low, self.high = value_range or (0.0, 1.0)
        self.skips = skips

        widths, height_width = [in_shape[0], *channels], in_shape[1:]
        before_pool: list[tuple[int, int]] = []
        self.encoder, self.pools = nn.ModuleList(), nn.ModuleList()
        self.receptive_radius, self.multiple_of = 0, 1
        inputs: list[tuple[int, int]] = []
        for i in range(depth):
            conv = build_conv(widths[i], widths[i + 1], kernels[i], strides[i], paddings[i])
            self.encoder.append(_layer(conv, activation, batch_norm, dropout))
            self.pools.append(nn.MaxPool2d(pools[i]) if pools[i] > 1 else nn.Identity())
            inputs.append(height_width)
            height_width = conv_size(height_width, kernels[i], strides[i], paddings[i])
            before_pool.append(height_width)
            height_width = (height_width[0] // pools[i], height_width[1] // pools[i])
            if min(height_width) < 1:
                raise ValueError(f"layer {i + 1} has nothing left of a {in_shape[1]}x{in_shape[2]} input")
            self.receptive_radius += 2 * kernels[i] * self.multiple_of  # there and back
            self.multiple_of *= strides[i] * pools[i]
            self.receptive_radius += pools[i] * self.multiple_of * (pools[i] > 1)

        self.latent_activation = build_activation(latent_activation)
        self.code_shape = (channels[-1], *height_width)
        code = channels[-1] * height_width[0] * height_width[1]
        self.to_latent = nn.Linear(code, latent) if latent else nn.Identity()
        self.from_latent = nn.Linear(latent, code) if latent else nn.Identity()
        self.has_latent = latent is not None

        self.decoder = nn.ModuleList()
        for i in reversed(range(depth)):
            extra = tuple(
                wanted - transposed_size(size, kernels[i], strides[i], paddings[i])
                for wanted, size in zip(inputs[i], before_pool[i], strict=True)
            )
            if extra[0] != extra[1] or not 0 <= extra[0] < max(strides[i], 2):
                raise ValueError(f"layer {i + 1} cannot be mirrored: {before_pool[i]} back to {inputs[i]}")
            copied = widths[i + 1] if skips else 0
            conv_back = build_transposed_conv(
                widths[i + 1] + copied, widths[i], kernels[i], strides[i], paddings[i], extra[0]
            )
            plain = plain_output and i == 0
            act = acts[depth - 1 - i]
            layer = nn.Sequential(conv_back) if plain else _layer(conv_back, act, batch_norm, dropout)
            self.decoder.append(layer)
        self.output_activation = build_activation(output_activation)

        # A Linear fixes the size.  So does a kernel half as wide as its input: in
        # training most of its window was beyond the border or at the same place.
        wide = any(2 * k >= min(size) for k, size in zip(kernels, inputs, strict=True))
        self.fixed_size = in_shape[1:] if latent or wide else None

    def forward(self, input: Tensor) -> Tensor:
        x = to_range(input, self.low, self.high)
        copies = []
        for layer, pool in zip(self.encoder, self.pools, strict=True):
            x = layer(x)
            copies.append(x)
            x = pool(x)
        x = self.latent_activation(x)
        if self.has_latent:
            x = self.from_latent(self.to_latent(x.flatten(1)))
            x = x.unflatten(1, self.code_shape)  # (B, code) -> (B, C, h, w)
            x = x.contiguous(memory_format=torch.channels_last)
        for layer in self.decoder:
            copy = copies.pop()
            if x.shape[2:] != copy.shape[2:]:  # undo the pooling
                x = F.interpolate(x, size=copy.shape[2:], mode="nearest")
            x = layer(torch.cat((copy, x), dim=1) if self.skips else x)
        x = self.output_activation(x)
        return from_range(x, self.low, self.high)


def _layer(conv: nn.Conv2d | nn.ConvTranspose2d, activation: str, batch_norm: bool, dropout: float) -> nn.Sequential:
    parts: list[nn.Module] = [conv]
    if batch_norm:
        parts.append(nn.BatchNorm2d(conv.out_channels))
    parts.append(build_activation(activation))
    if dropout:
        parts.append(nn.Dropout(dropout))
    return nn.Sequential(*parts)
