"""Published metrics beside ours, for runs that have the name of a published variant.

`published.json` holds them report by report: `curves` (columns of metrics.csv
at some epochs) and `finals` (metrics at one epoch, also on test).  Metrics on a
benchmark set name the set (`data`) and the `border` that was cut; they are
compared only with what `srae eval` measured on that set (`srae report --on set5-val-y`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from importlib import resources
from typing import Any

from srae.analysis.compare import name_of, stem_of
from srae.report.section import ReportSection
from srae.report.tables import Table, make_table
from srae.report.words import Words, translate
from srae.runs.reader import Run

COLUMNS = ("run", "measure", "epoch", "published", "ours", "our_epoch", "same_protocol", "source")
SPLIT_NOT_STATED = {"mse": "train_mse"}  # our column beside a published metric without a split


def published_table(section: ReportSection, words: Words) -> Table | None:
    """Published metrics of all known variants, and ours at the same epoch, in the published unit."""
    text = resources.files("srae.report").joinpath("published.json").read_text(encoding="utf-8")
    reports = json.loads(text, parse_float=Decimal)  # with as many decimals as were published
    records = [
        {"run": variant.name, **record}
        for report in reports.values()
        if _is_about(report, section)
        for variant in section.variants
        for record in _compare(report, stem_of(name_of(variant.runs)), variant.runs, section)
    ]
    reached = {record["run"] for record in records if record["ours"] is not None}
    # A run of 30 epochs says nothing about metrics after 700: those rows are left out once a run has reached others.
    # A run that has reached none keeps all rows, to show what it will be compared with.
    records = [record for record in records if record["ours"] is not None or record["run"] not in reached]
    if not records:
        return None
    columns = [c for c in COLUMNS if c != "our_epoch" or any(r["our_epoch"] not in (None, r["epoch"]) for r in records)]
    texts = [_texts(record, words) for record in records]
    units = dict.fromkeys(f"{translate(r['source'], words)}: {translate(r['unit'], words)}" for r in records)
    caption = f"{words['caption_published']} {'; '.join(units)}."
    records = [{**record, "published": float(record["published"])} for record in records]
    return make_table("published", caption, section, words, columns=columns, records=records, texts=texts)


def _texts(record: dict[str, Any], words: Words) -> dict[str, str]:
    published, same = str(record["published"]), record["same_protocol"]
    decimals = max(len(published.partition(".")[2]), 4 if record["published"] < 1 else 0)
    answer = words["not_stated"] if same is None else words["yes" if same else "no"]
    return {
        "run": record["run"],
        "measure": words[record["measure"]],
        "epoch": "–" if record["epoch"] is None else f"{record['epoch']:.0f}",
        "published": published,
        "ours": "–" if record["ours"] is None else f"{record['ours']:.{decimals}f}",
        "our_epoch": "–" if record["our_epoch"] is None else f"{record['our_epoch']:.0f}",
        "same_protocol": "–" if record["ours"] is None else answer,
        "source": translate(record["source"], words),
    }


def _compare(
    report: dict[str, Any], name: str, runs: Sequence[Run], section: ReportSection
) -> Iterator[dict[str, Any]]:
    """A record per published metric; a curve gives its last epoch."""
    for epoch, measure, published in _metrics(report, name):
        ours = [_ours(run, SPLIT_NOT_STATED.get(measure, measure), epoch) for run in runs]
        known = [found for found in ours if found is not None]
        value = our_epoch = None
        if known and len(known) == len(ours):  # the mean over seeds
            value, our_epoch = (sum(side) / len(known) for side in zip(*known, strict=True))
        at_other_epoch = None not in (epoch, our_epoch) and our_epoch != epoch
        yield {
            "measure": measure,
            "epoch": epoch,
            "published": published,
            "ours": None if value is None else value * report["divide_by"],
            "our_epoch": our_epoch,
            "same_protocol": False if at_other_epoch else _is_same(report, section),
            "source": report["source"].partition(" (")[0],
            "unit": report["unit"],
        }


def _is_about(report: dict[str, Any], section: ReportSection) -> bool:
    """Whether the published metrics were measured on the data of this section: same set, same scale."""
    stated = {name: (section.summary.get(name) or {}) for name in ("data", "protocol")}
    ours = {"data": stated["data"].get("name"), "border": stated["protocol"].get("border")}
    return all(report[key] == value for key, value in ours.items() if key in report)


def _metrics(report: dict[str, Any], name: str) -> Iterator[tuple[float | None, str, Decimal]]:
    """(epoch, or None where it is not stated; column; value)."""
    if curve := report["curves"].get(name):
        yield from ((curve["epoch"][-1], column, values[-1]) for column, values in curve.items() if column != "epoch")
    for final in report["finals"].get(name, []):
        yield from ((final["epoch"], column, value) for column, value in final.items() if column != "epoch")


def _ours(run: Run, column: str, epoch: float | None) -> tuple[float, float] | None:
    """Our value and its epoch: of test, or scored elsewhere, that of the best weights, after as many epochs."""
    summary, (split, _, metric) = run.summary or {}, column.partition("_")
    if split == "test" or not run.rows:
        value = (summary.get(split) or {}).get(metric)
        fits = epoch is None or summary.get("epochs") == epoch
        return (value, summary.get("best_epoch") or summary["epochs"]) if value is not None and fits else None
    rows = [row for row in run.rows if row.get("epoch") == epoch] if epoch is not None else run.rows[-1:]
    value = rows[0].get(column) if rows else None
    at = rows[0].get("epoch") if rows else None
    return (value, at) if value is not None and at is not None else None


def _is_same(report: dict[str, Any], section: ReportSection) -> bool | None:
    """Whether our channels and counts of images are those published; None where those are not stated."""
    if not report["counts"]:
        return None
    counts = (section.summary.get("data") or {}).get("counts") or {}
    channels = (section.summary.get("protocol") or {}).get("channels")
    same = all(counts.get(split) == count for split, count in report["counts"].items())
    return bool(same and channels == report["channels"])
