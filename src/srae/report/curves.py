"""Curves of one run or of several runs in one plot, and the strips of sample images in a run folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from srae.analysis.compare import unique_names
from srae.analysis.scores import Score, score_of
from srae.report.canvas import (
    BASELINE,
    COLORS,
    MARKERS,
    PowersOfTen,
    Variant,
    describe_quality,
    draw_legend,
    enlarge_pixels,
    line_width,
    plain,
    read_png,
    save_figure,
    show_numbers,
    style_of,
)
from srae.report.numbers import typeset
from srae.report.predictions import draw_predictions, read_predictions
from srae.report.words import ENGLISH, Words, translate
from srae.runs.reader import Run, baseline_of, read_run

MOST_CURVES = 10
"""More experiments cannot be told apart in one plot: the best are drawn."""


@dataclass(frozen=True)
class Panel:
    """A pair of columns that is plotted over the epochs."""

    train: str
    val: str
    """Columns of metrics.csv."""
    share: bool = False
    """In per cent; otherwise the axis is logarithmic."""

    @property
    def name(self) -> str:
        """Name in the keys of `words`."""
        return self.val.removeprefix("val_")


def panels_of(score: Score) -> list[Panel]:
    """The loss, and the score if it exists for train too."""
    loss = Panel(score.train_loss, score.val_loss)
    return [loss, Panel("train_accuracy", "val_accuracy", share=True)] if score.metric == "accuracy" else [loss]


def draw_run(folder: Path) -> None:
    """Write `curves.png` and `.svg` into the run folder, and a strip per sample, or a classifier's predictions."""
    run = read_run(folder)
    draw_curves(run, folder / "curves")
    for low in sorted((folder / "samples").glob("*_low.png")):
        draw_strip(low.with_name(low.name.removesuffix("_low.png")))
    variant = Variant(run.name, [run], *style_of(0))
    if predictions := read_predictions([variant]):
        draw_predictions(predictions, [variant], folder / "samples" / "predictions", ENGLISH, formats=("png",))


def draw_curves(run: Run, stem: Path) -> None:
    """Train and val curves per epoch, with the baseline as a line."""
    panels = panels_of(score_of(run))
    figure, grid = _new_panels(len(panels), 4.2)
    for panel, axes in zip(panels, grid, strict=True):
        _plot(axes, _points(run, panel.train), "train", color=COLORS[0], style="--")
        _plot(axes, _points(run, panel.val), "validation", color=COLORS[1], style="-", marker=MARKERS[0])
        _finish_axes(axes, panel, [run], ENGLISH)
        if axes.get_legend_handles_labels()[0]:  # a run that has just begun has no points
            axes.legend()
    figure.suptitle(plain(run.name), fontsize="large")
    save_figure(figure, stem)


def draw_overlay(runs: Sequence[Run], stem: Path, words: Words = ENGLISH) -> None:
    """Curves of several runs in one plot, train dashed in the same colour."""
    names = unique_names([[run] for run in runs])
    variants = [Variant(name, [run], *style_of(i)) for i, (name, run) in enumerate(zip(names, runs, strict=True))]
    draw_variants(variants, panels_of(score_of(runs[0])), stem, words=words)


def draw_variants(
    variants: Sequence[Variant],
    panels: Sequence[Panel],
    stem: Path,
    *,
    words: Words = ENGLISH,
    formats: Sequence[str] = ("png", "svg"),
) -> None:
    """Validation curves in one plot, train dashed; several seeds as mean and a band from lowest to highest."""
    figure, grid = _new_panels(len(panels), 4.4)
    for panel, axes in zip(panels, grid, strict=True):
        for variant in variants:
            _plot(axes, _mean_points(variant.runs, panel.train), color=variant.color, style="--")
            points, label = _mean_points(variant.runs, panel.val), plain(variant.name)
            _plot(axes, points, label, color=variant.color, style="-", marker=variant.marker)
            if len(variant.runs) > 1 and (band := _band(variant.runs, panel.val)):
                epochs, lowest, highest = zip(*band, strict=True)
                axes.fill_between(epochs, lowest, highest, color=variant.color, alpha=0.2, linewidth=0)
        _finish_axes(axes, panel, [run for variant in variants for run in variant.runs], words)
    if any(_points(run, panel.train) for panel in panels for variant in variants for run in variant.runs):
        grid[0].plot([], [], "--", color=BASELINE, label=words["train"])
    draw_legend(figure, grid[0])
    save_figure(figure, stem, formats)


def draw_strip(sample: Path) -> None:
    """`<sample>_low.png | _output.png | _high.png` side by side, PSNR under each -> `<sample>_strip.png`.

    An autoencoder, whose input is its target, has two images.
    """
    sides = {side: read_png(Path(f"{sample}_{side}.png")) for side in ("low", "output", "high")}
    height, width = sides["high"].shape[:2]
    titles = {"low": "input", "output": "output", "high": "target"}
    if np.array_equal(sides["low"], sides["high"]):
        titles = {"high": "original", "output": "reconstruction"}
    zoom = max(1, 512 // max(height, width))  # integer zoom: nothing is resampled
    gap, foot, dots, count = 8, 44, 100, len(titles)
    total = (count * width * zoom + (count - 1) * gap, height * zoom + foot)
    figure = Figure(figsize=(total[0] / dots, total[1] / dots), dpi=dots)
    for i, (side, title) in enumerate(titles.items()):
        pixels = enlarge_pixels(sides[side], height, width)
        left = i * (width * zoom + gap) / total[0]
        axes = figure.add_axes((left, foot / total[1], width * zoom / total[0], height * zoom / total[1]))
        axes.imshow(pixels, interpolation="nearest")
        axes.set_axis_off()
        center = left + width * zoom / total[0] / 2
        text = f"{title}  {describe_quality(pixels, sides['high'])}".rstrip()
        figure.text(center, foot / 2 / total[1], text, ha="center", va="center", fontsize=13)
    save_figure(figure, Path(f"{sample}_strip"), formats=("png",), dots=dots)


# -------------------------------------------------------------------- parts of plots


def draw_baseline(axes: Axes, runs: Sequence[Run], words: Words = ENGLISH) -> None:
    """A line at the error of the baseline, if the runs have one.

    A baseline far below all curves would press them together: the legend has it alone.
    """
    values = {row.get("identity_mse"): baseline_of(run) for run in runs for row in run.rows[:1]}
    lowest, highest = axes.dataLim.y0, axes.dataLim.y1
    for value, name in values.items():
        if value is None:
            continue
        far = axes.get_yscale() == "log" and 0 < value < lowest and lowest / value > highest / lowest
        label = (
            f"{plain(translate(name, words))} ({typeset(f'{value:.5f}', words)}{words['below_axis'] if far else ''})"
        )
        style: dict[str, Any] = {"color": BASELINE, "linestyle": ":", "linewidth": 1.4, "label": label}
        if far:
            axes.plot([], [], **style)
        else:
            axes.axhline(value, **style)


def _new_panels(count: int, height: float) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(line_width() * (1 if count == 1 else 0.75 * count), height), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _points(run: Run, column: str) -> list[tuple[float, float]]:
    """(epoch, value) of the finite values."""
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
    axes: Axes,
    points: list[tuple[float, float]],
    label: str | None = None,
    *,
    color: str,
    style: str,
    marker: str | None = None,
) -> None:
    if not points:
        return
    x, y = zip(*points, strict=True)
    every = max(1, len(x) // 20)
    axes.plot(x, y, style, color=color, marker=marker, markevery=every, markersize=4, label=label)


def _finish_axes(axes: Axes, panel: Panel, runs: Sequence[Run], words: Words) -> None:
    """Labels, scales and the baseline."""
    axes.set(xlabel=words["epoch"], ylabel=words[f"{panel.name}_axis"])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    show_numbers(axes.xaxis, words)
    if panel.share:
        show_numbers(axes.yaxis, words, shares=True)
        return
    if axes.dataLim.ymax > 0:  # a log scale needs a positive error
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(PowersOfTen())
        axes.yaxis.set_minor_formatter(PowersOfTen())
    draw_baseline(axes, runs, words)
