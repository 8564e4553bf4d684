"""List the runs, those of studies below their study: data, epochs, status and metrics."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from srae.cli import print_json, say, show

EXAMPLES = """
  srae runs
  srae runs --runs-dir results/runs
  srae runs --json
"""

COLUMNS = ("name", "status", "task", "epochs", "val_mse", "val_psnr", "identity_psnr", "seconds", "data")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--json", action="store_true", help="print one JSON list")


def run(args: argparse.Namespace) -> int:
    from srae.runs.layout import list_runs, list_studies
    from srae.runs.reader import describe_run, read_run

    rows = [{**describe_run(read_run(path)), "study": None} for path in list_runs(args.runs_dir)]
    studies = {
        folder.name: [{**describe_run(read_run(path)), "study": folder.name} for path in paths]
        for folder, paths in list_studies(args.runs_dir).items()
    }
    if args.json:
        print_json([*rows, *(row for found in studies.values() for row in found)])
        return 0
    if not rows and not studies:
        say(f"no runs in {args.runs_dir}; `srae train --config cnn4_tanh` makes one")
        return 0
    lines = [[_cell(row[column]) for column in COLUMNS] for row in rows]
    for name, found in studies.items():
        lines.append([f"{name}/", *[""] * (len(COLUMNS) - 1)])
        lines += [[f"  {row['name']}", *(_cell(row[column]) for column in COLUMNS[1:])] for row in found]
    show("\n".join(format_table(lines)))
    return 0


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def format_table(rows: list[list[str]]) -> list[str]:
    """Lines under a header, columns aligned."""
    table = [list(COLUMNS), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
