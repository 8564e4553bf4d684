"""Random choices that are the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """Choices from a bit generator.  Of numpy only `random` is used: it is the same in every version."""

    def __init__(self, bits: np.random.BitGenerator) -> None:
        self._random = np.random.Generator(bits).random

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self._random())

    def size(self, low: float, high: float) -> float:
        """Between positive bounds, small ones as often as large ones: uniform in the logarithm."""
        return math.exp(self.between(math.log(low), math.log(high)))

    def count(self, low: int, high: int) -> int:
        """Both bounds are included."""
        return low + int(float(self._random()) * (high - low + 1))

    def chance(self, probability: float) -> bool:
        return float(self._random()) < probability

    def pick(self, items: Sequence[T]) -> T:
        return items[int(float(self._random()) * len(items))]

    def numbers(self, count: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        return low + (high - low) * self._random(count)
