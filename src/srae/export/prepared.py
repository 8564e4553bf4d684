"""Networks made ready for export: batch normalisation folded, branches merged, padding inside."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from srae.checkpoints.facts import Geometry
from srae.models.blocks import BranchedConv2d


class AnySize(nn.Module):
    """A network on images whose sides are no multiples of its stride: (B, C, h, w) -> (B, C, scale * h, scale * w).

    Pads to the right and below as `srae upscale` does, and crops what comes out.
    """

    def __init__(self, network: nn.Module, geometry: Geometry) -> None:
        super().__init__()
        self.network, self.geometry = network, geometry

    def forward(self, input: Tensor) -> Tensor:
        height, width = input.shape[2:]
        if self.geometry.fixed_size or self.geometry.multiple_of == 1:
            return self.network(input)
        for dim in (2, 3):
            input = _extended(input, dim, self.geometry.multiple_of)
        return self.network(input)[:, :, : height * self.geometry.scale, : width * self.geometry.scale]


def _extended(input: Tensor, dim: int, multiple: int) -> Tensor:
    """Mirrored at its end to a multiple, or the last pixel repeated where there is too little to mirror."""
    size = input.shape[dim]
    new_size = (size + multiple - 1) // multiple * multiple
    places = torch.arange(new_size, device=input.device)
    # A tensor decides, because in a graph the sizes are known only when it runs.
    beyond = torch.where(torch.tensor(new_size) < 2 * size, 2 * (size - 1) - places, size - 1)
    return input.index_select(dim, torch.where(places < size, places, beyond))


def fold(network: nn.Module) -> nn.Module:
    """A copy in which layers that are one convolution are one: the same function, to rounding.

    Batch normalisations become part of the convolutions before them, and branches are merged.
    """
    folded = deepcopy(network).eval()
    for parent in list(folded.modules()):
        if isinstance(parent, nn.Sequential):
            _fold_norms(parent)
        for name, child in parent.named_children():
            if isinstance(child, BranchedConv2d):
                setattr(parent, name, child.merge())
    return folded


def _fold_norms(layers: nn.Sequential) -> None:
    for i in range(len(layers) - 1):
        conv, norm = layers[i], layers[i + 1]
        if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
            layers[i] = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
            layers[i + 1] = nn.Identity()
