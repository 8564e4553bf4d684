"""Networks that srae did not train, as scoring takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from srae.checkpoints.facts import NetworkFacts
from srae.checkpoints.foreign import is_foreign, load_foreign
from srae.checkpoints.loading import TrainedModel, load_model
from srae.config.data_sets import PairsConfig
from srae.config.experiment import Config, ModelConfig
from srae.upscaling.backends import open_network
from srae.upscaling.network import Network

_CHANNELS: dict[int, Literal["L", "RGB", "RGBA"]] = {1: "L", 3: "RGB", 4: "RGBA"}


def load_any(path: Path, say: Callable[[str], None] = lambda _: None) -> TrainedModel:
    """A network of the suite, or one of others; the latter knows no data of its own.

    Raises:
        CheckpointError, ConfigError, ResourceError: see `load_model` and `open_network`.
    """
    if path.suffix.lower() == ".onnx":
        network = open_network(path, say=say)
        return _as_trained(EngineModule(network), network.facts, path.stem, path)
    if path.is_file() and is_foreign(path):
        foreign = load_foreign(path, say)
        return _as_trained(foreign.model, foreign.facts, foreign.architecture, path)
    return load_model(path)


def _as_trained(model: nn.Module, facts: NetworkFacts, name: str, path: Path) -> TrainedModel:
    geometry = facts.geometry
    config = Config(
        model=ModelConfig(name=name),
        data=PairsConfig(
            channels=_CHANNELS[facts.channels], enlarge=facts.enlarge_kernel if geometry.scale == 1 else None
        ),
    )
    side = geometry.smallest
    in_shape = (facts.channels, side, side)
    out_shape = (facts.channels, side * geometry.scale, side * geometry.scale)
    return TrainedModel(model, config, in_shape, out_shape, "", path, {})


class EngineModule(nn.Module):
    """A network that an engine runs on the CPU, as a module; the engine's weights are none of its parameters."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        geometry, self._engine = network.geometry, network.engine
        self.scale, self.multiple_of, self.smallest = geometry.scale, geometry.multiple_of, geometry.smallest
        self.receptive_radius, self.fixed_size = geometry.receptive_radius, geometry.fixed_size

    def forward(self, input: Tensor) -> Tensor:
        output = self._engine.run(np.ascontiguousarray(input.float().cpu().numpy()), "float32")
        return torch.from_numpy(output).to(input.device)
