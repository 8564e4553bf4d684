"""Runs as rows of a table: metrics with their intervals, cost.  No torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from srae.analysis.images import UNBOUNDED, Measurements, mean_of, measure
from srae.analysis.permutation import compare_pairs
from srae.analysis.scores import ACCURACY, finite
from srae.analysis.stats import Interval, interval_over_images, interval_over_seeds
from srae.config.measures import METRICS
from srae.runs.reader import Run

_OF_METRICS = {f"{split}_{name}": metric for name, metric in METRICS.items() for split in metric.splits}
_FIRST = ("train_mse", "val_mse", "val_psnr", "val_ssim", "test_mse", "test_psnr", "train_accuracy", "val_accuracy",
          "test_accuracy")  # fmt: skip
MEASURED = (*_FIRST, *(column for column in _OF_METRICS if column not in _FIRST))
"""Columns `<split>_<metric>`, from a summary or, without one, from the last epoch."""
GAINS = ("gain_db", "test_gain_db")
"""Mean PSNR minus that of the baseline, on val and on test."""
GAIN_P = ("gain_p", "test_gain_p")
"""Of paired tests against the baseline, image by image or group by group; of several seeds, of their mean gains."""
WITH_INTERVAL = (*(column for column in MEASURED if not column.startswith("train_")), *GAINS)
COLUMNS = (
    "run",
    "status",
    "model",
    "parameters",
    "multiply_adds",
    "seeds",
    "epochs",
    *MEASURED,
    *GAINS,
    "seconds",
    "images_per_second",
    "rss_peak_mb",
    "vram_peak_mb",
    "interval_over",
    *(f"{column}_{end}" for column in WITH_INTERVAL for end in ("low", "high")),
    *GAIN_P,
)
"""The columns `*_low`, `*_high` and `*_p` are in files only; tables for readers show the intervals beside the means."""
BY_SEED = "by_seed"
"""Key of a row beside the columns: column -> value of each seed; None of a single run."""
_AVERAGED = ("epochs", *MEASURED, *GAINS, "seconds", "images_per_second")
_FORMATS = {
    "parameters": ",.0f",
    "multiply_adds": ",.0f",
    "seeds": ".0f",
    "epochs": ".0f",
    **{column: metric.text.strip("{:}") for column, metric in _OF_METRICS.items()},
    **dict.fromkeys(GAINS, "+.2f"),
    "seconds": ",.0f",
    "images_per_second": ".1f",
    "rss_peak_mb": ",.0f",
    "vram_peak_mb": ",.0f",
}


def row_of(run: Run, measurements: Measurements | None = None) -> dict[str, Any]:
    """One run as a row of `COLUMNS`, intervals over the images or groups of each split; unknown values are None.

    Args:
        measurements: of the runs that it is compared with; without it the run stands alone.
    """
    measurements = measurements or measure([run])
    intervals = {c: i for c, i in _intervals_over_images(run, measurements).items() if i.low is not None}
    counts: dict[str, int] = {}
    for column, interval in intervals.items():  # of PSNR fewer, where images are left out
        split = _split_of(column)
        counts[split] = max(interval.count, counts.get(split, 0))
    each = [f"{count} {split}" for split, count in counts.items()] if len(counts) > 1 else map(str, counts.values())
    unit = "groups" if counts.keys() & measurements.groups.keys() else "images"
    row = {**_means_of(run, measurements), **_gain_tests([run], measurements), BY_SEED: None}
    return _with_intervals(row, intervals, f"{', '.join(each)} {unit}")


def _means_of(run: Run, measurements: Measurements) -> dict[str, Any]:
    """A row without intervals and tests."""
    summary, last = run.summary or {}, run.rows[-1] if run.rows else {}
    measured = measured_by(run, measurements)
    return {
        "run": run.name,
        "status": run.status,
        "model": ((run.config or {}).get("model") or {}).get("name"),
        "parameters": summary.get("parameters"),
        "multiply_adds": summary.get("multiply_adds"),
        "seeds": None,
        "epochs": summary.get("epochs", last.get("epoch")),
        **measured,
        **{column: _gain(measured, _split_of(column), measurements) for column in GAINS},
        "seconds": summary.get("seconds", last.get("wall_seconds")),
        "images_per_second": summary.get("images_per_second", last.get("images_per_second")),
        "rss_peak_mb": summary.get("rss_peak_mb", last.get("rss_peak_mb")),
        "vram_peak_mb": summary.get("vram_peak_mb", last.get("vram_peak_mb")),
    }


def _split_of(column: str) -> str:
    """``test_gain_db`` -> ``test``; a gain without a split is on val."""
    return "val" if column == GAINS[0] else column.partition("_")[0]


def _gain(measured: Mapping[str, float | None], split: str, measurements: Measurements) -> float | None:
    psnr, baseline = measured[f"{split}_psnr"], measurements.baselines.get(split, {})
    reference = finite(baseline.get("psnr"))
    return psnr - reference if psnr is not None and reference is not None else None


def _gain_tests(runs: Sequence[Run], measurements: Measurements) -> dict[str, float | None]:
    """p of the gains on val and on test, which are averaged over the runs first; None where they are not known."""
    found: dict[str, float | None] = dict.fromkeys(GAIN_P)
    for column, split in zip(GAIN_P, ("val", "test"), strict=True):
        tables = [measurements.gains(run, split) for run in runs]
        if all(tables) and all(table.keys() == tables[0].keys() for table in tables):
            means = [sum(values) / len(tables) for values in zip(*(t.values() for t in tables), strict=True)]
            if all(map(math.isfinite, means)):
                groups = measurements.groups_of(split, tables[0])
                found[column] = compare_pairs(means, [0.0] * len(means), groups).p
    return found


def measured_by(run: Run, measurements: Measurements) -> dict[str, float | None]:
    """Column -> mean as the run recorded it; of PSNR over the images that are kept, where some are left out."""
    summary, last = run.summary or {}, run.rows[-1] if run.rows else {}
    found: dict[str, float | None] = {}
    for column in MEASURED:
        split, _, metric = column.partition("_")
        scores = summary.get(split) or {}
        found[column] = finite(scores.get(metric, last.get(column)))
        values = measurements.values(run, split, metric)
        answers = measurements.answers.get(run.path, {}).get(split)
        if metric == "balanced_accuracy" and answers:  # an older srae did not record it
            found[column] = answers.balanced_accuracy
        if values and (metric not in scores or (metric == UNBOUNDED and measurements.left_out.get(split))):
            found[column] = mean_of(values)
    return found


def _intervals_over_images(run: Run, measurements: Measurements) -> dict[str, Interval]:
    """Column -> interval, where every image of the split has a finite value."""
    intervals = {}
    for column in WITH_INTERVAL:
        split, metric = _split_of(column), column.partition("_")[2]
        found = measurements.gains(run, split) if column in GAINS else measurements.values(run, split, metric)
        values = list(found.values())
        if len(values) > 1 and all(map(math.isfinite, values)):
            groups = measurements.groups_of(split, found)
            intervals[column] = interval_over_images(values, groups, shares=metric == ACCURACY.metric)
    return intervals


def merge_seeds(runs: Sequence[Run], measurements: Measurements | None = None) -> dict[str, Any]:
    """Runs of several seeds as one row: means, intervals over seeds; named after the first."""
    measurements = measurements or measure(runs)
    rows = [_means_of(run, measurements) for run in runs]
    merged = {**rows[0], "seeds": len(runs), **_gain_tests(runs, measurements)}
    merged["status"] = rows[0]["status"] if len({row["status"] for row in rows}) == 1 else "mixed"
    for column in _AVERAGED:
        values = [row[column] for row in rows]
        merged[column] = None if None in values else sum(values) / len(values)
    by_seed = {column: [row[column] for row in rows] for column in WITH_INTERVAL if merged[column] is not None}
    over_seeds = {column: interval_over_seeds(values) for column, values in by_seed.items()}
    return _with_intervals({**merged, BY_SEED: by_seed}, over_seeds, f"{len(runs)} seeds")


def _with_intervals(row: dict[str, Any], intervals: Mapping[str, Interval], over: str) -> dict[str, Any]:
    known = {column: interval for column, interval in intervals.items() if interval.low is not None}
    lows = {f"{column}_low": known[column].low if column in known else None for column in WITH_INTERVAL}
    highs = {f"{column}_high": known[column].high if column in known else None for column in WITH_INTERVAL}
    return {**row, "interval_over": over if known else None, **lows, **highs}


# -------------------------------------------------------------------------- as text


def format_cell(column: str, row: Mapping[str, Any]) -> str:
    """A value as text with its interval, in two significant digits: ``12.15 ± 0.03``, ``95.00% [76%, 99%]``.

    An interval of shares, or one whose halves differ in the digits shown, is written with both ends.  Two seeds have
    no interval that helps anybody: both values are shown.
    """
    value, low, high = row[column], row.get(f"{column}_low"), row.get(f"{column}_high")
    if value is None:
        return "-"
    by_seed = (row.get(BY_SEED) or {}).get(column, ())
    if len(by_seed) == 2:
        return f"{', '.join(format(each, _FORMATS[column]) for each in by_seed)} (n = 2)"
    if low is None or high is None:
        return format(value, _FORMATS[column]) if column in _FORMATS else str(value)
    spec = _digits(_FORMATS[column], (high - low) / 2)
    # hundredths of a dB or a per cent tell models apart whose images differ by far more
    text = format(value, _FORMATS[column] if _decimals(_FORMATS[column]) <= 2 else spec)
    below, above = (format(half, spec.lstrip("+")) for half in (value - low, high - value))
    if below == above and not spec.endswith("%"):
        return f"{text} ± {below}"
    ends = (format(end, spec) for end in (low, high))
    return f"{text} [{', '.join(end if re.search('[1-9]', end) else end.lstrip('-') for end in ends)}]"


def _digits(spec: str, half: float) -> str:
    """A format with so many decimals that half an interval has two significant digits, at most its own."""
    shown = half * (100 if spec.endswith("%") else 1)
    wanted = 1 - math.floor(math.log10(shown)) if shown > 0 else _decimals(spec)
    return f"{spec.partition('.')[0]}.{min(max(wanted, 0), _decimals(spec))}{spec[-1]}"


def _decimals(spec: str) -> int:
    return int(spec.partition(".")[2][:-1])


def is_number(column: str) -> bool:
    """Whether a column has numbers, which are aligned right."""
    return column in _FORMATS


def known_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns to show: those in which some row has a value, without the ends of intervals and without tests."""
    shown = [column for column in COLUMNS if not column.endswith(("_low", "_high", "_p"))]
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
