"""Which low-resolution file belongs to which high-resolution file: by name alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from srae.data.naming import without_side
from srae.files import natural_key


class FileProblem(NamedTuple):
    """One thing that is wrong with a file or a folder of a data set."""

    split: str
    file: str
    what: str
    how_to_mend: str


class Pair(NamedTuple):
    name: str
    """File name of the high-resolution image, with its class folder where there is one."""
    low: Path | None
    """None when the low-resolution image is made from the high-resolution one."""
    high: Path


class Entry(NamedTuple):
    """An image on disk."""

    group: str
    """Folder between the split and the file, or the empty string."""
    path: Path


def _stem(entry: Entry) -> str:
    # File systems differ in how they spell an accented letter.
    return unicodedata.normalize("NFC", f"{entry.group}/{entry.path.stem}" if entry.group else entry.path.stem)


def _folded(entry: Entry) -> str:
    return _stem(entry).casefold()


def _without_scale(entry: Entry) -> str:
    return re.sub(r"[ _.-]?x[2-8]$", "", _folded(entry))


def _without_side(entry: Entry) -> str:
    group, slash, stem = _folded(entry).rpartition("/")
    return group + slash + without_side(stem)


RULES: dict[str, Callable[[Entry], str]] = {
    "name": _stem,
    "name, ignoring case": _folded,
    "name without scale suffix": _without_scale,
    "name without side and scale": _without_side,
}


def _by_key(entries: list[Entry], key: Callable[[Entry], str]) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return groups


def match(
    split: str, lows: list[Entry], highs: list[Entry], root: Path | None
) -> tuple[list[Pair], list[FileProblem], str]:
    """Pairs in natural order, problems (no partner, or several), and the rule that matched most.

    Args:
        root: files are named relative to it.
    """
    if {entry.group for entry in lows} != {entry.group for entry in highs}:
        lows, highs = [[Entry("", entry.path) for entry in entries] for entries in (lows, highs)]

    def matched(rule: str) -> int:
        low, high = _by_key(lows, RULES[rule]), _by_key(highs, RULES[rule])
        return sum(len(low[key]) == len(high[key]) == 1 for key in low.keys() & high.keys())

    rule = max(RULES, key=matched)  # of rules that match equally many the first, which is the strictest
    low, high = _by_key(lows, RULES[rule]), _by_key(highs, RULES[rule])
    pairs, problems = [], []
    for key in low.keys() | high.keys():
        both = low.get(key, []), high.get(key, [])
        if len(both[0]) == len(both[1]) == 1:
            pairs.append(Pair(name_of(both[1][0]), both[0][0].path, both[1][0].path))
            continue
        for own, other, side in ((both[0], both[1], "high"), (both[1], both[0], "low")):
            if len(own) > 1:
                others = ", ".join(entry.path.name for entry in own[1:])
                what = f"same name as {others} (matched by {rule})"
                problems.append(FileProblem(split, show(own[0].path, root), what, "keep one of them"))
            elif own and not other:
                what = f"no {side}-resolution counterpart (matched by {rule})"
                problems.append(
                    FileProblem(split, show(own[0].path, root), what, "add the counterpart or remove the file")
                )
    if not pairs:  # names of another kind: adding counterparts would not help
        remedy = "names must be equal up to _LR, _HR or x2; or list the pairs in a CSV with the columns low,high"
        problems = [problem._replace(how_to_mend=remedy) for problem in problems]
    pairs.sort(key=lambda pair: natural_key(pair.name))
    problems.sort(key=lambda problem: natural_key(problem.file))
    return pairs, problems, rule


def name_of(entry: Entry) -> str:
    return escape_name(f"{entry.group}/{entry.path.name}" if entry.group else entry.path.name)


def show(path: Path, root: Path | None) -> str:
    """A path for messages: relative to `root` if it is inside."""
    return escape_name(path.relative_to(root).as_posix() if root and path.is_relative_to(root) else str(path))


def escape_name(name: str) -> str:
    """A name for terminals, CSV and JSON: invalid UTF-8 and control characters become backslash escapes."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", text)
