"""State dicts as other programs know them: networks that spandrel (chaiNNer, ComfyUI) recognises by their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from srae.checkpoints.loading import TrainedModel
from srae.errors import ConfigError
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


FORMS: dict[str, Form] = {"vdsr": Form("DnCNN", _as_dncnn)}
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
