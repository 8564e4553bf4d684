"""The tables of a report; `table_files` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from srae.analysis.compare import Group
from srae.analysis.design import differing_keys
from srae.analysis.permutation import describe_p
from srae.analysis.rows import COLUMNS, GAINS, MEASURED, WITH_INTERVAL, is_number, known_columns
from srae.analysis.scores import finite
from srae.report.numbers import measured, typeset
from srae.report.section import ReportSection, describe_data, describe_protocol
from srae.report.words import ENGLISH, Words, translate
from srae.runs.reader import baseline_of

METRICS = ("run", "status", "seeds", "epochs", *MEASURED, *GAINS, "interval_over")
CROSS_ENTROPIES = ("val_cross_entropy", "test_cross_entropy")
IN_PAPERS = {
    "psnr": ("run", "status", "val_psnr", "val_ssim", "test_psnr", "test_ssim"),
    "accuracy": ("run", "status", "train_accuracy", "val_accuracy", "test_accuracy", *CROSS_ENTROPIES),
}
"""Columns of the table that fits a paper; beside them it has the gain on the split of the score."""
COST = ("run", "parameters", "multiply_adds", "epochs", "seconds", "rss_peak_mb", "vram_peak_mb")
COST_IN_FILES = ("model", "images_per_second")
BOUNDS = tuple(f"{column}_{end}" for column in WITH_INTERVAL for end in ("low", "high"))
_TEXT_COLUMNS = ("run", "status", "model", "interval_over", "source", "same_protocol", "measure", "factor",
                 "interval_db", "interval_points")  # fmt: skip


@dataclass(frozen=True)
class Cell:
    text: str
    value: float | str | None
    """Sort key; None is sorted last."""
    best: bool = False
    interval: str = ""
    """Of a measured value: ``± 0.14``, ``[28.1, 30.4]``."""


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
    conditions: str = ""
    """Data and protocol, for a file that is read alone."""
    baselines: int = 0
    """So many first rows are no experiments."""


def metrics_table(section: ReportSection, words: Words, *, full: bool = False) -> Table:
    """Scores of the baseline and of every experiment, with intervals; a winner of all paired tests is bold.

    Args:
        full: with all metrics of every split; the records of the CSV have them anyway.
    """
    score, columns = section.score, METRICS
    if not full:
        gain = GAINS[score.split == "test"]
        columns = (*IN_PAPERS[score.metric], *([] if score.is_share else [gain]))
    bold = {(section.winner, score.column)} if section.winner else set()
    rows = [v.row for v in section.variants]
    over = {row["interval_over"] for row in rows if row["interval_over"]}
    # columns with one value in all rows are left out
    hidden = ["interval_over"] if len(over) < 2 else []
    hidden += ["status"] if all(row["status"] == "done" for row in rows) else []
    caption = words[f"caption_metrics_{score.metric}"].format(
        over=over_text(over.pop(), words) if len(over) == 1 else words["over_column"],
        bold=words["bold_yes" if bold else "bold_no"] if len(rows) > 1 else "",
    )
    if any(row["seeds"] == 2 and row.get("by_seed") for row in rows):
        caption += f" {words['two_seeds']}"
    table = _table_of_rows(
        "metrics_full" if full else "metrics", caption, section, words, columns=columns, bold=bold, hidden=hidden,
        above=[row for row in [baseline_row(section)] if row],
    )  # fmt: skip
    every = [*([baseline_row(section)] if table.baselines else []), *rows]
    return replace(table, records=[{c: row.get(c) for c in (*METRICS, *BOUNDS)} for row in every])


def baseline_row(section: ReportSection) -> dict[str, Any]:
    """What the baseline scores on val and test, under the columns of rows; empty where it is an experiment itself."""
    known, column = section.group.measurements.baselines, section.score.column
    row: dict[str, Any] = {
        f"{split}_{metric}": value for split, found in known.items() for metric, value in found.items()
    }
    row = {column: finite(value) for column, value in row.items()}
    shown = [v.row[column] for v in section.variants if v.row["parameters"] == 0]
    run = next((run for run in section.group.runs if run.summary), None)
    if run is None or row.get(column) is None or any(value == row[column] for value in shown):
        return {}
    return {"run": baseline_of(run), **row}


def cost_table(section: ReportSection, words: Words) -> Table:
    counted = any(v.row["multiply_adds"] is not None for v in section.variants)
    caption = words["caption_cost"] + (" " + words["multiply_adds_note"] if counted else "")
    return _table_of_rows("cost", caption, section, words, columns=COST, extra=COST_IN_FILES)


def tests_table(section: ReportSection, words: Words) -> Table | None:
    """Paired tests of every experiment against the best one; None when there are no tests."""
    if not section.shown_tests:
        return None
    score = section.score
    columns = ["run", score.key("difference"), "p", "win_rate"]
    rows = []
    for test in section.shown_tests:
        difference, low, high = (test[score.key(name)] for name in ("difference", "low", "high"))
        rows.append([
            Cell(test["run"], test["run"]),
            signed(difference, low, high, words),
            Cell(typeset(describe_p(test["p"]), words), test["p"]),
            Cell(typeset(f"{test['win_rate']:.0%}", words), test["win_rate"]),
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
    rows = [
        [Cell(words["residual"] if n == "residual" else n, n), Cell(typeset(f"{s:.0%}", words), s)] for n, s in ordered
    ]
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
    if len(names) > max(2, len(differing)):  # a row per experiment is narrower
        heads, lines = [words["run"], *differing], [[n, *row] for n, row in zip(names, zip(*differing.values()))]  # noqa: B905
    else:
        heads, lines = [words["key"], *names], [[key, *values] for key, values in differing.items()]
    rows = [[_config_cell(value) for value in line] for line in lines]
    keys = ["run", *differing] if heads[0] == words["run"] else ["key", *names]
    records = [{key: cell.text for key, cell in zip(keys, row, strict=True)} for row in rows]
    conditions = describe_conditions(section, words)
    return Table("config", words["caption_differences"], heads, [False] * len(heads), rows, records, conditions)


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
        [Cell(text[c] if c in _TEXT_COLUMNS else typeset(text[c], words), record[c]) for c in columns]
        for text, record in zip(texts, records, strict=True)
    ]
    return _table(name, caption, section, words, columns=columns, rows=rows, records=records)


def labelled_table(
    name: str, caption: str, section: ReportSection, words: Words, *,
    heads: list[str], text_columns: int, rows: list[list[Cell]], records: list[dict[str, Any]],
) -> Table:  # fmt: skip
    """A table whose first `text_columns` columns are text, the others numbers; heads may be names of runs."""
    numeric = [i >= text_columns for i in range(len(heads))]
    return Table(name, caption.strip(), heads, numeric, rows, records, describe_conditions(section, words))


def comparison_table(group: Group, top: int | None = None, words: Words = ENGLISH) -> Table:
    """The rows of `srae compare`, all columns that have a value."""
    records = group.top_rows(top)
    columns = known_columns(records)
    return Table(
        name="table",
        caption=words["caption_table"],
        heads=[words[column] for column in columns],
        numeric=[is_number(column) for column in columns],
        rows=[[_cell(column, row, words) for column in columns] for row in records],
        records=[{column: row[column] for column in COLUMNS} for row in records],
        conditions=f"{words['data']}: {group.data}. {words['protocol']}: {group.protocol}.",
    )


def _table_of_rows(
    name: str, caption: str, section: ReportSection, words: Words, *, columns: Sequence[str],
    extra: Sequence[str] = (), bold: set[tuple[str, str]] | None = None, hidden: Sequence[str] = (),
    above: Sequence[Mapping[str, Any]] = (),
) -> Table:  # fmt: skip
    """A table of `compare`'s rows, without empty columns.

    Args:
        above: rows of baselines, which may lack columns.
    """
    records = [v.row for v in section.variants]
    shown = [c for c in columns if c not in hidden and any(record[c] is not None for record in records)]
    rows = [
        [_cell(c, record, words, best=(record["run"], c) in (bold or ())) for c in shown]
        for record in (*above, *records)
    ]
    kept = [{c: record[c] for c in (*columns, *extra)} for record in records]
    return replace(_table(name, caption, section, words, columns=shown, rows=rows, records=kept), baselines=len(above))


def _cell(column: str, record: Mapping[str, Any], words: Words, *, best: bool = False) -> Cell:
    value = record.get(column)
    if value is None:
        return Cell("–", None)
    if column == "interval_over":
        return Cell(over_text(value, words), value)
    if column in _TEXT_COLUMNS:
        return Cell(translate(value, words), value)
    text, interval = measured(column, record, words)
    return Cell(text, value, best, interval)


def signed(value: float, low: float | None, high: float | None, words: Words) -> Cell:
    """A difference with its interval."""
    text = typeset(f"{value:+.2f}", words)
    if low is None or high is None:
        return Cell(text, value)
    first, last = (typeset(f"{number:+.2f}", words) for number in (low, high))
    return Cell(text, value, interval=f"[{first}{words['between']}{last}]")


def over_text(over: str, words: Words) -> str:
    """``119 val, 51 test images`` in words; in Spanish ``119 imágenes de val y 51 de test``."""
    counts, _, unit = over.rpartition(" ")
    named = words.get(unit, unit)
    if words["lang"] != "es" or " " not in counts:
        return f"{counts} {named}"
    first, *others = (part.partition(" ")[::2] for part in counts.split(", "))
    texts = [f"{first[0]} {named} de {first[1]}", *(f"{count} de {split}" for count, split in others)]
    return words["and"].join(texts)


def _table(
    name: str, caption: str, section: ReportSection, words: Words, *,
    columns: Sequence[str], rows: list[list[Cell]], records: Sequence[Mapping[str, Any]],
) -> Table:  # fmt: skip
    numeric = [column not in _TEXT_COLUMNS for column in columns]
    heads = [words[column] for column in columns]
    conditions = describe_conditions(section, words)
    return Table(name, caption.strip(), heads, numeric, rows, [dict(r) for r in records], conditions)


def describe_conditions(section: ReportSection, words: Words) -> str:
    """Data and protocol in two sentences."""
    data, protocol = describe_data(section, words), describe_protocol(section, words)
    return f"{words['data']}: {data}. {words['protocol']}: {protocol}."
