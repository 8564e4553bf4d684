"""Whether a gain over the baseline is beyond noise.  No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from srae.analysis.permutation import NOISE, can_tell, compare_pairs


def judge_gain(gains: Sequence[float], groups: Sequence[str] | None = None) -> dict[str, Any]:
    """The gains of one run, image by image in dB, as a JSON value.

    Args:
        groups: of the images, where several are of one group.

    Returns:
        `low` and `high` (95 % interval of the mean; None for one image), `p` (sign flips), `over` (``6 images``,
        ``2 groups``), `testable` (whether so many can reach p < `NOISE`) and `beyond_noise`.
    """
    found = compare_pairs(gains, [0.0] * len(gains), groups)
    interval, unit = found.difference, "images" if groups is None else "groups"
    return {
        "low": interval.low,
        "high": interval.high,
        "p": found.p,
        "over": f"{interval.count} {unit if interval.count > 1 else unit[:-1]}",
        "testable": can_tell(interval.count, 1),
        "beyond_noise": is_beyond_noise(interval.low, interval.high, found.p),
    }


def is_beyond_noise(low: float | None, high: float | None, p: float | None) -> bool:
    """Whether a difference is told from zero: its interval does not hold 0, and its paired test agrees."""
    return low is not None and high is not None and not low <= 0 <= high and p is not None and p < NOISE
