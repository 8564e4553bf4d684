"""Networks small enough to count by hand, and random images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srae.checkpoints.loading import TrainedModel
from srae.config.data_section import read_section
from srae.config.data_sets import DataConfig, PairsConfig
from srae.config.experiment import Config, ModelConfig
from srae.data import Data, open_data
from srae.upscaling.backends.torch import from_trained
from srae.upscaling.network import Network


class Strided(nn.Module):
    """Two strided convolutions and back; radius counted by hand: (1 + 2) down, 2 * 1 + 1 up, in pixels 3 + 4 + 2."""

    multiple_of = 4
    receptive_radius = 9
    fixed_size = None

    def __init__(self, channels: int = 3, scale: int = 1, fixed_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.fixed_size = fixed_size
        self.down = nn.Conv2d(channels, 5, 3, 2, 1)
        self.lower = nn.Conv2d(5, 6, 3, 2, 1)
        self.up = nn.ConvTranspose2d(6, 5, 4, 2, 1)
        self.upper = nn.ConvTranspose2d(5, channels * scale**2, 4, 2, 1)

    def forward(self, input: Tensor) -> Tensor:
        if self.fixed_size:
            assert tuple(input.shape[2:]) == self.fixed_size
        x = torch.tanh(self.lower(torch.tanh(self.down(input))))
        x = self.upper(torch.tanh(self.up(x)))
        return F.pixel_shuffle(x, self.scale)


class Same(nn.Module):
    """Returns its input, each pixel repeated `scale` times; remembers what it was given."""

    multiple_of = 1
    receptive_radius = 0

    def __init__(self, scale: int = 1, fixed_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.scale, self.fixed_size = scale, fixed_size
        self.seen: list[Tensor] = []

    def forward(self, input: Tensor) -> Tensor:
        self.seen.append(input)
        return input.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


def toy(**options: object) -> Strided:
    torch.manual_seed(0)
    return Strided(**options).eval()  # type: ignore[arg-type]


def random_planes(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def random_image(*shape: int) -> np.ndarray:
    return random_planes(*shape).numpy()


def as_loaded(
    model: nn.Module, channels: int, data: DataConfig | None = None, task: str = "super_resolution"
) -> TrainedModel:
    config = Config(model=ModelConfig(name="identity"), data=data or PairsConfig(), task=task)  # type: ignore[arg-type]
    return TrainedModel(model, config, (channels, 8, 8), (channels, 8, 8), "toy", Path("toy"), {})


def as_network(
    model: nn.Module, channels: int, data: DataConfig | None = None, device: torch.device | str = "cpu"
) -> Network:
    """As the upscaler has it, run by torch."""
    return from_trained(as_loaded(model, channels, data), device)


def open_named(name: str, *, for_scoring: bool = False, undivided: bool = False, **keys: object) -> Data:
    """The data set of that name with the keys as a YAML would give them."""
    return open_data(read_section({"name": name, **keys}), for_scoring=for_scoring, undivided=undivided)
