"""State dicts as other programs know them: networks that spandrel (chaiNNer, ComfyUI) recognises by their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from srae.checkpoints.loading import TrainedModel
from srae.errors import ConfigError
from srae.models.blocks import BranchedConv2d
from srae.models.span import SPAN
from srae.models.srvgg import SRVGG
from srae.models.vdsr import VDSR

StateDict = dict[str, Tensor]


class Form(NamedTuple):
    """An architecture that spandrel detects, for a network of the suite.

    Attributes:
        architecture: its id in spandrel.
        convert: the network's weights in that architecture's names; ValueError says why these do not fit.
    """

    architecture: str
    convert: Callable[[Any], StateDict]


def _as_dncnn(network: VDSR) -> StateDict:
    """VDSR that keeps the size adds what DnCNN (Zhang et al. 2017) subtracts."""
    weights, last = network.state_dict(), len(network.layers) - 1
    if network.scale != 1:
        raise ValueError("only a vdsr that keeps the size is a DnCNN: spandrel knows no network that enlarges first")
    if last < 14:
        raise ValueError(f"spandrel recognises a DnCNN of 8 layers and more, not of {last // 2 + 1}")
    signs = {f"layers.{last}.{kind}": -1 for kind in ("weight", "bias")}
    return {name.replace("layers.", "model."): value * signs.get(name, 1) for name, value in weights.items()}


def _as_compact(network: SRVGG) -> StateDict:
    return {name.replace("layers.", "body."): value for name, value in network.state_dict().items()}


_BRANCHES = {"sk": "skip", "conv.0": "expand", "conv.1": "middle", "conv.2": "reduce"}


def _as_span(network: SPAN) -> StateDict:
    """With the branches of each convolution, and the kernel that they are (`eval_conv`)."""
    if len(network.blocks) != 6:
        raise ValueError(f"spandrel knows SPAN with 6 blocks, not with {len(network.blocks)}")
    if network.head.weight.shape[1] != 3:
        raise ValueError(f"spandrel knows SPAN for 3 channels, not for {network.head.weight.shape[1]}")
    branched: dict[str, Any] = {"conv_1": network.head, "conv_2": network.last}
    for i, block in enumerate(network.blocks, 1):
        branched |= {f"block_{i}.c{j}_r": conv for j, conv in enumerate((block.first, block.second, block.third), 1)}
    layers: dict[str, nn.Module] = {"conv_cat": network.fuse, "upsampler.0": network.tail}
    for place, conv in branched.items():
        conv = conv if isinstance(conv, BranchedConv2d) else _with_branches(conv)
        layers |= {f"{place}.{name}": getattr(conv, own) for name, own in _BRANCHES.items()}
        layers[f"{place}.eval_conv"] = conv.merge()
    weights = {} if network.normalise else {"no_norm": torch.zeros(1)}
    for place, layer in layers.items():
        weights |= {f"{place}.{name}": value for name, value in layer.state_dict().items()}
    return weights


@torch.no_grad()
def _with_branches(conv: nn.Conv2d) -> BranchedConv2d:
    """Branches that are this kernel: spandrel computes kernels from them even where they are stored."""
    branched = BranchedConv2d(conv.in_channels, conv.out_channels)
    for parameter in branched.parameters():
        nn.init.zeros_(parameter)
    nn.init.dirac_(branched.expand.weight)
    nn.init.dirac_(branched.reduce.weight)
    branched.middle.weight[: conv.out_channels, : conv.in_channels] = conv.weight
    assert conv.bias is not None and branched.reduce.bias is not None
    branched.reduce.bias.copy_(conv.bias)
    return branched


FORMS: dict[str, Form] = {
    "vdsr": Form("DnCNN", _as_dncnn),
    "srvgg": Form("Compact", _as_compact),
    "span": Form("SPAN", _as_span),
}
"""Network of the suite -> what spandrel takes it for."""


def to_known_form(trained: TrainedModel) -> tuple[str, StateDict]:
    """The architecture's id in spandrel, and the weights in its names.

    Raises:
        ConfigError: spandrel knows no architecture that computes the same.
    """
    name, where = trained.config.model.name, str(trained.path)
    remedy = "--format onnx writes any network, for chaiNNer and whatever else runs ONNX"
    if name not in FORMS:
        known = ", ".join(FORMS)
        raise ConfigError(
            f"spandrel knows no architecture that computes what {name} does (known: {known})", where, remedy
        )
    try:
        return FORMS[name].architecture, FORMS[name].convert(trained.model)
    except ValueError as error:
        raise ConfigError(str(error), where, remedy) from None
