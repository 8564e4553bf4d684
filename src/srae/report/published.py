"""Published figures beside ours, for runs that bear the name of a published variant."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from srae.report.section import Section
from srae.report.tables import Table, make_table
from srae.report.words import Words

SIDES = ("train_mse", "val_mse")
COLUMNS = ("run", "side", "epoch", "published", "ours", "same_protocol", "source")


def published_table(section: Section, words: Words) -> Table | None:
    """The last published epoch of every known variant, ours multiplied into the published unit."""
    reports = json.loads(resources.files("srae").joinpath("published.json").read_text(encoding="utf-8"))
    records = [
        record
        for report in reports.values()
        for name in report.get("curves", {})
        for variant in section.variants
        if variant.name == name
        for record in _compare(report, name, variant.runs[0].rows, section)
    ]
    if not records:
        return None
    texts = [
        {
            **{key: str(record[key]) for key in ("run", "side", "source")},
            "epoch": f"{record['epoch']:.0f}",
            "published": f"{record['published']:.4f}",
            "ours": "–" if record["ours"] is None else f"{record['ours']:.4f}",
            "same_protocol": words["yes" if record["same_protocol"] else "no"],
        }
        for record in records
    ]
    for text in texts:
        text["side"] = words[text["side"]]
    units = dict.fromkeys(f"{record['source']}: {record['unit']}" for record in records)
    caption = f"{words['caption_published']} {'; '.join(units)}."
    return make_table("published", caption, section, COLUMNS, records, texts, words)


def _compare(report: dict[str, Any], name: str, rows: list[dict[str, float | None]], section: Section) -> list[dict]:
    points, factor = report["curves"][name], report["divide_by"]
    epoch = points["epoch"][-1]
    row = next((row for row in rows if row.get("epoch") == epoch), {})
    return [
        {
            "run": name,
            "side": side,
            "epoch": epoch,
            "published": points[side][-1],
            "ours": None if (value := row.get(side)) is None else value * factor,
            "same_protocol": _is_same(report["protocol"], section),
            "source": report["source"].partition(" (")[0],
            "unit": report["protocol"],
        }
        for side in SIDES
        if side in points
    ]


def _is_same(protocol: str, section: Section) -> bool:
    """Whether our channels and counts of pictures are those that the published protocol names."""
    counts = (section.summary.get("data") or {}).get("counts") or {}
    channels = (section.summary.get("protocol") or {}).get("channels")
    pictures = f"{counts.get('train')} train / {counts.get('val')} val pictures"
    return protocol.split(",")[0] == channels and pictures in protocol
