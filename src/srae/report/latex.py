r"""Tables, plots and the protocol for a paper in LaTeX; they need the packages booktabs and graphicx.

A table fits the width of a line: long names and heads are broken over several rows, and columns that do not fit go
into a second part below, which repeats the first column.  `all.tex` inputs everything; `report.tex` is a
document around it that compiles as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from srae.files import write_text
from srae.report.tables import Cell, Table
from srae.report.words import Words

WIDTH = 345.0
"""Points in a line of LaTeX's article."""
_GAP = 8.0  # points between columns
_SMALL = 0.8  # width of \scriptsize beside \small
_LINES = 44  # rows of a table that fit on a page
_LEAST = 0.2  # of the width: the first column gets as much, even where it has to be broken
_TWO_LINES, _SHORT = 0.6, 45.0  # share of the width of a head that is broken into two lines; points of one that is not
_MOST = 0.36  # of the width: a text column is broken that is wider
_BREAKS = re.compile(r"[^\s_/.\-]*(?:[_/.\-]|\s+|$)")

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "–": "--", "…": r"\ldots{}", "\u202f": r"\,",
    "−": "$-$", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "\u00a0": "~",
}  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """A file in `figures/`, and what is said of it."""

    name: str
    caption: str
    share: float = 1.0
    """Of a line; a half goes beside the half after it."""


def escape_latex(text: str) -> str:
    """Escape text for LaTeX; control characters become spaces."""
    return "".join(_ESCAPES.get(c, c if c.isprintable() else " ") for c in text)


# ------------------------------------------------------------------------------------- tables


def to_latex(table: Table, label: str, width: float = WIDTH) -> str:
    r"""A `table` float, or several where the rows do not fit on a page; needs \usepackage{booktabs}.

    Args:
        label: it is called ``tab:srae-LABEL``.
        width: points in a line of the paper.
    """
    below = any(_has_ends(cell) for row in table.rows for cell in row) or len(_split(table, width, below=False)) > 1
    parts = [_typeset_part(table, columns, width, below=below) for columns in _split(table, width, below=below)]
    chunks = _by_page([part.rows for part in parts])
    lines = [r"% \usepackage{booktabs}"]
    for number, (start, stop) in enumerate(chunks):
        more = [] if number == 0 else [r"  \addtocounter{table}{-1}"]
        name = rf"\label{{tab:srae-{label}}}" if number == 0 else ""
        caption = escape_latex(table.caption if number == 0 else "…")
        lines += [r"\begin{table}[tbp]", *more, r"  \centering\small\setlength{\tabcolsep}{4pt}",
                  rf"  \caption{{{caption}}}{name}\par\smallskip"]  # fmt: skip
        for i, part in enumerate(parts):
            lines += [*([r"  \par\medskip"] if i else []), *part.lines(start, stop, table.baselines)]
        lines.append(r"\end{table}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Part:
    """Some columns of a table as rows of LaTeX."""

    spec: str
    head: list[str]
    rows: list[list[str]]
    """Per row of the table one or more rows of LaTeX."""

    def lines(self, start: int, stop: int, baselines: int) -> Iterator[str]:
        yield rf"  \begin{{tabular}}{{@{{}}{self.spec}@{{}}}}"
        yield r"    \toprule"
        yield from (f"    {line}" for line in self.head)
        yield r"    \midrule"
        loose = any(len(row) > 1 for row in self.rows)
        for number in range(start, stop):
            yield from (f"    {line}" for line in self.rows[number])
            if number + 1 == baselines and number + 1 < stop:
                yield r"    \midrule"
            elif loose and number + 1 < stop:
                yield r"    \addlinespace[2pt]"
        yield r"    \bottomrule"
        yield r"  \end{tabular}"


def _split(table: Table, width: float, *, below: bool) -> list[list[int]]:
    """The columns of each part: as many as fit beside the first one.

    Args:
        below: whether intervals are set below their values.
    """
    needed = [_needed(table, column, width, below=below) for column in range(len(table.heads))]
    first = min(needed[0], _LEAST * width)
    parts, room = [[0]], width - first
    for column in range(1, len(table.heads)):
        if needed[column] + _GAP > room and len(parts[-1]) > 1:
            parts.append([0])
            room = width - first
        parts[-1].append(column)
        room -= needed[column] + _GAP
    return parts


def _needed(table: Table, column: int, width: float, *, below: bool) -> float:
    """Points that a column takes with its long texts broken."""
    cells = [row[column] for row in table.rows]
    head = table.heads[column]
    two_lines = min(_width_of(head), max(_TWO_LINES * _width_of(head), _SHORT))
    if table.numeric[column]:
        return max(
            [two_lines, *map(_width_of, _pieces(head)), *(_width_of_measured(cell, below=below) for cell in cells)]
        )
    widest = max([two_lines, *(_width_of(cell.text) for cell in cells)])
    return min(widest, _MOST * width)


def _typeset_part(table: Table, columns: Sequence[int], width: float, *, below: bool) -> _Part:
    rooms = [_needed(table, column, width, below=below) for column in columns]
    rooms[0] = min(rooms[0], max(width - sum(rooms[1:]) - _GAP * len(rooms[1:]), _LEAST * width))
    heads = [_break(table.heads[column], room) for column, room in zip(columns, rooms, strict=True)]
    most = max(map(len, heads))
    heads = [[""] * (most - len(lines)) + lines for lines in heads]  # they end on one line
    rows = [
        _as_rows([_typeset_cell(row[column], room, below=below) for column, room in zip(columns, rooms, strict=True)])
        for row in table.rows
    ]
    spec = "".join("r" if table.numeric[column] else "l" for column in columns)
    return _Part(spec, _as_rows([list(map(escape_latex, lines)) for lines in heads]), rows)


def _typeset_cell(cell: Cell, room: float, *, below: bool) -> list[str]:
    """Rows of a cell: its text, and its interval beside or below it."""
    lines = [escape_latex(line) for line in _break(cell.text, room)]
    if cell.best:
        lines = [rf"\textbf{{{line}}}" for line in lines]
    if cell.interval and below:
        lines.append(rf"{{\scriptsize {escape_latex(cell.interval)}}}")
    elif cell.interval:
        lines[-1] += f" {escape_latex(cell.interval)}"
    return lines


def _as_rows(cells: Sequence[Sequence[str]]) -> list[str]:
    rows = [[lines[i] if i < len(lines) else "" for lines in cells] for i in range(max(map(len, cells)))]
    return [rf"{' & '.join(row)} \\" for row in rows]


def _width_of_measured(cell: Cell, *, below: bool) -> float:
    """Points of a value with its interval."""
    if below:
        return max(_width_of(cell.text), _SMALL * _width_of(cell.interval))
    return _width_of(f"{cell.text} {cell.interval}".strip())


def _has_ends(cell: Cell) -> bool:
    return cell.interval.startswith(("[", "("))


def _by_page(parts: Sequence[Sequence[Sequence[str]]]) -> list[tuple[int, int]]:
    """Ranges of rows that fit on a page, with all parts below each other."""
    heights = [sum(map(len, row)) for row in zip(*parts, strict=True)]
    chunks, start, used = [], 0, 0
    for number, height in enumerate(heights):
        if used + height > _LINES and number > start:
            chunks.append((start, number))
            start, used = number, 0
        used += height
    return [*chunks, (start, len(heights))]


def _width_of(text: str) -> float:
    """Points of a line in Computer Modern at 9 points, rather too many than too few."""
    return sum(
        7.7 if c in "mwMW%±−" or ord(c) > 0x2FFF else 6.8 if c.isupper() else 3.0 if c in " .,:;il|[]()'-" else 4.9
        for c in text
    )


def _pieces(text: str) -> list[str]:
    """The parts between which a text can be broken: words, and names after each hyphen or underscore."""
    return [piece for piece in _BREAKS.findall(text) if piece]


def _break(text: str, room: float) -> list[str]:
    """The lines of a text that has to fit into so many points; a piece without a place to break is cut."""
    lines = [""]
    for piece in _pieces(text):
        if _width_of(lines[-1] + piece.rstrip()) > room and lines[-1]:
            lines.append("")
        while _width_of(piece.rstrip()) > room:
            fits = next(n for n in range(len(piece), 0, -1) if n == 1 or _width_of(piece[:n]) <= room)
            lines[-1:] = [piece[:fits], ""]
            piece = piece[fits:]
        lines[-1] += piece
    return [line.rstrip() for line in lines if line.strip()] or [""]


# ----------------------------------------------------------------------------------- a document


def write_document(
    folder: Path, tables: Sequence[str], plots: Sequence[Plot], *, protocol: Sequence[str], words: Words, width: float
) -> None:
    """Write `protocol.tex` and `figures.tex` beside the tables, and `all.tex` and `report.tex` above them.

    Args:
        tables: names of the files in `tables/`, in the order of the page.
        protocol: what was measured and how, a paragraph of text each.
        width: points in a line of the paper.
    """
    write_text(folder / "tables" / "protocol.tex", "\n\n".join(map(escape_latex, protocol)) + "\n")
    write_text(folder / "figures" / "figures.tex", _PLOT + "".join(map(_figure, _side_by_side(plots))))
    root = r"\sraereport"
    inputs = [rf"\input{{{root}/tables/{name}}}" for name in ("protocol", *tables)]
    write_text(folder / "all.tex", "\n".join([
        r"% \usepackage{booktabs,graphicx}; in a paper of another folder, before this file is input:",
        r"% \newcommand{\sraereport}{folder of the report}",
        rf"\providecommand{{{root}}}{{.}}",
        *inputs,
        r"\clearpage",
        rf"\input{{{root}/figures/figures}}",
    ]) + "\n")  # fmt: skip
    write_text(folder / "report.tex", _document(words, width))


_PLOT = r"""\providecommand{\sraeplot}[1]{% no wider than a line
  \sbox0{\includegraphics{\sraereport/figures/#1.pdf}}%
  \ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi}
"""


def _side_by_side(plots: Sequence[Plot]) -> list[list[Plot]]:
    """The plots of each float: one, or two that are half as wide as a line."""
    floats: list[list[Plot]] = []
    for plot in plots:
        if floats and len(floats[-1]) == 1 and floats[-1][0].share == plot.share == 0.5:
            floats[-1].append(plot)
        else:
            floats.append([plot])
    return floats


def _figure(plots: Sequence[Plot]) -> str:
    lines = [r"\begin{figure}[tbp]", r"  \centering"]
    for number, plot in enumerate(plots):
        lines += [r"  \hfill"] if number else []
        lines += [
            rf"  \begin{{minipage}}[t]{{{0.48 if len(plots) > 1 else 1:g}\linewidth}}",
            rf"    \centering\sraeplot{{{plot.name}}}",
            rf"    \caption{{{escape_latex(plot.caption)}}}\label{{fig:srae-{plot.name}}}",
            r"  \end{minipage}",
        ]
    return "\n".join([*lines, r"\end{figure}"]) + "\n"


def _document(words: Words, width: float) -> str:
    return "\n".join([
        r"\documentclass{article}",
        rf"\usepackage[a4paper,textwidth={width:g}pt,vmargin=25mm]{{geometry}}",
        r"\usepackage{booktabs,graphicx}",
        r"\IfFileExists{lmodern.sty}{\usepackage[T1]{fontenc}\usepackage{lmodern}}{}",
        rf"\renewcommand{{\tablename}}{{{words['table_name']}}}",
        rf"\renewcommand{{\figurename}}{{{words['figure_name']}}}",
        r"\begin{document}",
        r"\input{all}",
        r"\end{document}",
    ]) + "\n"  # fmt: skip
