"""Networks whose files do not say it: which sizes they take, how far a pixel reaches.  NumPy only.

A network is here a function that runs it, whatever the engine.  Strips are run instead of square images: the reach
along one side does not depend on the other one, and a strip costs a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from srae.checkpoints.facts import Geometry, round_up

Run = Callable[[np.ndarray], np.ndarray]
"""(1, C, h, w), float32 in [0, 1] -> (1, C, scale * h, scale * w); raises whatever its engine raises."""

FARTHEST = 256
"""Pixels; a network that reaches farther sees the whole image."""
MULTIPLES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64)
"""Strides and windows that networks are built of."""
_EXACT = 2e-6
"""What float32 rounds differently when nothing of the input has changed."""
_SAME = 1e-5
_HALF_LEVEL = 0.5 / 255
_REACHES = (64, 128, FARTHEST)
_THICKNESS = 16


class UnfitNetwork(Exception):
    """No network from images to images; the message says what is wrong with it."""


# -------------------------------------------------------------------------- sizes


def find_sizes(run: Run, channels: int, fixed_size: tuple[int, int] | None = None) -> Geometry:
    """Scale, `multiple_of` and `smallest`, by running images of many sizes; the receptive radius is left unknown.

    Raises:
        UnfitNetwork: it does not run, gives other channels, or its scale is no whole number.
    """
    if fixed_size:
        return Geometry(scale=_find_scale(run, channels, fixed_size), receptive_radius=None, fixed_size=fixed_size)
    scale, reason = 0, UnfitNetwork("")
    for side in (64, 96, 240, 336):  # together multiples of all of `MULTIPLES`
        try:
            scale = _find_scale(run, channels, (side, side))
            break
        except UnfitNetwork as error:
            reason = reason if reason.args[0] else error
    if not scale:
        raise reason
    for multiple in MULTIPLES:
        least = -(-32 // multiple)
        sides = [multiple * count for count in range(least, least + 4)]
        if all(_takes(run, channels, scale, size) for size in pairwise(sides)):
            stated = Geometry(scale=scale, multiple_of=multiple, receptive_radius=None, smallest=multiple)
            return check_smallest(run, channels, stated)
    raise UnfitNetwork(f"it takes images of few sizes only: no multiple up to {MULTIPLES[-1]} fits")


def check_smallest(run: Run, channels: int, stated: Geometry) -> Geometry:
    """With the smallest side that runs, which may be larger than what is stated.

    Raises:
        UnfitNetwork: none does.
    """
    side = round_up(max(stated.smallest, 1), stated.multiple_of)
    while side <= max(512, stated.smallest):
        if _takes(run, channels, stated.scale, (side, side)):
            return replace(stated, smallest=side)
        side *= 2
    _find_scale(run, channels, (side, side))  # which says what is wrong with a large image
    raise UnfitNetwork(f"it does not enlarge by {stated.scale}")


def _find_scale(run: Run, channels: int, size: tuple[int, int]) -> int:
    try:
        shape = run(np.full((1, channels, *size), 0.5, np.float32)).shape
    except Exception as error:  # of any engine
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise UnfitNetwork(f"it does not run on {size[0]}x{size[1]} pixels: {reason}") from None
    scale = shape[-1] // size[1] if len(shape) == 4 else 0
    if scale < 1 or shape != (1, channels, size[0] * scale, size[1] * scale):
        given = f"{channels} channels of {size[0]}x{size[1]} pixels"
        raise UnfitNetwork(
            f"it makes {tuple(shape)} of {given}: not as many channels, a whole number of times as large"
        )
    return scale


def _takes(run: Run, channels: int, scale: int, size: tuple[int, int]) -> bool:
    try:
        return _find_scale(run, channels, size) == scale
    except UnfitNetwork:
        return False


# -------------------------------------------------------------------------- reach


def measure_reach(run: Run, channels: int, geometry: Geometry) -> Geometry:
    """With `receptive_radius` measured, and `multiple_of` raised to the period of windows inside the network.

    The radius is that beyond which nothing changes a pixel of the output, up to 256 pixels; else None.  Where
    everything changes it, as through a mean over the image, it is that beyond which a change of all values changes the
    output by less than half a level of 255.  Tiles then give what the whole image gives: up to 1e-5 where the network
    is local, else within one level.

    Args:
        geometry: all but the radius; any multiple of `multiple_of` can be run.
    """
    if geometry.fixed_size:
        return geometry
    subject, multiple = _Subject(run, channels, geometry), geometry.multiple_of
    for reach in _REACHES:
        across = _influence(subject, reach, 3)
        if _last_above(across, _EXACT) + multiple >= reach:
            continue
        radius = _last_above(np.maximum(across, _influence(subject, reach, 2)), _EXACT)
        if radius + multiple < reach and (found := _settle(subject, radius, _SAME)):
            return found
    radius = _last_above(np.maximum(across, _influence(subject, FARTHEST, 2)), _HALF_LEVEL)
    while radius + multiple <= FARTHEST:
        if found := _settle(subject, radius, _HALF_LEVEL):
            return found
        radius = radius * 3 // 2 + 8
    return replace(geometry, receptive_radius=None)


def _settle(subject: _Subject, radius: int, tolerance: float) -> Geometry | None:
    """The geometry with this radius and the period that goes with it; None where tiles do not agree then."""
    periodic = subject.geometry
    for axis in (3, 2):
        period = _measure_period(subject._replace(geometry=periodic), radius + _THICKNESS, axis, tolerance)
        if period is None:
            return None
        periodic = replace(periodic, multiple_of=period, smallest=round_up(periodic.smallest, period))
    # A part that changes begins anywhere; windows at its beginning reach so much more.
    found = replace(periodic, receptive_radius=radius + periodic.multiple_of - 1)
    return found if _tiles_agree(subject._replace(geometry=found), tolerance) else None


class _Subject(NamedTuple):
    """What is measured, all but its receptive radius being known."""

    run: Run
    channels: int
    geometry: Geometry

    def run_columns(self, image: np.ndarray, axis: int) -> np.ndarray:
        """(1, C, h, w) -> the output as (values, length): a column per pixel of the input along the axis."""
        along = np.moveaxis(self.run(np.ascontiguousarray(image))[0], axis - 1, -1)  # (C, T, scale * length)
        scale = self.geometry.scale
        split = along.reshape(-1, along.shape[-1] // scale, scale)  # (C * T, length, scale)
        return np.moveaxis(split, -1, 0).reshape(-1, split.shape[1]).astype(np.float32)

    def make_strip(self, length: int, axis: int, thickness: int = _THICKNESS) -> np.ndarray:
        """(1, C, thickness, length), upright for axis 2: blocks of pixels and noise on them, darker than its negative.

        So the negative also changes means, which the negative of plain noise would not.
        """
        thickness = round_up(max(thickness, self.geometry.smallest), self.geometry.multiple_of)
        generator = np.random.default_rng(0)
        blocks = generator.random((1, self.channels, -(-thickness // 8), -(-length // 8))).repeat(8, 2).repeat(8, 3)
        noise = generator.random((1, self.channels, thickness, length))
        image = (0.5 * blocks[:, :, :thickness, :length] + 0.5 * noise).astype(np.float32) ** 2
        return image if axis == 3 else image.swapaxes(2, 3)


def _last_above(influence: np.ndarray, least: float) -> int:
    """The largest distance with more influence than that; 0 without any."""
    return int(np.flatnonzero(influence > least).max(initial=0))


def _influence(subject: _Subject, reach: int, axis: int) -> np.ndarray:
    """Distance (0 to `reach`) -> how much the output changes there, beside a part of the input that changes.

    The part lies in the middle, so that a network that wraps around, as some with shifted windows do, is local too.
    """
    reach = round_up(reach, subject.geometry.multiple_of)
    image = subject.make_strip(3 * reach, axis)
    other = image.copy()
    changed = np.moveaxis(other, axis, 3)[..., reach : 2 * reach]  # a view
    changed[:] = 1 - changed
    before, after = (subject.run_columns(one, axis) for one in (image, other))
    difference = np.abs(after - before).max(axis=0)
    influence = np.maximum(difference[:reach][::-1], difference[2 * reach :])
    return np.concatenate([[0.0], np.where(np.isfinite(influence), influence, np.inf)])


def _measure_period(subject: _Subject, distance: int, axis: int, tolerance: float) -> int | None:
    """The least multiple of `multiple_of` by which an image can be shifted; None: shifting changes every pixel.

    Attention in windows, for example, divides an image from its first pixel on, whatever sizes the network takes.
    """
    multiple = subject.geometry.multiple_of
    error = partial(_shift_error, subject, round_up(distance, multiple), axis)
    least = error(multiple)
    if least <= tolerance:
        return multiple
    for shift in (64, 48, 56, 60):  # where there are windows, one of these is a multiple of their side
        if shift % multiple == 0 and (aligned := error(shift)) <= tolerance:
            limit = max(tolerance, math.sqrt(aligned * least))
            sides = [
                side for side in MULTIPLES if shift % side == 0 and multiple < side < shift and side % multiple == 0
            ]
            return next((side for side in sides if error(side) <= limit), shift)
    return None


def _shift_error(subject: _Subject, distance: int, axis: int, shift: int) -> float:
    """How much the output changes when `shift` pixels are cut off, at this distance from there and from the end."""
    image = subject.make_strip(2 * distance + shift, axis)
    rest = image[..., shift:] if axis == 3 else image[..., shift:, :]
    before, after = (subject.run_columns(one, axis) for one in (image, rest))
    return _largest(before[:, shift + distance :][:, :_THICKNESS] - after[:, distance:][:, :_THICKNESS])


def _tiles_agree(subject: _Subject, tolerance: float) -> bool:
    """Whether the middle of a tile is as in the whole, with other content around the tile."""
    margin, multiple = subject.geometry.margin, subject.geometry.multiple_of
    core, around = round_up(_THICKNESS, multiple), max(margin, round_up(64, multiple))
    tile = 2 * margin + core
    for axis in (3, 2):
        image = subject.make_strip(tile + 2 * around, axis, 2 * _THICKNESS)
        along = np.moveaxis(image, axis, 3)  # a view
        along[..., :around] *= 0.2
        along[..., around + tile :] = 1 - along[..., around + tile :] * 0.2
        piece = np.moveaxis(along[..., around : around + tile], 3, axis)
        whole, part = (subject.run_columns(one, axis) for one in (image, piece))
        if not _largest(whole[:, around + margin :][:, :core] - part[:, margin:][:, :core]) <= tolerance:
            return False
    return True


def _largest(differences: np.ndarray) -> float:
    return float(np.abs(differences).max())
