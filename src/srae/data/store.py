"""The input images, or the target images, of one split: decoded once and kept as integers of 8 or 16 bits.

An image is kept as (H, W, C), so that a batch from the store becomes a
channels_last (B, C, H, W) by a permute, without a copy.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

_KEPT_AS = {np.dtype(np.uint8): np.uint8, np.dtype(np.uint16): np.int16}


@dataclass(frozen=True)
class Store:
    """Use a `Shelf` to make one.

    `pixels` is one (N, H, W, C) tensor when all images have one size, else a
    list of (H, W, C): uint8, or int16 that holds the bits of uint16, a type of
    which torch copies and moves too little.
    """

    pixels: Tensor | list[Tensor]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of every image, or None when sizes are mixed."""
        if isinstance(self.pixels, list):
            return None
        _, height, width, channels = self.pixels.shape
        return channels, height, width

    @property
    def device(self) -> torch.device:
        return self.pixels[0].device

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.pixels) if isinstance(self.pixels, list) else self.pixels.nbytes

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of one image."""
        height, width = self.pixels[index].shape[:2]
        return height, width

    def image(self, index: int) -> Tensor:
        """One image as a (C, H, W) view; `to_float` makes numbers in [0, 1] of it."""
        return self.pixels[index].permute(2, 0, 1)  # (H, W, C) -> (C, H, W)

    def gather(self, indices: list[int]) -> Tensor:
        """Entire images of one size, integers (B, H, W, C)."""
        if isinstance(self.pixels, list):
            return torch.stack([self.pixels[index] for index in indices])
        return self.pixels.index_select(0, torch.tensor(indices).to(self.device, non_blocking=True))

    def to(self, device: torch.device | str) -> Store:
        if isinstance(self.pixels, list):
            return Store([image.to(device) for image in self.pixels])
        return Store(self.pixels.to(device))


@dataclass(frozen=True)
class Labels:
    """The class of every image, int64 (N,)."""

    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def gather(self, indices: list[int]) -> Tensor:
        """int64 (B,)"""
        return self.values.index_select(0, torch.tensor(indices).to(self.values.device, non_blocking=True))

    def to(self, device: torch.device | str) -> Labels:
        return Labels(self.values.to(device))


@dataclass(frozen=True)
class Split:
    """Inputs and targets (high-resolution images, or classes) of the train, val or test images, in one order."""

    input: Store
    target: Store | Labels
    names: list[str]
    more_inputs: Sequence[Store] = ()
    """Other low-resolution versions of the same images, in the same order: a training sample draws one of `inputs`."""
    drawn: list[int] | None = None
    """Indices of the images of one epoch (repeats allowed); None: every image once."""
    batches_go_to: torch.device | None = None
    """Device of the batches; None: the device of the images."""
    groups: Sequence[str] = ()
    """What each image is part of, as a crop of a photograph; empty: every image is its own group."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def inputs(self) -> list[Store]:
        """All low-resolution versions; scoring uses the first."""
        return [self.input, *self.more_inputs]

    @property
    def epoch_length(self) -> int:
        """Images of one epoch."""
        return len(self.names if self.drawn is None else self.drawn)

    def to(self, device: torch.device | str) -> Split:
        input, more = self.input.to(device), [store.to(device) for store in self.more_inputs]
        target = input if self.target is self.input else self.target.to(device)
        return replace(self, input=input, target=target, more_inputs=more)


class Shelf:
    """Collects decoded images in any order, from any thread, and becomes a store.

    Images with the size of the first one are copied into one block at once:
    stacking a list at the end would hold everything twice.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._block: Tensor | None = None
        self._others: dict[int, Tensor] = {}
        self._allocating = threading.Lock()

    def put(self, index: int, pixels: np.ndarray) -> None:
        """uint8 or uint16 (H, W, C), one type for all"""
        image = torch.from_numpy(np.require(pixels, requirements=("C", "W")).view(_KEPT_AS[pixels.dtype]))
        with self._allocating:
            if self._block is None:
                # Pages that are never written cost nothing.
                self._block = torch.empty((self._count, *image.shape), dtype=image.dtype)
        if image.shape == self._block.shape[1:]:
            self._block[index] = image
        else:
            self._others[index] = image

    def pixels(self, index: int) -> np.ndarray:
        """The image at an index, as it was put there."""
        assert self._block is not None
        kept = self._others.get(index, self._block[index]).numpy()
        return kept if kept.dtype == np.uint8 else kept.view(np.uint16)

    def to_store(self) -> Store:
        """Call it when every index has been filled."""
        assert self._block is not None
        if not self._others:
            return Store(self._block)
        return Store([self._others.get(index, self._block[index]) for index in range(self._count)])
