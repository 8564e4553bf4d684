"""Figures of one run and of several over each other, drawn from what lies in their folders.

Every variant keeps one colour and marker in all figures (Okabe & Ito's
colour-blind-safe cycle); files hold no clock, so equal runs give equal bytes.
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
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import MaxNLocator

from srae.report.words import ENGLISH, Words, translate
from srae.runs import Run, baseline_of, read_run

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
    """An experiment as figures show it: runs that differ in their seed alone."""

    name: str
    runs: Sequence[Run]
    color: str
    marker: str
    row: dict[str, Any] = field(default_factory=dict)
    """Its row of `compare`."""


def style_of(number: int) -> tuple[str, str]:
    """Colour and marker; the first 64 differ in at least one of the two."""
    return COLORS[number % len(COLORS)], MARKERS[(number + number // len(COLORS)) % len(MARKERS)]


def draw_run(folder: Path) -> None:
    """`curves.png` and `.svg`, and a strip per sample, into the run folder."""
    run = read_run(folder)
    draw_curves(run, folder / "curves")
    for low in sorted((folder / "samples").glob("*_low.png")):
        draw_strip(low.with_name(low.name.removesuffix("_low.png")))


def draw_curves(run: Run, stem: Path) -> None:
    """Train and val error per epoch with the baseline as a line."""
    figure, axes = new_figure()
    train, val = _errors_of(run)
    for column, color, style, marker, label in (
        (train, COLORS[0], "--", "", "train"),
        (val, COLORS[1], "-", MARKERS[0], "validation"),
    ):
        _plot(axes, _points(run, column), color, style, marker, label)
    draw_baseline(axes, [run])
    axes.set(xlabel="epoch", ylabel=ENGLISH[_axis_of(val)], title=plain(run.name))
    _finish_axes(axes)
    if axes.get_legend_handles_labels()[0]:  # a run that has just begun has nothing to show
        axes.legend()
    save_figure(figure, stem)


def draw_overlay(runs: Sequence[Run], stem: Path) -> None:
    """Validation error of several runs over each other, train dashed in the same colour."""
    draw_variants([Variant(run.name, [run], *style_of(i)) for i, run in enumerate(runs)], stem)


def draw_variants(
    variants: Sequence[Variant], stem: Path, *, words: Words = ENGLISH, formats: Sequence[str] = ("png", "svg")
) -> None:
    """Validation error over each other, train dashed; of several seeds the mean, and a band from lowest to highest."""
    figure, axes = new_figure(height=4.4)
    for variant in variants:
        for run in variant.runs[:1]:
            train, val = _errors_of(run)
            axes.set(xlabel=words["epoch"], ylabel=words[_axis_of(val)])
            _plot(axes, _mean_points(variant.runs, train), variant.color, "--", "", None)
            _plot(axes, _mean_points(variant.runs, val), variant.color, "-", variant.marker, plain(variant.name))
            if len(variant.runs) > 1 and (band := _band(variant.runs, val)):
                epochs, lowest, highest = zip(*band, strict=True)
                axes.fill_between(epochs, lowest, highest, color=variant.color, alpha=0.2, linewidth=0)
    draw_baseline(axes, [run for variant in variants for run in variant.runs], words)
    axes.plot([], [], "--", color=BASELINE, label=words["train"])
    _finish_axes(axes)
    draw_legend(figure, axes)
    save_figure(figure, stem, formats)


def draw_strip(sample: Path) -> None:
    """`<sample>_low.png | _output.png | _high.png` side by side, PSNR under each -> `<sample>_strip.png`."""
    sides = {side: imread(f"{sample}_{side}.png")[..., :3] for side in ("low", "output", "high")}
    height, width = sides["high"].shape[:2]
    zoom = max(1, 512 // max(height, width))  # whole pixels: nothing is resampled
    gap, foot, dots = 8, 44, 100
    total = (3 * width * zoom + 2 * gap, height * zoom + foot)
    figure = Figure(figsize=(total[0] / dots, total[1] / dots), dpi=dots)
    titles = {"low": "input", "output": "output", "high": "target"}
    for i, (side, pixels) in enumerate(sides.items()):
        pixels = enlarge_pixels(pixels, height, width)
        left = i * (width * zoom + gap) / total[0]
        axes = figure.add_axes((left, foot / total[1], width * zoom / total[0], height * zoom / total[1]))
        axes.imshow(pixels, interpolation="nearest")
        axes.set_axis_off()
        center = left + width * zoom / total[0] / 2
        text = titles[side] + describe_quality(pixels, sides["high"])
        figure.text(center, foot / 2 / total[1], text, ha="center", va="center", fontsize=13)
    save_figure(figure, Path(f"{sample}_strip"), formats=("png",), dots=dots)


# -------------------------------------------------------------------- parts of figures


def new_figure(width: float = 6.4, height: float = 4.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = ("png", "svg"), dots: int = 150) -> None:
    """Write `stem.png`, `stem.svg`, `stem.pdf` without a date in them."""
    if figure.get_layout_engine() is not None:  # place everything once, not once per format
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    clocks: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    for name in formats:
        metadata = clocks.get(name, {"Software": None})
        figure.savefig(stem.with_name(f"{stem.name}.{name}"), dpi=dots, metadata=metadata)


def draw_legend(figure: Figure, axes: Axes) -> None:
    """Below the axes, in as many columns as the names allow: nothing is covered, and the figure stays narrow."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = max(1, min(4, 84 // (max(map(len, labels)) + 8)))
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + 0.2 * max(0, -(-len(labels) // columns) - 3))  # the axes keep theirs
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def draw_baseline(axes: Axes, runs: Sequence[Run], words: Words = ENGLISH) -> None:
    """A line at the error of the baseline, where the runs have one."""
    values = {row.get("identity_mse"): baseline_of(run) for run in runs for row in run.rows[:1]}
    for value, name in values.items():
        if value is not None:
            label = f"{plain(translate(name, words))} ({value:.5f})"
            axes.axhline(value, color=BASELINE, linestyle=":", linewidth=1.4, label=label)


def plain(text: str) -> str:
    """A name as a label shows it: no formula, no letter that the font lacks, not hidden from the legend."""
    shown = "".join(c if c.isprintable() else " " for c in text.encode("latin-1", "replace").decode("latin-1"))
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")


def enlarge_pixels(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """(h, w, C) -> (height, width, C): a smaller picture as large pixels."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.kron(pixels, np.ones((height // pixels.shape[0], width // pixels.shape[1], 1)))


def describe_quality(pixels: np.ndarray, target: np.ndarray) -> str:
    """``  28.31 dB``; nothing for the target itself."""
    error = float(np.mean((pixels.astype(float) - target) ** 2))
    return f"  {-10 * math.log10(error):.2f} dB" if error else ""


def _errors_of(run: Run) -> tuple[str, str]:
    """The columns of train and val error."""
    if any(row.get("val_cross_entropy") is not None for row in run.rows):
        return "train_loss", "val_cross_entropy"
    return "train_mse", "val_mse"


def _axis_of(val: str) -> str:
    return "mse_axis" if val == "val_mse" else "cross_entropy_axis"


def _points(run: Run, column: str) -> list[tuple[float, float]]:
    """(epoch, value) where there is a finite value."""
    pairs = [(row.get("epoch"), row.get(column)) for row in run.rows]
    return [(x, y) for x, y in pairs if x is not None and y is not None and math.isfinite(y)]


def _shared_points(runs: Sequence[Run], column: str) -> list[tuple[float, list[float]]]:
    """(epoch, value of every run) for the epochs that all runs have."""
    curves = [dict(_points(run, column)) for run in runs]
    return [(epoch, [curve[epoch] for curve in curves]) for epoch in curves[0] if all(epoch in c for c in curves)]


def _mean_points(runs: Sequence[Run], column: str) -> list[tuple[float, float]]:
    return [(epoch, sum(values) / len(values)) for epoch, values in _shared_points(runs, column)]


def _band(runs: Sequence[Run], column: str) -> list[tuple[float, float, float]]:
    return [(epoch, min(values), max(values)) for epoch, values in _shared_points(runs, column)]


def _plot(
    axes: Axes, points: list[tuple[float, float]], color: str, style: str, marker: str, label: str | None
) -> None:
    if not points:
        return
    x, y = zip(*points, strict=True)
    every = max(1, len(x) // 20)
    axes.plot(x, y, style, color=color, marker=marker or None, markevery=every, markersize=4, label=label)


def _finish_axes(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
