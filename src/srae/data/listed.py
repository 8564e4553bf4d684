"""A CSV of pairs: path of the low image, path of the high one, and perhaps the split; columns by name or by place."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from srae.data.matching import FileProblem, Pair
from srae.data.naming import side_in, split_named
from srae.errors import DataError
from srae.images.image import EXTENSIONS

_REMEDY = (
    "one row a pair: path of the low image, path of the high one, perhaps train|val|test; or a header with low,high"
)
_SPLIT_COLUMNS = {"split", "set", "subset", "partition", "part"}


class _Columns(NamedTuple):
    low: int
    high: int
    split: int | None


def read_list(path: Path, problems: list[FileProblem]) -> Iterator[tuple[str, Pair]]:
    """(split or "", pair) of every row, in the order of the file; appends to `problems`.

    Paths are relative to the CSV.  A header may come first; it names the
    columns, in any order and among others.  Without it the first column is
    low, the second high, and a third the split.

    Raises:
        DataError: not a text file, or no columns of low and high images.
    """
    rows = _rows(path)
    header = rows[0][1] if PurePath(rows[0][1][0]).suffix.lower() not in EXTENSIONS else None
    rows = rows[1:] if header else rows
    columns = _find_columns(header, [row for _, row in rows], path)
    seen: dict[tuple[str, str], int] = {}
    for line, row in rows:
        where = f"{path.name}:{line}"
        low, high = row[columns.low], row[columns.high]
        word = row[columns.split] if columns.split is not None and columns.split < len(row) else ""
        named = split_named(word)
        split = named.what if named else "" if not word else None
        if (low, high) in seen:
            problems.append(FileProblem(split or "", where, f"the same pair as line {seen[low, high]}", "remove one"))
            continue
        seen[low, high] = line
        missing = [name for name in (low, high) if not (path.parent / name).is_file()]
        for name in missing:
            problems.append(FileProblem(split or "", where, f"{name} does not exist", "paths are relative to the CSV"))
        if split is None:
            problems.append(FileProblem("", where, f"unknown split {word!r}", "train, val or test"))
        elif not missing:
            yield split, Pair(PurePath(high).as_posix(), path.parent / low, path.parent / high)


def _find_columns(header: list[str] | None, rows: list[list[str]], path: Path) -> _Columns:
    """By the names in the header where it names both sides, else by place."""
    sides = [found.what if (found := side_in(name)) else None for name in header or []]
    splits = [place for place, name in enumerate(header or []) if name.casefold() in _SPLIT_COLUMNS]
    widths = {len(row) for row in rows}
    if sides.count("low") == sides.count("high") == 1:
        low, high = sides.index("low"), sides.index("high")
        short = next((number for number, row in enumerate(rows) if len(row) <= max(low, high)), None)
        if short is not None:
            raise DataError(f"row {short + 1} has {len(rows[short])} columns", str(path), _REMEDY)
        third = 2 if {low, high} == {0, 1} and widths & {3} and len(sides) <= 3 else None
        return _Columns(low, high, splits[0] if splits else third)
    if not widths <= {2, 3}:
        named = f" named {', '.join(header)}" if header else ""
        raise DataError(f"{max(widths)} columns{named}: none is called low, or none is called high", str(path), _REMEDY)
    return _Columns(0, 1, 2)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line, cells) of every row that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("not a text file in UTF-8", str(path), _REMEDY) from None
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", str(path), _REMEDY) from None
    first = text.lstrip().partition("\n")[0]
    delimiter = next((character for character in "\t;," if character in first), ",")
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        rows = [
            (reader.line_num, [cell.strip() for cell in row]) for row in reader if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise DataError(f"not a CSV file: {error}", f"{path}:{reader.line_num}", _REMEDY) from None
    for line, row in rows:
        if len(row) < 2:
            raise DataError(f"{len(row)} columns", f"{path}:{line}", _REMEDY)
    if not rows:
        raise DataError("no rows", str(path), _REMEDY)
    return rows
