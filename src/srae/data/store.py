"""Pictures of one side of one split, decoded once and kept as uint8.

A picture is kept as (H, W, C): a batch gathered from the store and turned to
(B, C, H, W) by a permute is then channels_last without a copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Store:
    """Use `stack_pictures` to make one.

    `pixels` is one (N, H, W, C) tensor when all pictures have one size, else a
    list of (H, W, C).
    """

    pixels: Tensor | list[Tensor]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of every picture, or None when sizes are mixed."""
        if isinstance(self.pixels, list):
            return None
        _, height, width, channels = self.pixels.shape
        return channels, height, width

    @property
    def device(self) -> torch.device:
        return self.pixels[0].device

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of one picture."""
        height, width = self.pixels[index].shape[:2]
        return height, width

    def picture(self, index: int) -> Tensor:
        """One picture as a uint8 (C, H, W) view."""
        return self.pixels[index].permute(2, 0, 1)  # (H, W, C) -> (C, H, W)

    def to(self, device: torch.device | str) -> Store:
        if isinstance(self.pixels, list):
            return Store([picture.to(device) for picture in self.pixels])
        return Store(self.pixels.to(device))


@dataclass(frozen=True)
class Split:
    """Low and high side of the train, val or test pictures, in one order."""

    input: Store
    target: Store
    names: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> Split:
        return Split(self.input.to(device), self.target.to(device), self.names)


def stack_pictures(pictures: list[np.ndarray]) -> Store:
    """A store of uint8 (H, W, C) arrays; empties the list, so that nothing is held twice."""
    if len({picture.shape for picture in pictures}) != 1:
        store = Store([torch.from_numpy(np.ascontiguousarray(picture)) for picture in pictures])
        pictures.clear()
        return store
    stacked = torch.empty((len(pictures), *pictures[0].shape), dtype=torch.uint8)
    for index in reversed(range(len(pictures))):
        stacked[index] = torch.from_numpy(np.ascontiguousarray(pictures.pop()))
    return Store(stacked)
