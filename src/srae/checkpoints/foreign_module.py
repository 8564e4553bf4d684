"""A network of spandrel as a module like those of the suite."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srae.checkpoints.facts import Geometry


class ForeignNetwork(nn.Module):
    """(B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w) in [0, 1].

    It calls spandrel's descriptor, not the module inside: nine architectures need another call, which only the
    descriptor knows, such as a second input, the first of several outputs, or [-1, 1] made [0, 1].  The descriptor
    pads, by reflection, what is no multiple of what it states; the upscaler has then padded already, by its own rule.
    """

    scale: int
    multiple_of: int
    receptive_radius: int | None
    fixed_size: tuple[int, int] | None
    smallest: int

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network = descriptor.model
        self._descriptor = descriptor

    def state_geometry(self, geometry: Geometry) -> None:
        """As the networks of the suite state it, see `srae.models`."""
        self.scale, self.multiple_of, self.smallest = geometry.scale, geometry.multiple_of, geometry.smallest
        self.receptive_radius, self.fixed_size = geometry.receptive_radius, geometry.fixed_size

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self._descriptor(input)
        return output

    def run(self, images: np.ndarray) -> np.ndarray:
        """The same for arrays, in float32."""
        with torch.inference_mode():
            return self(torch.from_numpy(images)).numpy()
