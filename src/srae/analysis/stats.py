"""Intervals over seeds and over images, paired tests, and what mattered in a grid.

Seeds and images are never pooled: an interval is over one or the other, and
tables name which.  Pure functions of numbers.  scipy.stats is imported inside
functions because its import takes longer than all computations here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy import special

LEVEL = 0.95
RESAMPLES = 10_000
MANY = 2_000
"""Number of images from which a sum of random signs is close to normal, so that drawing signs only takes longer."""


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


def interval_over_images(values: Sequence[float], *, shares: bool = False) -> Interval:
    """Interval of a mean over images.

    Shares (every value says right or wrong, 1 or 0) get Wilson's score interval (1927), which has a width
    even when all are right; others Student's t after Hall's transformation (1992, "On the removal of skewness by
    transformation"), because errors of images are skewed and benchmark sets small.  The caller sets `shares`, because
    differences that are all 0 look like shares.
    """
    data = np.asarray(values, float)
    count, mean = len(data), float(data.mean())
    if count < 2:
        return Interval(mean, None, None, count)
    if shares:
        z = float(special.ndtri((1 + LEVEL) / 2))
        center = (mean + z**2 / (2 * count)) / (1 + z**2 / count)
        half = z / (1 + z**2 / count) * math.sqrt(mean * (1 - mean) / count + z**2 / (4 * count**2))
        return Interval(mean, center - half, center + half, count)
    quantile = float(special.stdtrit(count - 1, (1 + LEVEL) / 2)) / math.sqrt(count)
    deviation, skewness = float(np.std(data, ddof=1)), _skewness(data)
    low, high = (mean - deviation * _undo_skewness(end, skewness, count) for end in (quantile, -quantile))
    return Interval(mean, low, high, count)


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


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images: first minus second."""

    difference: Interval
    """Mean of the per-image differences, in the metric's unit; interval over images."""
    p: float
    """Two-sided sign-flip permutation test of a zero mean difference."""
    win_rate: float
    """Share of images on which the first is better; ties count half."""
    differences: np.ndarray
    """Image by image."""

    @property
    def wilcoxon_p(self) -> float:
        """Two-sided Wilcoxon signed-rank test; its library takes long to load."""
        return _wilcoxon_p(self.differences) if np.any(self.differences) else 1.0


def compare_pairs(
    first: Sequence[float], second: Sequence[float], *, higher_is_better: bool = True, seed: int = 0
) -> Comparison:
    """Paired comparison of per-image values.

    Raises:
        ValueError: not the same number of images.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} images cannot be paired")
    differences = np.asarray(first, float) - np.asarray(second, float)
    signs = np.sign(differences if higher_is_better else -differences)
    nothing = bool(np.all(differences == 0))
    return Comparison(
        difference=interval_over_images(differences.tolist()),
        p=1.0 if nothing else _sign_flip_p(differences, seed),
        win_rate=float(np.mean((signs + 1) / 2)),
        differences=differences,
    )


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values for a family of tests, in the order given."""
    order = np.argsort(p_values)
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


NOISE = 0.05
"""Differences with a larger p are not told from noise."""


def can_tell(images: int, tests: int) -> bool:
    """Whether a sign-flip test on so many images can reach p < `NOISE`, Holm-adjusted over a family of tests.

    The smallest p is that of equal signs: 2 of 2**images patterns.
    """
    return tests * 2.0 ** (1 - images) < NOISE


def describe_p(p: float, at_least: str = "") -> str:
    """Two digits; smaller values are "< 0.0001"."""
    return "< 0.0001" if p < 1e-4 else f"{at_least}{p:.2g}"


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


# Many comparisons are of the same number of images: what is drawn at random is drawn once.  Rows at a time: memory
# stays small for thousands of images.
_CHUNK, _FEW = 2_000_000, 250


def _chunks(count: int) -> list[slice]:
    step = max(1, _CHUNK // count)
    return [slice(start, min(start + step, RESAMPLES)) for start in range(0, RESAMPLES, step)]


@lru_cache(maxsize=2)
def _flips(count: int, seed: int) -> np.ndarray:
    """Random signs: (RESAMPLES, count)."""
    random, signs = np.random.default_rng(seed), np.empty((RESAMPLES, count), float if count <= _FEW else np.int8)
    for rows in _chunks(count):
        signs[rows] = random.integers(0, 2, (rows.stop - rows.start, count)) * 2 - 1
    return signs


def _wilcoxon_p(differences: np.ndarray) -> float:
    """Two-sided, pairs without a difference left out; beyond 50 pairs by the normal limit, as scipy does it."""
    sizes = np.abs(differences[differences != 0])
    if len(sizes) <= 50:
        from scipy.stats import wilcoxon

        return float(wilcoxon(differences).pvalue)
    _, place, ties = np.unique(sizes, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]
    count, positive = len(sizes), float(ranks[differences[differences != 0] > 0].sum())
    variance = (count * (count + 1) * (2 * count + 1) - float((ties**3 - ties).sum()) / 2) / 24
    return float(2 * special.ndtr(-abs(positive - count * (count + 1) / 4) / math.sqrt(variance)))


def _sign_flip_p(differences: np.ndarray, seed: int) -> float:
    """Share of sign patterns whose mean is at least as far from zero.

    Exact for up to 13 images that differ, random patterns for more, their normal limit from `MANY` on.
    Differences of one size, as of two classifiers, are coin tosses: there it is McNemar's exact test.
    """
    differences = differences[differences != 0]  # their sign means nothing
    observed, count = abs(differences.sum()), len(differences)
    if np.ptp(np.abs(differences)) == 0:
        fewer = min(int((differences > 0).sum()), int((differences < 0).sum()))
        return min(1.0, 2 * float(special.bdtr(fewer, count, 0.5)))
    if count <= 13:
        patterns = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return float(np.mean(np.abs(patterns @ differences) >= observed - 1e-12 * max(observed, 1e-300)))
    if count >= MANY:
        return float(2 * special.ndtr(-observed / math.sqrt(float(differences @ differences))))
    signs, extreme = _flips(count, seed), 0
    for rows in _chunks(count):
        extreme += int((np.abs(signs[rows].astype(float, copy=False) @ differences) >= observed * (1 - 1e-12)).sum())
    return (extreme + 1) / (RESAMPLES + 1)  # the observed pattern is one of them
