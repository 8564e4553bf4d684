"""Rows of comparison tables from runs.  No torch.

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
from dataclasses import dataclass
from typing import Any

from srae.analysis.scores import ACCURACY, Score, finite, score_of
from srae.analysis.stats import (
    Interval,
    adjust_holm,
    compare_pairs,
    interval_over_images,
    interval_over_seeds,
    share_of_variance,
)
from srae.config.measures import METRICS
from srae.runs.reader import Run, read_images

_OF_METRICS = {f"{split}_{name}": metric for name, metric in METRICS.items() for split in metric.splits}
_FIRST = ("train_mse", "val_mse", "val_psnr", "val_ssim", "test_mse", "test_psnr", "train_accuracy", "val_accuracy",
          "test_accuracy")  # fmt: skip
MEASURED = (*_FIRST, *(column for column in _OF_METRICS if column not in _FIRST))
"""Columns `<split>_<metric>`, from a summary or, without one, from the last epoch."""
WITH_INTERVAL = tuple(column for column in MEASURED if not column.startswith("train_"))
COLUMNS = (
    "run",
    "status",
    "model",
    "parameters",
    "multiply_adds",
    "seeds",
    "epochs",
    *MEASURED,
    "gain_db",
    "seconds",
    "images_per_second",
    "rss_peak_mb",
    "vram_peak_mb",
    "interval_over",
    *(f"{column}_{end}" for column in WITH_INTERVAL for end in ("low", "high")),
)
"""The columns `*_low` and `*_high` are in files only; tables for readers show them beside the mean."""
_AVERAGED = ("epochs", *MEASURED, "gain_db", "seconds", "images_per_second")
_FORMATS = {
    "parameters": ",.0f",
    "multiply_adds": ",.0f",
    "seeds": ".0f",
    "epochs": ".0f",
    **{column: metric.text.strip("{:}") for column, metric in _OF_METRICS.items()},
    "gain_db": "+.2f",
    "seconds": ",.0f",
    "images_per_second": ".1f",
    "rss_peak_mb": ",.0f",
    "vram_peak_mb": ",.0f",
}


@dataclass(frozen=True)
class Group:
    """Runs whose metrics can be compared."""

    data: str
    """Name and fingerprint of the data set."""
    protocol: str
    baseline: dict[str, float] | None
    """Metrics of the baseline."""
    runs: list[Run]

    @property
    def score(self) -> Score:
        return score_of(self.runs[0])

    def experiments(self) -> dict[str, list[Run]]:
        """Name -> runs that differ only in their seed."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            config = run.config or {}
            key = repr({**config, "seed": None})
            seeds = [(other.config or {}).get("seed") for other in found.get(key, [])]
            # a run with an unreadable config is its own experiment, and so is the repeat of a seed
            found.setdefault(key if config and config.get("seed") not in seeds else str(run.path), []).append(run)
        return dict(zip(unique_names(list(found.values())), found.values(), strict=True))

    def rows(self) -> list[dict[str, Any]]:
        """One row per experiment."""
        rows = {name: row_of(r[0]) if len(r) == 1 else merge_seeds(r) for name, r in self.experiments().items()}
        return [{**row, "run": name} for name, row in rows.items()]


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Runs by (data fingerprint, protocol, score), in order of first appearance; each run once."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in {run.path.resolve(): run for run in runs}.values():
        summary, score = run.summary or {}, score_of(run)
        data = summary.get("data") or {}
        label = f"{data.get('name')} ({data.get('fingerprint')})" if data else "data not recorded yet"
        key = (label, describe_protocol(summary.get("protocol"), score), score.metric)
        groups.setdefault(key, []).append(run)
    return [
        Group(data, protocol, next((r.summary.get("identity") for r in found if r.summary), None), found)
        for (data, protocol, _), found in groups.items()
    ]


def describe_protocol(protocol: Mapping[str, Any] | None, score: Score) -> str:
    """A summary's protocol in one line."""
    if not protocol:
        return "protocol not recorded yet"
    rounding = "rounded to 8 bits" if protocol.get("rounded") else "not rounded"
    return score.protocol.format(channels=protocol.get("channels"), rounding=rounding, border=protocol.get("border"))


def row_of(run: Run) -> dict[str, Any]:
    """One run as a row of `COLUMNS`, intervals over the images of each split; unknown values are None."""
    summary, last = run.summary or {}, run.rows[-1] if run.rows else {}
    measured = _measured(run)
    psnr, identity = measured["val_psnr"], finite((summary.get("identity") or {}).get("psnr"))
    row = {
        "run": run.name,
        "status": run.status,
        "model": ((run.config or {}).get("model") or {}).get("name"),
        "parameters": summary.get("parameters"),
        "multiply_adds": summary.get("multiply_adds"),
        "seeds": None,
        "epochs": summary.get("epochs", last.get("epoch")),
        **measured,
        "gain_db": psnr - identity if psnr is not None and identity is not None else None,
        "seconds": summary.get("seconds", last.get("wall_seconds")),
        "images_per_second": summary.get("images_per_second", last.get("images_per_second")),
        "rss_peak_mb": summary.get("rss_peak_mb", last.get("rss_peak_mb")),
        "vram_peak_mb": summary.get("vram_peak_mb", last.get("vram_peak_mb")),
    }
    intervals = _intervals_over_images(run)
    counts = {column.partition("_")[0]: interval.count for column, interval in intervals.items()}
    each = [f"{count} {split}" for split, count in counts.items()] if len(counts) > 1 else map(str, counts.values())
    return _with_intervals(row, intervals, f"{', '.join(each)} images")


def _measured(run: Run) -> dict[str, Any]:
    summary, last = run.summary or {}, run.rows[-1] if run.rows else {}
    parts = {column: column.partition("_") for column in MEASURED}
    return {c: finite((summary.get(split) or {}).get(metric, last.get(c))) for c, (split, _, metric) in parts.items()}


def _intervals_over_images(run: Run) -> dict[str, Interval]:
    """Column -> interval, where every image of the split has a finite value."""
    rows = read_images(run)
    intervals = {}
    for column in WITH_INTERVAL:
        split, _, metric = column.partition("_")
        if not rows or metric not in rows[0]:
            continue
        values = [float(row.get(metric) or math.nan) for row in rows if row.get("split") == split]
        if len(values) > 1 and all(map(math.isfinite, values)):
            intervals[column] = interval_over_images(values, shares=metric == ACCURACY.metric)
    return intervals


def merge_seeds(runs: Sequence[Run]) -> dict[str, Any]:
    """Runs of several seeds as one row: means, intervals over seeds."""
    rows = [row_of(run) for run in runs]
    merged = {**rows[0], "run": name_of(runs), "seeds": len(runs)}
    merged["status"] = rows[0]["status"] if len({row["status"] for row in rows}) == 1 else "mixed"
    for column in _AVERAGED:
        values = [row[column] for row in rows]
        merged[column] = None if None in values else sum(values) / len(values)
    over_seeds = {
        column: interval_over_seeds([row[column] for row in rows])
        for column in WITH_INTERVAL
        if merged[column] is not None
    }
    return _with_intervals(merged, over_seeds, f"{len(runs)} seeds")


def _with_intervals(row: dict[str, Any], intervals: Mapping[str, Interval], over: str) -> dict[str, Any]:
    known = {column: interval for column, interval in intervals.items() if interval.low is not None}
    lows = {f"{column}_low": known[column].low if column in known else None for column in WITH_INTERVAL}
    highs = {f"{column}_high": known[column].high if column in known else None for column in WITH_INTERVAL}
    return {**row, "interval_over": over if known else None, **lows, **highs}


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


def pair_with_best(group: Group) -> tuple[str, list[dict[str, Any]]]:
    """Compare every experiment with the one of the highest mean score on val, image by image.

    Values of several seeds are averaged per image first, so a test is over images alone.

    Returns:
        Name of the best; rows with `run`, `images`, the difference and its 95 % interval over images
        (`difference_db`, `low_db`, `high_db`; of accuracies `difference_points` and so on), `p` and
        `wilcoxon_p` (each Holm-adjusted over the rows) and `win_rate`.  Experiments without metrics
        of the same two or more images are left out.
    """
    score = group.score
    measured = {name: _score_by_image(runs, score) for name, runs in group.experiments().items()}
    measured = {name: values for name, values in measured.items() if values}
    if len(measured) < 2:
        return "", []
    best = max(measured, key=lambda name: sum(measured[name].values()) / len(measured[name]))
    images = list(measured[best])
    others = [n for n, v in measured.items() if n != best and v.keys() == measured[best].keys() and len(images) > 1]
    tests = [compare_pairs([measured[n][i] for i in images], [measured[best][i] for i in images]) for n in others]
    flips, ranks = adjust_holm([t.p for t in tests]), adjust_holm([t.wilcoxon_p for t in tests])
    return best, [
        {
            "run": name,
            "images": len(images),
            score.key("difference"): test.difference.mean,
            score.key("low"): test.difference.low,
            score.key("high"): test.difference.high,
            "p": p,
            "wilcoxon_p": wilcoxon_p,
            "win_rate": test.win_rate,
        }
        for name, test, p, wilcoxon_p in zip(others, tests, flips, ranks, strict=True)
    ]


def _score_by_image(runs: Sequence[Run], score: Score) -> dict[str, float]:
    """Image -> score on val in units of its differences, mean over runs; empty if a value is missing or infinite."""
    tables = [
        {r["name"]: score.per_unit * float(r[score.metric]) for r in read_images(run)
         if r["split"] == "val" and r.get(score.metric)}
        for run in runs
    ]  # fmt: skip
    if not all(tables) or any(table.keys() != tables[0].keys() for table in tables):
        return {}
    merged = {name: sum(table[name] for table in tables) / len(tables) for name in tables[0]}
    return merged if all(map(math.isfinite, merged.values())) else {}


def what_mattered(group: Group) -> dict[str, float]:
    """Share of the variance of the val score per varied key and pair of keys; empty without a full grid."""
    values = [_measured(run)[group.score.column] for run in group.runs] if len(group.runs) >= 4 else []
    if not values or None in values:
        return {}
    factors = find_factors(group.runs)
    if any(len({repr(level) for level in levels}) == len(values) for levels in factors.values()):
        return {}  # a factor with a level per run explains all variance by definition
    rows = [{key: levels[i] for key, levels in factors.items()} for i in range(len(values))]
    try:
        return share_of_variance(rows, values) if factors else {}
    except ValueError:
        return {}


def find_factors(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Varied key -> its level in each run; keys that always change together are one factor, named after the first."""
    factors: dict[tuple[int, ...], tuple[str, list[Any]]] = {}
    for key, levels in differing_keys(runs).items():
        partition = tuple([repr(v) for v in levels].index(repr(level)) for level in levels)
        if key != "seed":
            factors.setdefault(partition, (key, levels))
    return dict(factors.values())


def differing_keys(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Dotted config keys whose values differ -> the value of each run."""
    flat = [dict(_flatten(run.config or {})) for run in runs]
    keys = dict.fromkeys(key for config in flat for key in config)
    values = {key: [config.get(key) for config in flat] for key in keys}
    return {key: found for key, found in values.items() if len({repr(value) for value in found}) > 1}


def _flatten(config: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


# -------------------------------------------------------------------------- as text


def format_cell(column: str, row: Mapping[str, Any]) -> str:
    """A value as text, with its interval where there is one: ``12.15 ± 0.03``, or ``95.00% [76.39%, 99.11%]``.

    An interval of shares, or one whose halves differ in the digits shown, is written with both ends.
    """
    value, low, high = row[column], row.get(f"{column}_low"), row.get(f"{column}_high")
    if value is None:
        return "-"
    text = format(value, _FORMATS[column]) if column in _FORMATS else str(value)
    if low is None or high is None:
        return text
    below, above = (format(half, _FORMATS[column]) for half in (value - low, high - value))
    if below == above and not _FORMATS[column].endswith("%"):
        return f"{text} ± {below}"
    return f"{text} [{format(low, _FORMATS[column])}, {format(high, _FORMATS[column])}]"


def is_number(column: str) -> bool:
    """Whether a column has numbers, which are aligned right."""
    return column in _FORMATS


def known_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns to show: those in which some row has a value, without half widths."""
    shown = [column for column in COLUMNS if not column.endswith(("_low", "_high"))]
    return [column for column in shown if any(row[column] is not None for row in rows)]


def text_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Aligned columns for a terminal; numbers are aligned right."""
    columns = known_columns(rows)
    cells = [columns, *([format_cell(c, row) for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    right = [is_number(column) for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    )
