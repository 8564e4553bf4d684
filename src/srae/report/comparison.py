"""Files of `srae compare -o`: tables and curves, without a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srae.analysis.compare import Group
from srae.files import check_new_folder
from srae.report.curves import MOST_CURVES, draw_overlay
from srae.report.table_files import write_table
from srae.report.tables import comparison_table
from srae.report.words import words_of


def write_comparison(groups: Sequence[Group], folder: Path, *, top: int | None = None, language: str = "en") -> None:
    """Write a table (csv, md, tex) and the curves of each group into a new or empty folder.

    Args:
        top: of so many best experiments; without it the table has all.
    """
    check_new_folder(folder)
    words = words_of(language)
    folder.mkdir(parents=True, exist_ok=True)
    for number, group in enumerate(groups, 1):
        suffix = "" if len(groups) == 1 else f"-{number}"
        write_table(comparison_table(group, top, words), folder / f"table{suffix}")
        names = [row["run"] for row in group.top_rows(top or MOST_CURVES)]
        shown = [run for name in names for run in group.experiments[name]]
        draw_overlay(shown, folder / f"curves{suffix}", words)
