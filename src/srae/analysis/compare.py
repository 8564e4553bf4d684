"""Runs that can be compared: their groups and experiments.  No torch.

Metrics are in one table only if they were measured on the same data under the
same protocol: rows come in groups of equal (fingerprint, protocol).  Runs that
differ only in their seed are one row, with mean and 95 % interval over seeds.  A
seed trained twice is no second seed: the repeat gets its own row.  A single run
has an interval over images; intervals over seeds and images are never pooled.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from srae.analysis.images import Measurements, measure
from srae.analysis.rows import measured_by, merge_seeds, row_of
from srae.analysis.scores import Score, score_of
from srae.runs.reader import Run

MANY = 10
"""More experiments than this are listed best first."""


@dataclass(frozen=True)
class Group:
    """Runs whose metrics can be compared."""

    data: str
    """Name and fingerprint of the data set."""
    protocol: str
    runs: list[Run]

    @cached_property
    def measurements(self) -> Measurements:
        return measure(self.runs)

    @cached_property
    def score(self) -> Score:
        """What ranks the experiments: measured on test where every run has one, because no epoch was chosen on it."""
        return replace(score_of(self.runs[0]), split="val" if self.without_test else "test")

    @cached_property
    def without_test(self) -> list[Run]:
        """The runs that were not scored on a test split."""
        metric = score_of(self.runs[0]).metric
        return [run for run in self.runs if metric not in ((run.summary or {}).get("test") or {})]

    @property
    def baseline(self) -> Mapping[str, float | None] | None:
        """Metrics of the baseline on the split of the score; None where they are not known."""
        return self.measurements.baselines.get(self.score.split)

    @property
    def left_out(self) -> list[str]:
        """Images of the split of the score that are left out of PSNR, because a run or the baseline is exact."""
        out = self.measurements.left_out.get(self.score.split, frozenset())
        return sorted(out)

    @cached_property
    def experiments(self) -> dict[str, list[Run]]:
        """Name -> runs that differ only in their seed; in the order of the runs, more than `MANY` best first."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            config = run.config or {}
            key = repr({**config, "seed": None})
            seeds = [(other.config or {}).get("seed") for other in found.get(key, [])]
            # a run with an unreadable config is its own experiment, and so is the repeat of a seed
            found.setdefault(key if config and config.get("seed") not in seeds else str(run.path), []).append(run)
        named = dict(zip(unique_names(list(found.values())), found.values(), strict=True))
        return named if len(named) <= MANY else dict(sorted(named.items(), key=lambda item: -self._score_of(item[1])))

    def top_rows(self, top: int | None) -> list[dict[str, Any]]:
        """Rows of the `top` best experiments, best first; all of `rows` in their order without a number."""
        if top is None or top >= len(self.rows):
            return self.rows
        column = self.score.column
        return sorted(self.rows, key=lambda row: math.inf if row[column] is None else -row[column])[:top]

    def _score_of(self, runs: Sequence[Run]) -> float:
        """Mean over the runs; below all others where it is not known."""
        values = [measured_by(run, self.measurements)[self.score.column] for run in runs]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else -math.inf

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One row per experiment."""
        known = self.measurements
        return [
            {**(row_of(runs[0], known) if len(runs) == 1 else merge_seeds(runs, known)), "run": name}
            for name, runs in self.experiments.items()
        ]


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Runs by (data fingerprint, protocol, score), in order of first appearance; each run once."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in {run.path.resolve(): run for run in runs}.values():
        summary, score = run.summary or {}, score_of(run)
        data = summary.get("data") or {}
        label = f"{data.get('name')} ({data.get('fingerprint')})" if data else "data not recorded yet"
        key = (label, describe_protocol(summary.get("protocol"), score), score.metric)
        groups.setdefault(key, []).append(run)
    return [Group(data, protocol, found) for (data, protocol, _), found in groups.items()]


def describe_protocol(protocol: Mapping[str, Any] | None, score: Score) -> str:
    """A summary's protocol in one line."""
    if not protocol:
        return "protocol not recorded yet"
    bits = int(protocol.get("levels", 255)).bit_length()
    rounding = f"rounded to {bits} bits" if protocol.get("rounded") else "not rounded"
    return score.protocol.format(channels=protocol.get("channels"), rounding=rounding, border=protocol.get("border"))


def name_of(runs: Sequence[Run]) -> str:
    """Name of an experiment: that of its run, or of its runs without the seed."""
    stems = {stem_of(run.name) for run in runs}
    return stems.pop() if len(stems) == 1 and len(runs) > 1 else runs[0].name


def unique_names(experiments: Sequence[Sequence[Run]]) -> list[str]:
    """Unique names of experiments: repeated names get their study as prefix, or become full paths."""
    names = [name_of(runs) for runs in experiments]
    studies = [f"{runs[0].path.resolve().parent.name}/{name_of(runs)}" for runs in experiments]
    for longer in (studies, [str(runs[0].path) for runs in experiments]):
        names = [more if names.count(name) > 1 else name for name, more in zip(names, longer, strict=True)]
    return names


def stem_of(name: str) -> str:
    """A run's name without its seed or number: ``a-s0``, ``a-2`` -> ``a``."""
    return re.sub(r"-s\d+$|-\d+$", "", name)
