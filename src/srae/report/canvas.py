"""What all plots share: a colour and a marker per variant, style, legends, files without a date.

Colours are Okabe & Ito's colour-blind-safe cycle; equal runs give equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import FuncFormatter

from srae.files import atomic_write
from srae.runs.reader import Run

FORMATS = ("png", "svg", "pdf")
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8c6d1f")
MARKERS = "osD^vP*X"
BASELINE = "#666666"

matplotlib.rcParams.update(
    {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.alpha": 0.25,
        "legend.frameon": False,
        "svg.hashsalt": "srae",
        "svg.fonttype": "none",
    }
)


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


def new_figure(width: float = 6.4, height: float = 4.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = ("png", "svg"), dots: int = 150) -> None:
    """Write `stem.png`, `stem.svg`, `stem.pdf`, without a date, so that equal runs give equal bytes."""
    if figure.get_layout_engine() is not None:  # compute the layout once, not once per format
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    clocks: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    for name in formats:
        metadata = clocks.get(name, {"Software": None})
        with atomic_write(stem.with_name(f"{stem.name}.{name}")) as file:
            figure.savefig(file, format=name, dpi=dots, metadata=metadata)


def draw_legend(figure: Figure, axes: Axes) -> None:
    """Below the axes, in as many columns as the names allow: no curve is covered, and the plot stays narrow."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        width, height = figure.get_size_inches()
        columns = max(
            1, min(4, int(13 * width) // (max(map(len, labels)) + 8))
        )  # 13 letters per inch, 8 for the marker
        figure.set_size_inches(width, height + 0.2 * max(0, -(-len(labels) // columns) - 3))  # the axes keep theirs
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def show_shares(axis: Axis) -> None:
    """Ticks in per cent, with as many decimals as they need."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}%"))


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


def describe_quality(pixels: np.ndarray, target: np.ndarray) -> str:
    """``  28.31 dB``; nothing for the target itself."""
    error = float(np.mean((pixels.astype(float) - target) ** 2))
    return f"  {-10 * math.log10(error):.2f} dB" if error else ""


def shorten(text: str, letters: int) -> str:
    """A long text cut in the middle: classes and runs often differ in their last letters."""
    if len(text) <= letters:
        return text
    tail = (letters - 1) // 3
    return f"{text[: letters - 1 - tail]}…{text[-tail:] if tail else ''}"


def read_png(path: Path) -> np.ndarray:
    """Float (H, W, 3) in [0, 1]; grey is repeated, alpha left out.

    Raises:
        OSError, SyntaxError, ValueError: what Pillow says of broken images.
    """
    pixels = imread(path)  # (H, W[, C])
    return (np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels[..., :3]).astype(np.float32)
