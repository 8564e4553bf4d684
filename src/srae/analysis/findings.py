"""What the numbers of a group show beside its tests: order on val and test, gains, answers, early ends.  No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from srae.analysis.compare import Group
from srae.analysis.gains import is_beyond_noise
from srae.analysis.permutation import can_tell
from srae.analysis.rows import GAIN_P, GAINS, format_cell
from srae.analysis.scores import Score
from srae.runs.ending import FEW_STEPS, count_steps
from srae.runs.reader import Run


@dataclass(frozen=True)
class Orders:
    """Experiments that val and test order differently."""

    best_on_val: str
    best_on_test: str
    swapped: int
    """Pairs in a different order."""
    pairs: int


def compare_orders(rows: Sequence[Mapping[str, Any]], score: Score) -> Orders | None:
    """The orders of rows with parameters by their scores on val and on test; None where they agree or are unknown."""
    columns = [f"{split}_{score.metric}" for split in ("val", "test")]
    known = [r for r in rows if r["parameters"] != 0 and all(r[column] is not None for column in columns)]
    values = [tuple(row[column] for column in columns) for row in known]
    swapped = sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(values, 2))
    if not swapped:
        return None
    val, test = columns
    return Orders(
        best_on_val=max(known, key=lambda row: row[val])["run"],
        best_on_test=max(known, key=lambda row: row[test])["run"],
        swapped=swapped,
        pairs=len(values) * (len(values) - 1) // 2,
    )


Verdict = Literal["better", "worse", "noise", "untested"]


@dataclass(frozen=True)
class Gain:
    """PSNR of an experiment minus that of the baseline, in dB."""

    run: str
    text: str
    """With its interval, or the values of two seeds."""
    mean: float
    low: float | None
    high: float | None
    p: float | None
    verdict: Verdict
    """Noise: a test could tell, and does not.  Untested: too few images or groups, or an older run folder."""


def gains_of(group: Group, rows: Iterable[Mapping[str, Any]]) -> list[Gain]:
    """Of the experiments with parameters, on the split of the score."""
    place = int(group.score.split == "test")
    column, p = GAINS[place], GAIN_P[place]
    testable = can_tell(count_units(group), 1)
    return [
        _judge(row, column, p, testable=testable) for row in rows if row[column] is not None and row["parameters"] != 0
    ]


def _judge(row: Mapping[str, Any], column: str, p_column: str, *, testable: bool) -> Gain:
    mean, low, high, p = row[column], row[f"{column}_low"], row[f"{column}_high"], row[p_column]
    verdict: Verdict = "noise" if testable and p is not None else "untested"
    if is_beyond_noise(low, high, p):
        verdict = "better" if mean > 0 else "worse"
    return Gain(row["run"], f"{format_cell(column, row)} dB", mean, low, high, p, verdict)


def count_units(group: Group) -> int:
    """Images on the split of the score, or their groups; of the run with most."""
    score, known = group.score, group.measurements
    images = max((known.values(run, score.split, score.metric) for run in group.runs), key=len)
    return len(set(known.groups_of(score.split, images) or images))


def few_steps(runs: Iterable[Run]) -> int | None:
    """Steps of the run with most, where even they are too few to judge; None otherwise."""
    counts = [steps for run in runs if (steps := count_steps(run.summary, run.rows))]
    return max(counts) if counts and max(counts) < FEW_STEPS else None
