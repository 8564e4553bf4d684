"""The tables of a report, and their three files: CSV, Markdown, LaTeX (booktabs).

A CSV has full precision and English keys in every language; the other formats
are for readers.  Run names and config values are foreign text: each format
escapes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srae.analysis.compare import Group
from srae.analysis.design import differing_keys
from srae.analysis.permutation import describe_p
from srae.analysis.rows import COLUMNS, GAINS, MEASURED, WITH_INTERVAL, format_cell, is_number, known_columns
from srae.files import write_text
from srae.report.section import ReportSection, describe_data, describe_protocol
from srae.report.words import Words, translate
from srae.runs.layout import csv_text

METRICS = ("run", "status", "seeds", "epochs", *MEASURED, *GAINS, "interval_over")
COST = ("run", "model", "parameters", "multiply_adds", "epochs", "seconds", "images_per_second", "rss_peak_mb",
        "vram_peak_mb")  # fmt: skip
BOUNDS = tuple(f"{column}_{end}" for column in WITH_INTERVAL for end in ("low", "high"))
_TEXT_COLUMNS = ("run", "status", "model", "interval_over", "source", "same_protocol", "measure", "factor",
                 "interval_db", "interval_points")  # fmt: skip


@dataclass(frozen=True)
class Cell:
    text: str
    value: float | str | None
    """Sort key; None is sorted last."""
    best: bool = False


@dataclass(frozen=True)
class Table:
    name: str
    caption: str
    heads: list[str]
    numeric: list[bool]
    """Per column: whether it is aligned right."""
    rows: list[list[Cell]]
    records: list[dict[str, Any]]
    """Rows of the CSV."""


def metrics_table(section: ReportSection, words: Words) -> Table:
    """Scores and losses with intervals; a winner of all paired tests is bold."""
    bold = {(section.winner, section.score.column)} if section.winner else set()
    rows = [v.row for v in section.variants]
    over = {row["interval_over"] for row in rows if row["interval_over"]}
    # columns with one value in all rows are left out
    hidden = ["interval_over"] if len(over) < 2 else []
    hidden += ["status"] if all(row["status"] == "done" for row in rows) else []
    caption = words[f"caption_metrics_{section.score.metric}"].format(
        over=over_text(over.pop(), words) if len(over) == 1 else words["over_column"],
        bold=words["bold_yes" if bold else "bold_no"] if len(rows) > 1 else "",
    )
    return _table_of_rows("metrics", caption, section, words, columns=METRICS, extra=BOUNDS, bold=bold, hidden=hidden)


def cost_table(section: ReportSection, words: Words) -> Table:
    counted = any(v.row["multiply_adds"] is not None for v in section.variants)
    caption = words["caption_cost"] + (" " + words["multiply_adds_note"] if counted else "")
    return _table_of_rows("cost", caption, section, words, columns=COST)


def tests_table(section: ReportSection, words: Words) -> Table | None:
    """Paired tests of every experiment against the best one; None when there are no tests."""
    if not section.shown_tests:
        return None
    score = section.score
    columns = ["run", score.key("difference"), score.key("interval"), "p", "win_rate"]
    rows = []
    for test in section.shown_tests:
        difference, low, high = (test[score.key(name)] for name in ("difference", "low", "high"))
        rows.append([
            Cell(test["run"], test["run"]),
            Cell(typeset(f"{difference:+.2f}"), difference),
            Cell("–" if low is None or high is None else typeset(f"{low:+.2f} … {high:+.2f}"), low),
            Cell(describe_p(test["p"]), test["p"]),
            Cell(f"{test['win_rate']:.0%}", test["win_rate"]),
        ])  # fmt: skip
    caption = words["caption_tests"].format(
        best=section.best, images=section.shown_tests[0]["images"], score=words[score.metric], unit=words[score.unit],
        split=words[score.split],
    )  # fmt: skip
    return _table("tests", caption, section, words, columns=columns, rows=rows, records=section.shown_tests)


def shares_table(section: ReportSection, words: Words) -> Table | None:
    """Share of variance per factor; None when the runs are no full grid."""
    ordered = sorted(section.shares.items(), key=lambda item: -item[1])
    if not ordered:
        return None
    rows = [[Cell(words["residual"] if n == "residual" else n, n), Cell(f"{s:.1%}", s)] for n, s in ordered]
    records = [{"factor": name, "share": share} for name, share in ordered]
    caption = words["caption_shares"].format(score=words[section.score.metric], split=words[section.score.split])
    return _table("shares", caption, section, words, columns=["factor", "share"], rows=rows, records=records)


def differences_table(section: ReportSection, words: Words) -> Table | None:
    """Keys in which configs differ, without the seed of repeated runs; None when nothing differs."""
    variants = section.variants
    differing = differing_keys([v.runs[0] for v in variants])
    if any(len(v.runs) > 1 for v in variants):
        differing.pop("seed", None)
    if not differing or len(variants) < 2:
        return None
    names = [v.name for v in variants]
    if len(names) > max(6, len(differing)):  # a large study: one row per run
        heads, lines = [words["run"], *differing], [[n, *row] for n, row in zip(names, zip(*differing.values()))]  # noqa: B905
    else:
        heads, lines = [words["key"], *names], [[key, *values] for key, values in differing.items()]
    rows = [[_config_cell(value) for value in line] for line in lines]
    keys = ["run", *differing] if heads[0] == words["run"] else ["key", *names]
    records = [{key: cell.text for key, cell in zip(keys, row, strict=True)} for row in rows]
    caption = _with_protocol(words["caption_differences"], section, words)
    return Table("config", caption, heads, [False] * len(heads), rows, records)


def _config_cell(value: Any) -> Cell:
    if value is None or isinstance(value, str):
        return Cell(value or "–", value)
    return Cell(json.dumps(value, ensure_ascii=False, default=str), value if isinstance(value, int | float) else None)


def make_table(
    name: str, caption: str, section: ReportSection, words: Words, *,
    columns: Sequence[str], records: Sequence[Mapping[str, Any]], texts: Sequence[Mapping[str, str]],
) -> Table:  # fmt: skip
    """A table whose cells are `texts` and sort by the values of `records`."""
    rows = [
        [Cell(text[column], record[column]) for column in columns] for text, record in zip(texts, records, strict=True)
    ]
    return _table(name, caption, section, words, columns=columns, rows=rows, records=records)


def labelled_table(
    name: str, caption: str, section: ReportSection, words: Words, *,
    heads: list[str], text_columns: int, rows: list[list[Cell]], records: list[dict[str, Any]],
) -> Table:  # fmt: skip
    """A table whose first `text_columns` columns are text, the others numbers; heads may be names of runs."""
    numeric = [i >= text_columns for i in range(len(heads))]
    return Table(name, _with_protocol(caption, section, words), heads, numeric, rows, records)


def comparison_table(group: Group, top: int | None = None) -> Table:
    """The rows of `srae compare`, with the keys of its files as heads."""
    records, over = group.top_rows(top), "Mean and 95 % interval, over what the last column says"
    columns = known_columns(records)
    return Table(
        name="table",
        caption=f"Data: {group.data}. Protocol: {group.protocol}. {over}.",
        heads=columns,
        numeric=[is_number(column) for column in columns],
        rows=[[Cell(format_cell(column, row), row[column]) for column in columns] for row in records],
        records=[{column: row[column] for column in COLUMNS} for row in records],
    )


def _table_of_rows(
    name: str, caption: str, section: ReportSection, words: Words, *, columns: Sequence[str],
    extra: Sequence[str] = (), bold: set[tuple[str, str]] | None = None, hidden: Sequence[str] = (),
) -> Table:  # fmt: skip
    """A table of `compare`'s rows, without empty columns."""
    records = [v.row for v in section.variants]
    shown = [c for c in columns if c not in hidden and any(record[c] is not None for record in records)]
    rows = [
        [Cell(_show(c, record, words), record[c], best=(record["run"], c) in (bold or ())) for c in shown]
        for record in records
    ]
    kept = [{c: record[c] for c in (*columns, *extra)} for record in records]
    return _table(name, caption, section, words, columns=shown, rows=rows, records=kept)


def _show(column: str, record: Mapping[str, Any], words: Words) -> str:
    value = record[column]
    if value is None:
        return "–"
    if column == "status":
        return translate(value, words)
    if column == "interval_over":
        return over_text(value, words)
    text = format_cell(column, record)
    return text if column in _TEXT_COLUMNS else typeset(text)


def typeset(number: str) -> str:
    """A number for print: thin spaces between thousands, a minus sign instead of a hyphen."""
    return re.sub(r",(?=\d)", "\u202f", number).replace("-", "−")


def over_text(over: str, words: Words) -> str:
    """``119 val, 51 test images`` in words."""
    count, _, unit = over.rpartition(" ")
    return f"{count} {words.get(unit, unit)}"


def _table(
    name: str, caption: str, section: ReportSection, words: Words, *,
    columns: Sequence[str], rows: list[list[Cell]], records: Sequence[Mapping[str, Any]],
) -> Table:  # fmt: skip
    numeric = [column not in _TEXT_COLUMNS for column in columns]
    heads = [words[column] for column in columns]
    return Table(name, _with_protocol(caption, section, words), heads, numeric, rows, [dict(r) for r in records])


def _with_protocol(caption: str, section: ReportSection, words: Words) -> str:
    """A caption with data and protocol."""
    data, protocol = describe_data(section, words), describe_protocol(section, words)
    return f"{caption.strip()} {words['data']}: {data}. {words['protocol']}: {protocol}."


# -------------------------------------------------------------------------- files


def write_table(table: Table, stem: Path) -> None:
    """`stem.csv`, `stem.md`, `stem.tex`."""
    for suffix, text in ((".csv", to_csv(table)), (".md", to_markdown(table)), (".tex", to_latex(table))):
        write_text(stem.with_name(stem.name + suffix), replace_surrogates(text))


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
    lines = [f"{escape_markdown(table.caption)}\n", f"| {' | '.join(heads)} |"]
    lines.append("|" + "|".join(" ---: " if numeric else " --- " for numeric in table.numeric) + "|")
    for row in table.rows:
        cells = [escape_markdown(cell.text) for cell in row]
        cells = [f"**{text}**" if cell.best else text for text, cell in zip(cells, row, strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    """Escape text for Markdown; underscores inside words have no meaning there and stay."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*|\[\]~$])", r"\\\1", " ".join(escaped.splitlines()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", escaped)


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "–": "--", "…": r"\ldots{}", "\u202f": r"\,",
    "−": "$-$", "×": r"$\times$",
}  # fmt: skip


def escape_latex(text: str) -> str:
    """Escape text for LaTeX; control characters become spaces."""
    return "".join(_LATEX.get(c, c if c.isprintable() else " ") for c in text)


def to_latex(table: Table) -> str:
    """A `table` float; needs \\usepackage{booktabs}."""
    lines = [
        r"% \usepackage{booktabs} and \usepackage[T1]{fontenc}",
        r"\begin{table}[t]",
        r"  \centering\small",
        rf"  \caption{{{escape_latex(table.caption)}}}",
        rf"  \begin{{tabular}}{{{''.join('r' if numeric else 'l' for numeric in table.numeric)}}}",
        r"    \toprule",
        f"    {' & '.join(map(escape_latex, table.heads))} \\\\",
        r"    \midrule",
    ]
    for row in table.rows:
        cells = [rf"\textbf{{{escape_latex(c.text)}}}" if c.best else escape_latex(c.text) for c in row]
        lines.append(f"    {' & '.join(cells)} \\\\")
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"
