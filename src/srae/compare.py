"""Runs -> rows of a table.  No torch.

Numbers stand in one table only when they were measured on the same data under
the same protocol: rows come in groups of equal (fingerprint, protocol).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srae.runs import Run

COLUMNS = (
    "run",
    "status",
    "model",
    "parameters",
    "epochs",
    "train_mse",
    "val_mse",
    "val_psnr",
    "val_ssim",
    "gain_db",
    "test_psnr",
    "seconds",
    "images_per_second",
    "rss_peak_mb",
    "vram_peak_mb",
)
_FORMATS = {
    "parameters": ",.0f",
    "epochs": ".0f",
    "train_mse": ".6f",
    "val_mse": ".6f",
    "val_psnr": ".2f",
    "val_ssim": ".4f",
    "gain_db": "+.2f",
    "test_psnr": ".2f",
    "seconds": ",.0f",
    "images_per_second": ".1f",
    "rss_peak_mb": ",.0f",
    "vram_peak_mb": ",.0f",
}


@dataclass(frozen=True)
class Group:
    """Runs whose figures may be compared."""

    data: str
    """Name and fingerprint of the data set."""
    protocol: str
    baseline: dict[str, float] | None
    """Metrics of the baseline."""
    runs: list[Run]

    def rows(self) -> list[dict[str, Any]]:
        return [row_of(run) for run in self.runs]


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Runs by (data fingerprint, protocol), in order of first appearance."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        summary = run.summary or {}
        data = summary.get("data") or {}
        label = f"{data.get('name')} ({data.get('fingerprint')})" if data else "data not recorded yet"
        groups.setdefault((label, describe_protocol(summary.get("protocol"))), []).append(run)
    return [
        Group(data, protocol, next((r.summary["identity"] for r in found if r.summary), None), found)
        for (data, protocol), found in groups.items()
    ]


def describe_protocol(protocol: Mapping[str, Any] | None) -> str:
    """A summary's protocol in one line."""
    if not protocol:
        return "protocol not recorded yet"
    rounding = "rounded to 8 bits" if protocol.get("rounded") else "not rounded"
    return f"{protocol.get('channels')}, {rounding}, border {protocol.get('border')}, values in [0, 1]"


def row_of(run: Run) -> dict[str, Any]:
    """One run as a row of `COLUMNS`; what is not known (yet) is None."""
    summary, last = run.summary or {}, run.rows[-1] if run.rows else {}
    val, identity = summary.get("val") or {}, summary.get("identity") or {}
    train, test = summary.get("train") or {}, summary.get("test") or {}
    psnr = val.get("psnr", last.get("val_psnr"))
    return {
        "run": run.name,
        "status": run.status,
        "model": ((run.config or {}).get("model") or {}).get("name"),
        "parameters": summary.get("parameters"),
        "epochs": summary.get("epochs", last.get("epoch")),
        "train_mse": train.get("mse", last.get("train_mse")),
        "val_mse": val.get("mse", last.get("val_mse")),
        "val_psnr": psnr,
        "val_ssim": val.get("ssim", last.get("val_ssim")),
        "gain_db": psnr - identity["psnr"] if psnr is not None and identity else None,
        "test_psnr": test.get("psnr"),
        "seconds": summary.get("seconds", last.get("wall_seconds")),
        "images_per_second": summary.get("images_per_second", last.get("images_per_second")),
        "rss_peak_mb": summary.get("rss_peak_mb", last.get("rss_peak_mb")),
        "vram_peak_mb": summary.get("vram_peak_mb", last.get("vram_peak_mb")),
    }


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


def format_cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    return format(value, _FORMATS[column]) if column in _FORMATS else str(value)


def known_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns in which some row has a value."""
    return [column for column in COLUMNS if any(row[column] is not None for row in rows)]


def text_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Aligned columns for a terminal; numbers to the right."""
    columns = known_columns(rows)
    cells = [columns, *([format_cell(c, row[c]) for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    right = [column in _FORMATS for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    )


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = known_columns(rows)
    lines = ["| " + " | ".join(columns) + " |"]
    lines.append("|" + "|".join(" ---: " if c in _FORMATS else " --- " for c in columns) + "|")
    lines += ["| " + " | ".join(format_cell(c, row[c]) for c in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """All columns, full precision, dot decimals."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
