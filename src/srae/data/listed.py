"""A CSV of pairs: path of the low image, path of the high one, and perhaps the split."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

from srae.data.matching import FileProblem, Pair
from srae.errors import DataError
from srae.images.image import EXTENSIONS

Meaning = Callable[[str], str | None]


def read_list(
    path: Path, split_of: Meaning, side_of: Meaning, problems: list[FileProblem]
) -> Iterator[tuple[str, Pair]]:
    """(split or "", pair) of every row, in the order of the file; appends to `problems`.

    Paths are relative to the CSV.  A header may come first; it may also say
    that the high-resolution image is in the first column.

    Raises:
        DataError: not a text file, or no rows of two or three columns.
    """
    rows = _rows(path)
    header = PurePath(rows[0][1][0]).suffix.lower() not in EXTENSIONS
    swapped = header and side_of(rows[0][1][0]) == "high" and side_of(rows[0][1][1]) == "low"
    seen: dict[tuple[str, str], int] = {}
    for line, row in rows[header:]:
        where = f"{path.name}:{line}"
        low, high = (row[1], row[0]) if swapped else (row[0], row[1])
        split = split_of(row[2]) if len(row) > 2 and row[2] else ""
        if (low, high) in seen:
            problems.append(FileProblem(split or "", where, f"the same pair as line {seen[low, high]}", "remove one"))
            continue
        seen[low, high] = line
        missing = [name for name in (low, high) if not (path.parent / name).is_file()]
        for name in missing:
            problems.append(FileProblem(split or "", where, f"{name} does not exist", "paths are relative to the CSV"))
        if split is None:
            problems.append(FileProblem("", where, f"unknown split {row[2]!r}", "train, val or test"))
        elif not missing:
            yield split, Pair(PurePath(high).as_posix(), path.parent / low, path.parent / high)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line, cells) of every row that is not empty."""
    remedy = "one row a pair: path of the low image, path of the high one, perhaps train|val|test"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("not a text file in UTF-8", str(path), remedy) from None
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", str(path), remedy) from None
    first = text.lstrip().partition("\n")[0]
    delimiter = next((character for character in "\t;," if character in first), ",")
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        rows = [
            (reader.line_num, [cell.strip() for cell in row]) for row in reader if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise DataError(f"not a CSV file: {error}", f"{path}:{reader.line_num}", remedy) from None
    for line, row in rows:
        if len(row) not in (2, 3):
            raise DataError(f"{len(row)} columns", f"{path}:{line}", remedy)
    if not rows:
        raise DataError("no rows", str(path), remedy)
    return rows
