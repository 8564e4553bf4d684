"""What `srae compare -o` writes: tables and curves, without the page of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srae.analysis.compare import Group
from srae.files import check_new_folder
from srae.report.curves import draw_overlay
from srae.report.tables import comparison_table, write_table


def write_comparison(groups: Sequence[Group], folder: Path) -> None:
    """Per group a table as csv, md and tex and the curves over each other; an existing folder is not touched."""
    check_new_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, group in enumerate(groups, 1):
        suffix = "" if len(groups) == 1 else f"-{number}"
        write_table(comparison_table(group), folder / f"table{suffix}")
        draw_overlay(group.runs, folder / f"curves{suffix}")
