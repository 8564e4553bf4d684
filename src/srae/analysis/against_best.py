"""Every experiment of a group tested against the best one: over seeds where both have several, else over images.

A test over seeds says whether other seeds would give the same order on these images; a test over images, whether
these weights would on other images.  Images of one group, as crops of one photograph, count as one.  No torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srae.analysis.compare import Group
from srae.analysis.permutation import (
    NOISE,
    Comparison,
    PairedComparison,
    adjust_holm,
    compare_pairs,
    compare_seeds,
    least_p,
    least_seed_p,
)
from srae.runs.reader import Run


@dataclass(frozen=True)
class _Test:
    run: str
    paired: PairedComparison
    """On the same images, of values that are averaged over seeds."""
    over_seeds: Comparison | None
    seeds: tuple[int, int]
    """Of this experiment, and of the best."""
    over: str
    """seeds, groups or images."""

    @property
    def headline(self) -> Comparison:
        return self.over_seeds or self.paired

    @property
    def least_p(self) -> float:
        return least_seed_p(*self.seeds) if self.over_seeds else least_p(self.paired.difference.count)


def pair_with_best(group: Group, *, ranks: bool = True) -> tuple[str, list[dict[str, Any]]]:
    """Compare every experiment with the one of the highest mean score, on the split of the score.

    Args:
        ranks: also test by Wilcoxon's signed ranks; without it `wilcoxon_p` is None, and scipy.stats is not loaded.

    Returns:
        Name of the best; rows with `run`, `images`, `groups` (None where every image is its own), `seeds` (of this
        experiment and of the best), `over` (what test and interval are over: seeds, groups or images), the difference
        and its 95 % interval (`difference_db`, `low_db`, `high_db`; of accuracies `difference_points` and so on),
        `p`, `testable` (whether so few can reach p < `NOISE`), and of the same images `image_p`, `wilcoxon_p` and
        `win_rate`.  Every p is Holm-adjusted over the rows.  Experiments without metrics of the same two or more
        images are left out.
    """
    score, known = group.score, group.measurements
    measured = {name: _score_by_image(runs, group) for name, runs in group.experiments.items()}
    measured = {name: values for name, values in measured.items() if values}
    if len(measured) < 2:
        return "", []
    best = max(measured, key=lambda name: sum(measured[name].values()) / len(measured[name]))
    images = list(measured[best])
    groups = known.groups_of(score.split, images)
    tests = [
        _test(name, best, measured, group=group, groups=groups)
        for name, values in measured.items()
        if name != best and values.keys() == measured[best].keys() and len(images) > 1
    ]
    p = adjust_holm([test.headline.p for test in tests])
    image_p = adjust_holm([test.paired.p for test in tests])
    wilcoxon = adjust_holm([test.paired.wilcoxon_p for test in tests]) if ranks else [None] * len(tests)
    return best, [
        {
            "run": test.run,
            "images": len(images),
            "groups": None if groups is None else test.paired.difference.count,
            "seeds": list(test.seeds),
            "over": test.over,
            score.key("difference"): test.headline.difference.mean,
            score.key("low"): test.headline.difference.low,
            score.key("high"): test.headline.difference.high,
            "p": p[i],
            "testable": len(tests) * test.least_p < NOISE,
            "image_p": image_p[i],
            "wilcoxon_p": wilcoxon[i],
            "win_rate": test.paired.win_rate,
        }
        for i, test in enumerate(tests)
    ]


def _test(
    name: str,
    best: str,
    measured: Mapping[str, Mapping[str, float]],
    *,
    group: Group,
    groups: Sequence[str] | None,
) -> _Test:
    images = list(measured[best])
    paired = compare_pairs([measured[name][i] for i in images], [measured[best][i] for i in images], groups)
    sides = [_score_by_seed(group.experiments[side], group) for side in (name, best)]
    over_seeds = compare_seeds(sides[0], sides[1]) if min(map(len, sides)) > 1 else None
    over = "seeds" if over_seeds else "images" if groups is None else "groups"
    return _Test(name, paired, over_seeds, (len(sides[0]), len(sides[1])), over)


def _score_by_seed(runs: Sequence[Run], group: Group) -> list[float]:
    """Mean score of each run over its images, in units of differences."""
    score = group.score
    tables = [group.measurements.values(run, score.split, score.metric) for run in runs]
    return [score.per_unit * sum(table.values()) / len(table) for table in tables]


def _score_by_image(runs: Sequence[Run], group: Group) -> dict[str, float]:
    """Image -> score in units of its differences, mean over runs; empty if a value is missing."""
    score = group.score
    tables = [group.measurements.values(run, score.split, score.metric) for run in runs]
    if not all(tables) or any(table.keys() != tables[0].keys() for table in tables):
        return {}
    merged = {name: score.per_unit * sum(table[name] for table in tables) / len(tables) for name in tables[0]}
    return merged if all(map(math.isfinite, merged.values())) else {}
