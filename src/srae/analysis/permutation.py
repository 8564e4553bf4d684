"""Permutation tests: two models on the same images, on the same groups of images, over seeds.

Pure functions of numbers.  scipy.stats is imported inside functions because its import takes longer than all
computations here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy import special

from srae.analysis.stats import Interval, gather_groups, interval_between_seeds, interval_over_images

RESAMPLES = 10_000
MANY = 2_000
"""Number of images from which a sum of random signs is close to normal, so that drawing signs only takes longer."""


@dataclass(frozen=True)
class Comparison:
    """Two models: first minus second, in the metric's unit."""

    difference: Interval
    """Of the mean; `count` is of what the interval is over."""
    p: float
    """Two-sided permutation test of a zero mean difference."""


@dataclass(frozen=True)
class PairedComparison(Comparison):
    """Two models on the same images; interval and test are over the images, or over groups of them."""

    win_rate: float
    """Share of images on which the first is better; ties count half."""
    differences: np.ndarray
    """Of every image or group."""

    @property
    def wilcoxon_p(self) -> float:
        """Two-sided Wilcoxon signed-rank test; its library takes long to load."""
        return _wilcoxon_p(self.differences) if np.any(self.differences) else 1.0


def compare_pairs(
    first: Sequence[float],
    second: Sequence[float],
    groups: Sequence[str] | None = None,
    *,
    higher_is_better: bool = True,
    seed: int = 0,
) -> PairedComparison:
    """Paired comparison of per-image values: signs of differences are flipped image by image, or group by group.

    Raises:
        ValueError: not the same number of images.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} images cannot be paired")
    found = np.asarray(first, float) - np.asarray(second, float)
    signs = np.sign(found if higher_is_better else -found)
    differences = found if groups is None else gather_groups(found, groups, around=0)
    return PairedComparison(
        difference=interval_over_images(found, groups),
        p=_sign_flip_p(differences, seed) if np.any(differences) else 1.0,
        win_rate=float(np.mean((signs + 1) / 2)),
        differences=differences,
    )


def compare_seeds(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Comparison:
    """Two experiments by their scores over seeds: which run belongs to which experiment is permuted.

    Exact for up to 13 runs, random permutations for more.

    Raises:
        ValueError: fewer than two seeds on a side.
    """
    count, data = len(first), np.asarray([*first, *second], float)
    if count < 2 or len(second) < 2:
        raise ValueError("a test over seeds needs two on each side")
    observed = abs(float(np.mean(first) - np.mean(second)))
    if len(data) <= 13:
        places = np.array(list(combinations(range(len(data)), count)))
    else:
        order = np.random.default_rng(seed).permuted(np.tile(np.arange(len(data)), (RESAMPLES, 1)), axis=1)
        places = np.vstack([order[:, :count], np.arange(count)])  # the observed one is one of them
    sums = data[places].sum(1)
    found = np.abs(sums / count - (data.sum() - sums) / (len(data) - count))
    tolerance = 1e-12 * float(np.abs(data).max())
    return Comparison(interval_between_seeds(first, second), float(np.mean(found >= observed - tolerance)))


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


def least_p(images: int) -> float:
    """The smallest p of a sign-flip test on so many images or groups: that of equal signs, 2 of 2**images patterns."""
    return 2.0 ** (1 - images)


def least_seed_p(first: int, second: int) -> float:
    """The smallest p of `compare_seeds`: all seeds of one side above the others, and as far below only if as many."""
    return (2 if first == second else 1) / math.comb(first + second, first)


def can_tell(images: int, tests: int) -> bool:
    """Whether a sign-flip test on so many images or groups can reach p < `NOISE`, adjusted by Holm for so many."""
    return tests * least_p(images) < NOISE


def seeds_needed(tests: int) -> int:
    """Seeds of each experiment from which one of so many tests over seeds can reach p < `NOISE`."""
    return next(count for count in range(2, 100) if tests * least_seed_p(count, count) < NOISE)


def describe_p(p: float, at_least: str = "") -> str:
    """Two digits; smaller values are "< 0.0001"."""
    return "< 0.0001" if p < 1e-4 else f"{at_least}{p:.2g}"


# Many comparisons are of the same number of images: what is drawn at random is drawn once.  Rows at a time: memory
# stays small for thousands of images.
_CHUNK, _FEW = 2_000_000, 250


def _chunks(count: int) -> list[slice]:
    step = max(1, _CHUNK // count)
    return [slice(start, min(start + step, RESAMPLES)) for start in range(0, RESAMPLES, step)]


@lru_cache(maxsize=4)
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
