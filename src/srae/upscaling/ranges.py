"""The part of their range that deep images use, stretched to [0, 1] for the network and back.

Networks are trained on images that fill the range.  A 12-bit camera in a 16-bit
file uses a sixteenth of it, a star field of floats any range at all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_SAMPLES = 2**20
_RARE = 0.05
"""Per cent of the samples at each end that may lie outside: hot pixels and stars."""

_FEW = 0.05
"""Share of the samples that may lie outside the range of the training: bone in a window for soft tissue."""
_ENOUGH = 15 / 16
"""Of [0, 1]: what fills this share is not stretched."""


class ValueRange(NamedTuple):
    """Values from `low` to `low + width` become [0, 1]; floats in the units of the file, integers as shares of 1.

    Attributes:
        spilled: some values lie outside; they go past the network, see `Conversion.spill`.
    """

    low: float = 0.0
    width: float = 1.0
    spilled: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is stretched."""
        return self == WHOLE

    def stretch(self, planes: np.ndarray) -> np.ndarray:
        return planes if self.is_whole else self.shares(planes).clip(0, 1)

    def spill(self, planes: np.ndarray) -> np.ndarray:
        """What `stretch` cuts off, in units of the width."""
        shares = self.shares(planes)
        return shares - shares.clip(0, 1)

    def shares(self, planes: np.ndarray) -> np.ndarray:
        # In double precision: of 1013.25, less 1013, float32 keeps two digits.
        return planes if self.is_whole else ((planes.astype(np.float64) - self.low) / self.width).astype(np.float32)

    def restore(self, planes: np.ndarray) -> np.ndarray:
        return planes if self.is_whole else (planes.astype(np.float64) * self.width + self.low).astype(np.float32)


WHOLE = ValueRange()


def measure_range(color: np.ndarray, trained: tuple[float, float] | None = None) -> ValueRange:
    """Of the colours (H, W, C) of an image; 8 bits are never stretched: their 256 levels are what networks know.

    Args:
        trained: black and white of the deep images that the network was trained on, in units of files: an image that
            lies within, but for a few values, has this range too, whatever part of it the image uses.
    """
    if color.dtype == np.uint8 or not color.size:
        return WHOLE
    enclose = _enclose_floats if color.dtype == np.float32 else _enclose
    scale = 1.0 if color.dtype == np.float32 else float(np.iinfo(color.dtype).max)
    lowest, highest = float(color.min()) / scale, float(color.max()) / scale
    step = math.isqrt(max(color.size // _SAMPLES, 1))
    some = color[::step, ::step]
    if trained:
        black, white = (value / scale for value in trained)
        spilled = lowest < black or highest > white
        if not spilled or np.mean((some < trained[0]) | (some > trained[1])) <= _FEW:
            return ValueRange(black, white - black, spilled)
    rare = np.percentile(some, (_RARE, 100 - _RARE)) / scale
    everything, most = enclose(lowest, highest), enclose(float(rare[0]), float(rare[1]))
    # A few outliers are worth a way around the network where they would cost the rest two bits and more.
    if everything.width < 4 * most.width:
        return everything
    return most._replace(spilled=lowest < most.low or highest > most.low + most.width)


def _enclose_floats(low: float, high: float) -> ValueRange:
    """As `_enclose`, with a width that is a power of two: dividing by it and multiplying by it are exact."""
    found = _enclose(low, high)
    if found.low == 0:
        return ValueRange(0.0, _power_of_two(found.width))
    width = _power_of_two(found.width)
    return ValueRange(min(low, 1 - width) if 0 <= low and high <= 1 else low, width)


def _enclose(low: float, high: float) -> ValueRange:
    """The smallest range from 0, or else from `low`, that holds both; [0, 1] where that is hardly larger."""
    if low >= 0 and (low == high or 2 * low <= high):
        return WHOLE if not high or _ENOUGH <= high <= 1 else ValueRange(0.0, high)
    return ValueRange(low, high - low or 1.0)


def _power_of_two(value: float) -> float:
    """The smallest that is not less than a positive value."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)
