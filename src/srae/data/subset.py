"""A part of a split: some of its images, or the middle of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from srae.data.store import Labels, Split, Store
from srae.errors import ConfigError


def take(split: Split, places: Sequence[int]) -> Split:
    """The images at these places, in this order, for scoring: one low-resolution version of each."""
    input = _take_images(split.input, places)
    target: Store | Labels
    if isinstance(split.target, Labels):
        target = Labels(split.target.values[list(places)])
    else:
        target = input if split.target is split.input else _take_images(split.target, places)
    names = [split.names[place] for place in places]
    groups = [split.groups[place] for place in places] if split.groups else ()
    return replace(split, input=input, target=target, names=names, groups=groups, more_inputs=(), drawn=None)


def spread(split: Split, count: int) -> Split:
    """`count` images at even distances, or all where there are not more."""
    if count >= len(split):
        return split
    return take(split, [place * len(split) // count for place in range(count)])


def crop_middle(split: Split, side: int) -> Split:
    """The middle `side` pixels of every target, both ways, and of the input what lies under them; smaller sides stay.

    Raises:
        ConfigError: the side is no multiple of the scale.
    """
    assert isinstance(split.target, Store)
    scale = split.target.size(0)[0] // split.input.size(0)[0]
    if side % scale:
        remedy = f"for example {max(side // scale, 1) * scale}"
        raise ConfigError(f"{side} is no multiple of the scale of these pairs, {scale}", "train.val_crop", remedy)
    input = _crop_middle(split.input, side // scale, 1)
    target = input if split.target is split.input else _crop_middle(split.target, side // scale, scale)
    return replace(split, input=input, target=target)


def hardest_batch(split: Split, pixels: int) -> Split:
    """The largest image, and as many more of its size as a batch of so many pixels has; see `eval_batches`."""
    target = split.target if isinstance(split.target, Store) else split.input
    if target.shape is not None:
        _, height, width = target.shape
        return take(split, range(min(len(split), max(1, pixels // (height * width)))))
    sizes = [target.size(index) for index in range(len(split))]
    largest = max(sizes, key=lambda size: size[0] * size[1])
    places = [index for index, size in enumerate(sizes) if size == largest]
    return take(split, places[: max(1, pixels // (largest[0] * largest[1]))])


def count_pixels(split: Split) -> int:
    """Of all targets together; of the inputs where targets are classes."""
    store = split.target if isinstance(split.target, Store) else split.input
    if store.shape is not None:
        return len(store) * store.shape[1] * store.shape[2]
    return sum(height * width for height, width in (store.size(index) for index in range(len(store))))


def _take_images(store: Store, places: Sequence[int]) -> Store:
    if isinstance(store.pixels, list):
        return replace(store, pixels=[store.pixels[place] for place in places])
    return replace(store, pixels=store.pixels[torch.tensor(list(places), device=store.device)])


def _crop_middle(store: Store, side: int, scale: int) -> Store:
    """Args: side: in pixels of the input; scale: pixels of this store per pixel of the input."""

    def crop(image: Tensor) -> Tensor:
        """(..., H, W, C)"""
        for dimension in (-3, -2):
            length = image.shape[dimension] // scale
            kept = min(side, length)
            image = image.narrow(dimension, (length - kept) // 2 * scale, kept * scale)
        return image

    if isinstance(store.pixels, list):
        return replace(store, pixels=[crop(image) for image in store.pixels])
    return replace(store, pixels=crop(store.pixels))
