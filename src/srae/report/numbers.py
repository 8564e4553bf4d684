"""Numbers as a reader of tables and plots expects them: rounded to their interval, in the language's own signs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from srae.analysis.rows import GAINS, format_cell
from srae.report.words import Words, in_language

_FINER = 2  # decimals more than a column has, where its interval is small
SPACE = "\u202f"
"""A narrow space that does not break, between thousands."""


def typeset(number: str, words: Words) -> str:
    """A formatted number for print: ``-1,234.5`` -> ``−1 234.5``; in Spanish ``−1 234,5``, and ``98,4 %``.

    Text that is no number must not be given: every comma between digits is one between thousands.
    """
    text = re.sub(r",(?=\d)", SPACE, number).replace("-", "−")
    return in_language(text, words)


def measured(column: str, row: Mapping[str, Any], words: Words) -> tuple[str, str]:
    """A value of a row and its interval as text, with two significant digits of half the interval.

    ``("12.15", "± 0.03")``; an interval of shares, or one whose halves differ in the digits shown, has both ends:
    ``("95%", "[76, 99]")``.  Without an interval the second text is empty, and the digits are those of the column; of
    two seeds, which are too few for an interval, it has both values: ``(11.89, 13.54)``.
    """
    value, low, high = (row.get(f"{column}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return "–", ""
    two = (row.get("by_seed") or {}).get(column) or ()
    if len(two) == 2:
        both = [typeset(format_cell(column, {column: each}).rstrip("%"), words) for each in two]
        return typeset(format_cell(column, {column: value}), words), f"({words['between'].join(both)})"
    if low is None or high is None:
        return typeset(format_cell(column, {column: value}), words), ""
    plain = format_cell(column, {column: value})
    unit, times = ("%", 100) if plain.endswith("%") else ("", 1)
    half, own = times * (high - low) / 2, len(plain.rstrip("%").partition(".")[2])
    decimals = max(0, 1 - int(f"{half:.1e}".partition("e")[2]))
    if half == 0 or decimals > own + _FINER:  # all seeds gave one value, but for rounding
        decimals = own
    sign = "+" if column in GAINS else ""
    shown, first, last = (typeset(f"{times * number:{sign},.{decimals}f}", words) for number in (value, low, high))
    below, above = (typeset(f"{times * side:,.{decimals}f}", words) for side in (value - low, high - value))
    if below == above and not unit:
        return shown, f"± {below}"
    mark = typeset("0%", words)[1:] if unit else ""
    return shown + mark, f"[{first}{words['between']}{last}]"


def compact(value: float) -> str:
    """1200000 -> 1.2M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
