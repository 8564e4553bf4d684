"""Intervals over seeds, images and groups of images, and what mattered in a grid.

Seeds and images are never pooled: an interval is over one or the other, and
tables name which.  Images of one group, as crops of one photograph, are no
independent draws: there an interval is over groups.  Pure functions of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; a single value has no interval."""

    mean: float
    low: float | None
    high: float | None
    count: int


def interval_over_seeds(values: Sequence[float]) -> Interval:
    """Student's t interval of a mean: few values, one per seed, roughly normal."""
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Interval(mean, None, None, count)
    half = float(special.stdtrit(count - 1, (1 + LEVEL) / 2)) * _standard_error(values)
    return Interval(mean, mean - half, mean + half, count)


def interval_between_seeds(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Welch's t interval of the difference of two means over seeds, which need not be equally many or noisy."""
    mean, count = float(np.mean(first) - np.mean(second)), min(len(first), len(second))
    if count < 2:
        return Interval(mean, None, None, count)
    parts = [_standard_error(first) ** 2, _standard_error(second) ** 2]
    if sum(parts) == 0:
        return Interval(mean, mean, mean, count)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(v) - 1) for part, v in zip(parts, (first, second), strict=True))
    half = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(sum(parts))
    return Interval(mean, mean - half, mean + half, count)


def gather_groups(
    values: Sequence[float] | np.ndarray, groups: Sequence[str], around: float | None = None
) -> np.ndarray:
    """One value per group of images, by which a mean over all images varies as much as groups differ.

    The mean of the result is that of `values`, and its standard error is the cluster-robust one (Liang and Zeger
    1986): of groups of one size these are the means of the groups; of single images, the images.

    Args:
        around: the true mean, where a test supposes one; otherwise that of the values.
    """
    data = np.asarray(values, float)
    _, place = np.unique(np.asarray(groups), return_inverse=True)
    sizes, sums = np.bincount(place), np.bincount(place, weights=data)
    center = data.mean() if around is None else around
    return np.asarray(center + (sums - sizes * center) * len(sizes) / len(data))


def interval_over_images(
    values: Sequence[float] | np.ndarray, groups: Sequence[str] | None = None, *, shares: bool = False
) -> Interval:
    """Interval of a mean over images, or over three or more groups of images; `count` is of either.

    Shares (every value says right or wrong, 1 or 0) get Wilson's score interval (1927), which has a width
    even when all are right; others Student's t after Hall's transformation (1992, "On the removal of skewness by
    transformation"), because errors of images are skewed and benchmark sets small.  The caller sets `shares`, because
    differences that are all 0 look like shares.
    """
    data = np.asarray(values, float) if groups is None else gather_groups(values, groups)
    count, mean = len(data), float(np.mean(values))
    if count < (2 if groups is None else 3):  # Student's t over two groups has intervals of any width
        return Interval(mean, None, None, count)
    if shares:
        return Interval(mean, *_wilson(mean, _effective_count(mean, len(values), data)), count)
    quantile = float(special.stdtrit(count - 1, (1 + LEVEL) / 2)) / math.sqrt(count)
    deviation, skewness = float(np.std(data, ddof=1)), _skewness(data)
    low, high = (mean - deviation * _undo_skewness(end, skewness, count) for end in (quantile, -quantile))
    return Interval(mean, low, high, count)


def _wilson(share: float, count: float) -> tuple[float, float]:
    z = float(special.ndtri((1 + LEVEL) / 2))
    center = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return center - half, center + half


def _effective_count(share: float, images: int, data: np.ndarray) -> float:
    """So many independent images tell as much of a share as these in groups (Kish's design effect)."""
    if len(data) == images:
        return images
    if share in (0, 1):
        return len(data)  # groups that all agree do not show how alike their images are
    return min(images, 1 + share * (1 - share) / _standard_error(data) ** 2)


def _skewness(data: np.ndarray) -> float:
    """Adjusted Fisher-Pearson coefficient; 0 of fewer than three values, or of equal ones.

    Without the adjustment, 95 % intervals over five skewed values hold the mean as rarely as 92 % of the time.
    """
    count, deviations = len(data), data - data.mean()
    scale = float(np.abs(deviations).max())
    if count < 3 or scale <= 1e-12 * float(np.abs(data).max()):
        return 0.0
    deviations = deviations / scale
    skewness = float((deviations**3).mean()) / float((deviations**2).mean()) ** 1.5
    return skewness * math.sqrt(count * (count - 1)) / (count - 2)


def _undo_skewness(value: float, skewness: float, count: int) -> float:
    """Inverse of Hall's x + g x^2 / 3 + g^2 x^3 / 27 + g / 6n."""
    if abs(skewness) < 1e-6:
        return value
    return 3 / skewness * (float(np.cbrt(1 + skewness * (value - skewness / (6 * count)))) - 1)


def _standard_error(values: Sequence[float] | np.ndarray) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def share_of_variance(rows: Sequence[Mapping[str, object]], values: Sequence[float]) -> dict[str, float]:
    """What mattered in a full grid: share of the variance per factor and pair of factors; the rest is `residual`.

    Args:
        rows: factor -> level, one mapping per value; every combination equally often.

    Raises:
        ValueError: combinations are missing or not equally frequent, so shares would not add up.
    """
    factors = [name for name in rows[0] if len({repr(row[name]) for row in rows}) > 1]
    cells: dict[tuple[str, ...], int] = {}
    for row in rows:
        cell = tuple(repr(row[name]) for name in factors)
        cells[cell] = cells.get(cell, 0) + 1
    levels = [len({repr(row[name]) for row in rows}) for name in factors]
    if len(cells) != math.prod(levels) or len(set(cells.values())) > 1:
        raise ValueError("not a full grid: shares of variance need every combination equally often")
    data = np.asarray(values, float)
    total = float(((data - data.mean()) ** 2).sum())
    if total == 0:
        return {**dict.fromkeys(factors, 0.0), "residual": 0.0}
    alone = {name: _between(rows, (name,), data) for name in factors}
    shares = dict(alone)
    for pair in combinations(factors, 2):
        shares[" x ".join(pair)] = _between(rows, pair, data) - alone[pair[0]] - alone[pair[1]]
    shares = {name: max(part, 0.0) / total for name, part in shares.items()}
    return {**shares, "residual": max(0.0, 1 - sum(shares.values()))}


def _between(rows: Sequence[Mapping[str, object]], names: Sequence[str], data: np.ndarray) -> float:
    """Sum of squares between the groups that these factors form."""
    groups: dict[tuple[str, ...], list[float]] = {}
    for row, value in zip(rows, data, strict=True):
        groups.setdefault(tuple(repr(row[name]) for name in names), []).append(float(value))
    return sum(len(group) * (float(np.mean(group)) - float(data.mean())) ** 2 for group in groups.values())
