"""Metrics per image, on the same images for every run of a comparison.  No torch.

The PSNR of an image without any error is infinite, and no mean holds it.  Such an image is left out of the PSNR of
every run and of the baseline, so that all means are over the same images; other metrics keep it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from srae.runs.answers import Answers, count_answers
from srae.runs.reader import Run, read_images

UNBOUNDED = "psnr"
"""The metric that is infinite for an image without any error."""
ROUNDING = 1e-4
"""Gains below so many dB are what float32 leaves of two equal images: their signs mean nothing."""
_BASELINE = "identity_mse"
_TEXTS = ("split", "name", "group", "label", "prediction")
"""Columns of images.csv that are no metrics."""

ImageTable = Mapping[tuple[str, str], Mapping[str, float]]
"""(split, metric) -> name of an image -> value; NaN where it is missing or not defined."""
LeftOut = Mapping[str, frozenset[str]]
"""Split -> images that are left out of its PSNR."""


@dataclass(frozen=True)
class ImageFile:
    """What `images.csv` holds, or the file of `srae eval` that stands for it; empty without one."""

    table: ImageTable
    groups: Mapping[str, Mapping[str, str]]
    """Split -> image -> what it is part of, as a crop of a photograph; splits of unknown groups are not in it."""
    answers: Mapping[str, Answers]
    """Split -> answers of a classifier."""


def read_file(run: Run) -> ImageFile:
    """The metrics, groups and answers per image of a run."""
    table: dict[tuple[str, str], dict[str, float]] = {}
    groups: dict[str, dict[str, str]] = {}
    pairs: dict[str, list[tuple[str, str]]] = {}
    for row in read_images(run):
        split = row["split"]
        for metric, text in row.items():
            if metric not in _TEXTS and metric is not None:
                table.setdefault((split, metric), {})[row["name"]] = _number(text)
        if row.get("group"):
            groups.setdefault(split, {})[row["name"]] = row["group"]
        if row.get("label") and row.get("prediction"):
            pairs.setdefault(split, []).append((row["label"], row["prediction"]))
    return ImageFile(table, groups, {split: count_answers(found) for split, found in pairs.items()})


def _number(text: str | None) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan


def find_exact(tables: Iterable[ImageTable]) -> dict[str, frozenset[str]]:
    """Split -> images that a run or the baseline reproduces exactly; splits without any are not in it."""
    found: dict[str, set[str]] = {}
    for table in tables:
        for (split, metric), values in table.items():
            if metric == UNBOUNDED:
                exact = {name for name, value in values.items() if value == math.inf}
            elif metric == _BASELINE:
                exact = {name for name, value in values.items() if value == 0}
            else:
                continue
            if exact:
                found.setdefault(split, set()).update(exact)
    return {split: frozenset(names) for split, names in found.items()}


def kept_values(table: ImageTable, split: str, metric: str, left_out: LeftOut) -> dict[str, float]:
    """Image -> value of a run, without the images that are left out of this metric."""
    values = table.get((split, metric), {})
    out = left_out.get(split, frozenset()) if metric == UNBOUNDED else frozenset()
    return {name: value for name, value in values.items() if name not in out}


def mean_of(values: Mapping[str, float]) -> float | None:
    """The mean of the defined values; None if there is none, or if it is infinite."""
    defined = [value for value in values.values() if not math.isnan(value)]
    mean = math.fsum(defined) / len(defined) if defined else math.nan
    return mean if math.isfinite(mean) else None


@dataclass(frozen=True)
class Measurements:
    """What the runs of a group measured, on the same images."""

    tables: Mapping[Path, ImageTable]
    """Of each run, by its folder."""
    left_out: LeftOut
    baselines: Mapping[str, Mapping[str, float | None]]
    """Split -> metric -> value of the identity baseline; splits on which it is unknown are not in it."""
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Split -> image -> its group; splits in which every image is its own are not in it."""
    answers: Mapping[Path, Mapping[str, Answers]] = field(default_factory=dict)
    """Of each classifier, by its folder: split -> answers."""

    def values(self, run: Run, split: str, metric: str) -> dict[str, float]:
        """Image -> value, without the images that are left out of this metric."""
        return kept_values(self.tables[run.path], split, metric, self.left_out)

    def groups_of(self, split: str, names: Iterable[str]) -> list[str] | None:
        """The group of each image, for intervals and tests over groups; None where images are their own groups."""
        known = self.groups.get(split)
        return [known.get(name, f"/{name}") for name in names] if known else None

    def gains(self, run: Run, split: str) -> dict[str, float]:
        """Image -> PSNR minus that of the baseline in dB; empty where one of the two is not known."""
        table = self.tables[run.path]
        errors = table.get((split, _BASELINE)) or next(
            (other[split, _BASELINE] for other in self.tables.values() if (split, _BASELINE) in other), {}
        )
        values = self.values(run, split, UNBOUNDED)
        if any(not errors.get(name, 0) > 0 for name in values):
            return {}
        gains = {name: value + 10 * math.log10(errors[name]) for name, value in values.items()}
        return {name: 0.0 if abs(gain) < ROUNDING else gain for name, gain in gains.items()}


def measure(runs: Sequence[Run]) -> Measurements:
    """Read the metrics per image of runs on the same data, and find the images that no mean can hold."""
    files = {run.path: read_file(run) for run in runs}
    tables = {path: file.table for path, file in files.items()}
    left_out = find_exact(tables.values())
    found = {split: _baseline_on(runs, split, tables, left_out) for split in ("val", "test")}
    return Measurements(
        tables,
        left_out,
        {split: baseline for split, baseline in found.items() if baseline},
        groups={split: groups for split in found if (groups := _groups_on(split, files.values()))},
        answers={path: file.answers for path, file in files.items()},
    )


def _groups_on(split: str, files: Iterable[ImageFile]) -> Mapping[str, str]:
    """As the first run recorded them; an older srae recorded none."""
    groups = next((file.groups[split] for file in files if split in file.groups), {})
    return groups if len(set(groups.values())) < len(groups) else {}


def _baseline_on(
    runs: Sequence[Run], split: str, tables: Mapping[Path, ImageTable], left_out: LeftOut
) -> dict[str, float | None]:
    """Metrics of the baseline: as a run recorded them, or those of a run that is the baseline."""
    recorded = next((found for run in runs if (found := _recorded_baseline(run, split))), None)
    itself = [run for run in runs if run.summary and run.summary.get("parameters") == 0 and run.summary.get(split)]
    if recorded is None and not itself:
        return {}
    baseline = dict(recorded if recorded is not None else itself[0].summary[split])  # type: ignore[index]
    if left_out.get(split):
        errors = next((table[split, _BASELINE] for table in tables.values() if (split, _BASELINE) in table), {})
        values = {name: -10 * math.log10(error) if error > 0 else math.inf for name, error in errors.items()}
        if not values and itself:
            values = dict(tables[itself[0].path].get((split, UNBOUNDED), {}))
        baseline[UNBOUNDED] = mean_of({n: v for n, v in values.items() if n not in left_out[split]})
    return baseline


def _recorded_baseline(run: Run, split: str) -> Mapping[str, float] | None:
    """`identity` is of val, or of the one split that `srae eval` scored; `test_identity` is of a training's test."""
    summary = run.summary or {}
    own = "val" if summary.get("val") or not summary.get("test") else "test"
    found = summary.get("identity") if split == own else summary.get("test_identity") if split == "test" else None
    return found if isinstance(found, dict) else None
