"""The files of a table: CSV and Markdown here, LaTeX in `latex`.

A CSV has full precision and English keys in every language; the other formats are for readers.  Run names and config
values are foreign text: each format escapes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from srae.files import write_text
from srae.report.latex import WIDTH, to_latex
from srae.report.tables import Cell, Table
from srae.runs.layout import csv_text

FORMATS = ("csv", "md", "tex")


def write_table(table: Table, stem: Path, *, formats: Sequence[str] = FORMATS, width: float = WIDTH) -> None:
    """`stem.csv`, `stem.md`, `stem.tex`.

    Args:
        width: of a line of text in the paper, in points.
    """
    texts = {"csv": to_csv, "md": to_markdown, "tex": lambda table: to_latex(table, stem.name, width)}
    for suffix in formats:
        write_text(stem.with_name(f"{stem.name}.{suffix}"), replace_surrogates(texts[suffix](table)))


def replace_surrogates(text: str) -> str:
    """Replace surrogates, which stand for bytes of folder names that are no text."""
    return text.encode("utf-8", "replace").decode()


def to_csv(table: Table) -> str:
    """Full precision; text that a spreadsheet would run as a formula is prefixed with a quote."""
    columns = list(dict.fromkeys(key for record in table.records for key in record))
    heads = dict(zip(columns, map(_no_formula, columns), strict=True))
    rows = [{heads[key]: _no_formula(value) for key, value in record.items()} for record in table.records]
    return csv_text(rows, list(heads.values()), header=True)


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def to_markdown(table: Table) -> str:
    heads = [escape_markdown(head) for head in table.heads]
    text = f"{table.caption} {table.conditions}".strip()
    lines = [f"{escape_markdown(text)}\n", f"| {' | '.join(heads)} |"]
    lines.append("|" + "|".join(" ---: " if numeric else " --- " for numeric in table.numeric) + "|")
    for row in table.rows:
        lines.append(f"| {' | '.join(map(_markdown_cell, row))} |")
    return "\n".join(lines) + "\n"


def _markdown_cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    return " ".join(filter(None, (f"**{text}**" if cell.best else text, escape_markdown(cell.interval))))


def escape_markdown(text: str) -> str:
    """Escape text for Markdown; underscores inside words have no meaning there and stay."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*|\[\]~$])", r"\\\1", " ".join(escaped.splitlines()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", escaped)
