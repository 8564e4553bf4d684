"""Figures of one run and of several, drawn from what lies in their folders.

Every variant keeps one colour and marker (Okabe & Ito's colour-blind-safe
cycle); files hold no clock, so equal runs give equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import MaxNLocator

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
        "grid.alpha": 0.25,
        "legend.frameon": False,
        "svg.hashsalt": "srae",
        "svg.fonttype": "none",
    }
)


def draw_run(folder: Path) -> None:
    """`curves.png` and `.svg`, and a strip per sample, into the run folder."""
    run = read_run(folder)
    draw_curves(run, folder / "curves")
    for low in sorted((folder / "samples").glob("*_low.png")):
        draw_strip(low.with_name(low.name.removesuffix("_low.png")))


def draw_curves(run: Run, stem: Path) -> None:
    """Train and val error per epoch with the baseline as a line."""
    figure, axes = new_figure()
    metric, label = _error_of(run)
    train = "train_mse" if metric == "val_mse" else "train_loss"
    _plot(axes, run, train, COLORS[0], "--", "", "train")
    _plot(axes, run, metric, COLORS[1], "-", MARKERS[0], "validation")
    draw_baseline(axes, [run])
    axes.set(xlabel="epoch", ylabel=label, title=run.name)
    _finish_axes(axes)
    save_figure(figure, stem)


def draw_overlay(runs: Sequence[Run], stem: Path) -> None:
    """Validation error of several runs over each other, train dashed in the same colour."""
    figure, axes = new_figure(width=8.0)
    for i, run in enumerate(runs):
        color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
        metric, label = _error_of(run)
        _plot(axes, run, "train_mse" if metric == "val_mse" else "train_loss", color, "--", "", None)
        _plot(axes, run, metric, color, "-", marker, run.name)
        axes.set(xlabel="epoch", ylabel=label)
    draw_baseline(axes, runs)
    axes.plot([], [], "--", color=BASELINE, label="train")
    _finish_axes(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    save_figure(figure, stem)


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
        if pixels.shape != sides["high"].shape:  # a smaller input is shown as large pixels
            pixels = np.kron(pixels, np.ones((height // pixels.shape[0], width // pixels.shape[1], 1)))
        left = i * (width * zoom + gap) / total[0]
        axes = figure.add_axes((left, foot / total[1], width * zoom / total[0], height * zoom / total[1]))
        axes.imshow(pixels, interpolation="nearest")
        axes.set_axis_off()
        error = float(np.mean((pixels.astype(float) - sides["high"]) ** 2))
        quality = f"  {-10 * math.log10(error):.2f} dB" if error else ""
        center = left + width * zoom / total[0] / 2
        figure.text(center, foot / 2 / total[1], titles[side] + quality, ha="center", va="center", fontsize=13)
    save_figure(figure, Path(f"{sample}_strip"), formats=("png",), dots=dots)


def new_figure(width: float = 6.4, height: float = 4.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = ("png", "svg"), dots: int = 150) -> None:
    """Write `stem.png`, `stem.svg`, ... without a date in them."""
    for name in formats:
        metadata: dict[str, Any] = {"Date": None} if name == "svg" else {"Software": None}
        figure.savefig(stem.with_name(f"{stem.name}.{name}"), dpi=dots, metadata=metadata)


def draw_baseline(axes: Axes, runs: Sequence[Run]) -> None:
    """A line at the error of the baseline, where the runs have one."""
    values = {row["identity_mse"]: baseline_of(run) for run in runs for row in run.rows[:1]}
    for value, name in values.items():
        if value is not None:
            axes.axhline(value, color=BASELINE, linestyle=":", linewidth=1.4, label=f"{name} ({value:.5f})")


def _error_of(run: Run) -> tuple[str, str]:
    if any(row.get("val_mse") is not None for row in run.rows):
        return "val_mse", "mean squared error, values in [0, 1]"
    return "val_cross_entropy", "cross-entropy (nats)"


def _plot(axes: Axes, run: Run, column: str, color: str, style: str, marker: str, label: str | None) -> None:
    points = [(row["epoch"], row[column]) for row in run.rows if row.get(column) is not None]
    if not points:
        return
    x, y = zip(*points, strict=True)
    every = max(1, len(x) // 20)
    axes.plot(x, y, style, color=color, marker=marker or None, markevery=every, markersize=4, label=label)


def _finish_axes(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.get_legend_handles_labels()[0]:  # a run that has just begun has nothing to show
        axes.legend()
