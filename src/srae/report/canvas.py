"""What all plots share: a colour and a marker per variant, style, legends, files without a date.

Colours are Okabe & Ito's colour-blind-safe cycle; equal runs give equal bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, ScalarFormatter

from srae.files import atomic_write
from srae.report.numbers import typeset
from srae.report.words import ENGLISH, Words
from srae.runs.reader import Run

FORMATS = ("png", "svg", "pdf")
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8c6d1f")
MARKERS = "osD^vP*X"
BASELINE = "#666666"

PAGE_WIDTH = 455.0
"""Points (1/72.27 inch, as in TeX) in a line of A4 with margins of 25 mm."""
_INCH = 72.27
STYLE: dict[Any, Any] = {
    "figure.figsize": (PAGE_WIDTH / _INCH, 4.2),
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "savefig.dpi": 300,  # as publishers ask for
    "svg.hashsalt": "srae",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
}
matplotlib.rcParams.update(STYLE)


@dataclass(frozen=True)
class Variant:
    """An experiment as plots show it: runs that differ only in their seed."""

    name: str
    runs: Sequence[Run]
    color: str
    marker: str
    row: dict[str, Any] = field(default_factory=dict)
    """Its row of `compare`."""

    def name_of(self, run: Run) -> str:
        """Name of one of its runs."""
        return self.name if len(self.runs) == 1 else run.name


def has_own_metrics(run: Run) -> bool:
    """Whether its metrics are of the images in its `samples/`; false for metrics that `srae eval` took elsewhere."""
    return run.images == Run.images


def style_of(number: int) -> tuple[str, str]:
    """Colour and marker of a variant; the first 64 pairs are different."""
    return COLORS[number % len(COLORS)], MARKERS[(number + number // len(COLORS)) % len(MARKERS)]


def paper_width(points: float) -> AbstractContextManager[None]:
    """Context in which plots are as wide as a line of so many points."""
    return matplotlib.rc_context({"figure.figsize": (points / _INCH, 4.2)})


def line_width() -> float:
    """Inches in a line of the paper."""
    return float(matplotlib.rcParams["figure.figsize"][0])


def new_figure(height: float = 4.2, *, share: float = 1.0) -> tuple[Figure, Axes]:
    """An empty plot, `height` inches high, and as wide as this share of a line."""
    figure = Figure(figsize=(share * line_width(), height), layout="constrained")
    return figure, figure.subplots()


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = ("png", "svg"), dots: int | None = None) -> None:
    """Write `stem.png`, `stem.svg`, `stem.pdf`, without a date, so that equal runs give equal bytes.

    Args:
        dots: per inch; without it as publishers ask for.
    """
    if figure.get_layout_engine() is not None:  # compute the layout once, not once per format
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    clocks: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    for name in formats:
        metadata = clocks.get(name, {"Software": None})
        with atomic_write(stem.with_name(f"{stem.name}.{name}")) as file:
            figure.savefig(file, format=name, dpi=dots, metadata=metadata)


def draw_legend(figure: Figure, axes: Axes, fontsize: float = 9) -> None:
    """Below the axes, in as many columns as the names allow: no curve is covered, and the plot stays narrow."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        width, height = figure.get_size_inches()
        letters = int(130 / fontsize * width)  # in a line of the legend; the marker takes 8
        columns = max(1, min(4, letters // (max(map(len, labels)) + 8)))
        more = max(0, -(-len(labels) // columns) - 3)
        figure.set_size_inches(width, height + 0.022 * fontsize * more)  # the axes keep theirs
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=fontsize)


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class PowersOfTen(LogFormatterSciNotation):
    """Ticks of a logarithmic axis in plain letters: to parse 6×10⁻² as a formula takes longer than to draw the rest."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        formula = super().__call__(x, pos)  # $\mathdefault{6\times10^{-2}}$, or nothing
        raised = re.sub(r"\^\{(.+?)\}", lambda power: power[1].translate(_RAISED), formula)
        return re.sub(r"\$|\\mathdefault|[{}]", "", raised).replace(r"\times", "×")


def show_numbers(axis: Axis, words: Words, *, shares: bool = False) -> None:
    """Ticks in the signs of the language, shares in per cent, with as many decimals as they need."""
    if shares:
        axis.set_major_formatter(FuncFormatter(lambda value, _: typeset(f"{round(100 * value, 6):g}%", words)))
    elif words["lang"] == "es" and isinstance(axis.get_major_formatter(), ScalarFormatter):
        axis.set_major_formatter(FuncFormatter(lambda value, _: typeset(f"{round(value, 9):g}", words)))


def plain(text: str) -> str:
    """A name as matplotlib label: no formula, only letters of the font, and visible in the legend."""
    known = "".join(c if c == "…" else c.encode("latin-1", "replace").decode("latin-1") for c in text)
    shown = "".join(c if c.isprintable() else " " for c in known)
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")


def enlarge_pixels(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """(h, w, C) -> (height, width, C): a smaller image as large pixels."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.kron(pixels, np.ones((height // pixels.shape[0], width // pixels.shape[1], 1)))


def describe_quality(pixels: np.ndarray, target: np.ndarray, words: Words = ENGLISH) -> str:
    """``28.31 dB``; nothing for the target itself."""
    error = float(np.mean((pixels.astype(float) - target) ** 2))
    return typeset(f"{-10 * math.log10(error):.2f} dB", words) if error else ""


def shorten(text: str, letters: int) -> str:
    """A long text cut in the middle: classes and runs often differ in their last letters."""
    if len(text) <= letters:
        return text
    tail = (letters - 1) // 3
    return f"{text[: letters - 1 - tail]}…{text[-tail:] if tail else ''}"


def fold(name: str, letters: int) -> str:
    """A label of one line, or of two lines, broken at a hyphen, if the name is long."""
    places = [i + 1 for i, letter in enumerate(name) if letter == "-"]
    if len(name) <= letters or not places:
        return plain(shorten(name, letters))
    middle = min(places, key=lambda place: abs(place - len(name) / 2))
    return "\n".join(plain(shorten(part, letters)) for part in (name[:middle], name[middle:]))


def read_png(path: Path) -> np.ndarray:
    """Float (H, W, 3) in [0, 1]; grey is repeated, alpha left out.

    Raises:
        OSError, SyntaxError, ValueError: what Pillow says of broken images.
    """
    pixels = imread(path)  # (H, W[, C])
    return (np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels[..., :3]).astype(np.float32)
