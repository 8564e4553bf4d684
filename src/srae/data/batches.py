"""Batches of floats from a split, in an order that depends only on seed and epoch.

Crop, flips, quarter turn and, where images have several low-resolution versions,
the version come from (seed, epoch, sample): all numbers of an epoch are drawn at
once by a counter-based generator, so a pass that starts at batch k yields what
a full pass yields from batch k on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from srae.config.data_sets import Rendered
from srae.data.rendered import put_rendered
from srae.data.store import Labels, Split, Store
from srae.images.tensors import to_float


class Batch(NamedTuple):
    """Images are floats in [0, 1], channels_last, on the device of the store."""

    input: Tensor
    """(B, C, h, w)"""
    target: Tensor
    """(B, C, H, W), or int64 (B,) for classes."""
    indices: list[int]
    """Place of every image in `Split.names`; of the entire batch, also where the tensors hold one part of it."""


class _Draws(NamedTuple):
    """One epoch's random numbers, one row per sample; a sample is one crop of one image."""

    order: np.ndarray
    place: np.ndarray
    """(samples, 2) in [0, 1): place of the crop between the first and the last possible one, vertical, horizontal."""
    mirror: np.ndarray
    quarters: np.ndarray
    upside_down: np.ndarray
    degrees: np.ndarray
    version: np.ndarray
    """Which one of `Split.inputs`."""


_ORDER, _SAMPLES, _TILTS, _VERSIONS = 0, 1, 2, 3
TILT = 15.0  # degrees, at most


def _uniform(seed: int, epoch: int, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    # `random` takes exactly one step of the counter per value: row i is the
    # same for every number of rows, and in every version of numpy.
    bits = np.random.Philox(key=np.array([seed, epoch], np.uint64), counter=np.array([0, 0, 0, stream], np.uint64))
    return np.random.Generator(bits).random(shape)


def _draw(seed: int, epoch: int, samples: int, *, shuffle: bool, augment: Sequence[str], versions: int) -> _Draws:
    order = np.arange(samples)
    if shuffle:
        order = np.argsort(_uniform(seed, epoch, _ORDER, (samples,)), kind="stable")
    numbers = _uniform(seed, epoch, _SAMPLES, (samples, 4))
    mirror = (numbers[:, 2] < 0.5) & ("flip" in augment)
    quarters = (numbers[:, 3] * 4).astype(np.int64) * ("rotate" in augment)
    tilts = _uniform(seed, epoch, _TILTS, (samples, 2))
    upside_down = (tilts[:, 0] < 0.5) & ("vertical_flip" in augment)
    degrees = (tilts[:, 1] * 2 - 1) * TILT * ("tilt" in augment)
    version = (_uniform(seed, epoch, _VERSIONS, (samples,)) * versions).astype(np.int64)
    return _Draws(order, numbers[:, :2], mirror, quarters, upside_down, degrees, version)


def count_batches(split: Split, *, batch_size: int, crops_per_picture: int = 1) -> int:
    """Batches of one epoch, the last one perhaps smaller."""
    return -(-split.epoch_length * crops_per_picture // batch_size)


def train_batches(
    split: Split,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    shuffle: bool = True,
    crop: int | None = None,
    crops_per_picture: int = 1,
    augment: Sequence[str] = (),
    rendered: Rendered | None = None,
    start: int = 0,
    part: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """One epoch of random crops, or of entire images, which must then have one size.

    Args:
        crop: side in pixels of the target; a multiple of the scale, and no
            larger than any image. The input's crop is the aligned one.
        augment: of "flip" (left-right), "vertical_flip", "rotate" (quarter turns;
            entire images that are not square only by 180 degrees) and "tilt"
            (any angle up to `TILT`, resampled: not for images as targets).
        rendered: some samples are rendered images, in place of what would be there; of pairs of images alone.
        start: batch to begin with.
        part: (k, m): the tensors of a batch of n samples hold those from n k // m to n (k + 1) // m, perhaps none.
    """
    samples = split.epoch_length * crops_per_picture
    draws = _draw(seed, epoch, samples, shuffle=shuffle, augment=augment, versions=len(split.inputs))
    for first in range(start * batch_size, samples, batch_size):
        chosen = draws.order[first : first + batch_size]
        indices = (chosen // crops_per_picture).tolist()
        if split.drawn is not None:
            indices = [split.drawn[index] for index in indices]
        everything = indices
        own = slice(len(indices) * part[0] // part[1], len(indices) * (part[0] + 1) // part[1])
        chosen, indices = chosen[own], indices[own]
        if not indices:
            yield Batch(torch.empty(0), torch.empty(0), everything)
            continue
        versions = draws.version[chosen].tolist()
        if crop is not None:
            sides = _crop(split, indices, versions, draws.place[chosen], crop)
        else:
            sides = [_gather_inputs(split, indices, versions)]
            if isinstance(split.target, Store) and split.target is not split.input:
                sides.append(split.target.gather(indices))
        if rendered:
            put_rendered(sides, rendered, seed=seed, epoch=epoch, first=first + own.start)
        sides = [_send(side, split) for side in sides]
        turns = draws.mirror[chosen], draws.quarters[chosen], draws.upside_down[chosen]
        turned = [_to_batch(_flip_and_rotate(side, *turns)) for side in sides]
        input = _tilt(turned[0], draws.degrees[chosen]) if "tilt" in augment else turned[0]
        target = _send(split.target.gather(indices), split) if isinstance(split.target, Labels) else turned[-1]
        yield Batch(input, target, everything)


def eval_batches(
    split: Split, batch_size: int = 1, *, pixels: int = 0, part: tuple[int, int] = (0, 1)
) -> Iterator[Batch]:
    """Entire images in their order; a batch has images of one size only.

    Args:
        batch_size: images of a batch, at most.
        pixels: or as many images as have so many pixels together, if that is more; of the larger images of a pair.
        part: (k, m): only the batches k, k + m, k + 2 m, ... of all.
    """
    first = 0
    for number in count():
        if first >= len(split):
            return
        sizes, after = _sizes(split, first), first + 1
        most = max(batch_size, pixels // max(height * width for height, width in sizes))
        while after < min(first + most, len(split)) and _sizes(split, after) == sizes:
            after += 1
        indices = list(range(first, after))
        first = after
        if number % part[1] != part[0]:
            continue
        input = _to_batch(_send(split.input.gather(indices), split))
        if split.target is split.input:
            target = input
        else:
            target = _send(split.target.gather(indices), split)
            target = target if isinstance(split.target, Labels) else _to_batch(target)
        yield Batch(input, target, indices)


def _send(batch: Tensor, split: Split) -> Tensor:
    """To the device of the batches, without waiting for the copy."""
    if split.batches_go_to is None:
        return batch
    return (batch.pin_memory() if torch.cuda.is_available() else batch).to(split.batches_go_to, non_blocking=True)


def _sizes(split: Split, index: int) -> tuple[tuple[int, int], ...]:
    return tuple(side.size(index) for side in (split.input, split.target) if isinstance(side, Store))


def _gather_inputs(split: Split, indices: list[int], versions: list[int]) -> Tensor:
    """Entire images of one size, integers (B, h, w, C)."""
    if not split.more_inputs:
        return split.input.gather(indices)
    stores = split.inputs
    return torch.stack([stores[low].pixels[index] for index, low in zip(indices, versions, strict=True)])


def _crop(split: Split, indices: list[int], versions: list[int], places: np.ndarray, crop: int) -> list[Tensor]:
    """Aligned crops of both sides, integers (B, crop / scale, crop / scale, C) and (B, crop, crop, C)."""
    assert isinstance(split.target, Store)
    stores, low_crops, high_crops = split.inputs, [], []
    for index, version, place in zip(indices, versions, places, strict=True):
        low_size, high_size = split.input.size(index), split.target.size(index)
        scale = high_size[0] // low_size[0]
        side = crop // scale
        assert side * scale == crop and side <= min(low_size), (crop, scale, low_size)
        top, left = (int(u * (length - side + 1)) for u, length in zip(place, low_size, strict=True))
        low_crops.append(stores[version].pixels[index][top : top + side, left : left + side])
        top, left = top * scale, left * scale
        high_crops.append(split.target.pixels[index][top : top + crop, left : left + crop])
    return [torch.stack(low_crops), torch.stack(high_crops)]


def _flip_and_rotate(side: Tensor, mirror: np.ndarray, quarters: np.ndarray, upside_down: np.ndarray) -> Tensor:
    """Flip left-right, rotate and flip vertically each image of integers (B, H, W, C), in place, in this order."""
    if side.shape[1] != side.shape[2]:
        quarters = quarters & 2
    # Every rotation is a transposition followed by flips, so there are at most three
    # indexed copies, whatever the batch size.
    transposed = quarters % 2 == 1
    columns = (quarters >= 2) ^ (mirror & ~transposed)
    rows = ((quarters == 1) | (quarters == 2)) ^ (mirror & transposed) ^ upside_down
    for which, dims in ((transposed, None), (columns, (2,)), (rows, (1,))):
        if which.any():
            index = torch.from_numpy(np.flatnonzero(which)).to(side.device, non_blocking=True)
            picked = side.index_select(0, index)
            side.index_copy_(0, index, picked.transpose(1, 2) if dims is None else picked.flip(dims))
    return side


def _tilt(batch: Tensor, degrees: np.ndarray) -> Tensor:
    """Rotate each image of (B, C, H, W) about its centre; outside the image the nearest border pixel continues."""
    angles = torch.from_numpy(np.deg2rad(degrees)).to(batch.dtype).to(batch.device)  # MPS has no float64
    aspect = batch.shape[2] / batch.shape[3]  # the grid has -1..1 on both axes
    rows = [torch.stack((angles.cos(), -angles.sin() * aspect, torch.zeros_like(angles)), 1),
            torch.stack((angles.sin() / aspect, angles.cos(), torch.zeros_like(angles)), 1)]  # fmt: skip
    grid = F.affine_grid(torch.stack(rows, 1), list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


def _to_batch(side: Tensor) -> Tensor:
    return to_float(side.permute(0, 3, 1, 2))  # (B, H, W, C) -> (B, C, H, W)
