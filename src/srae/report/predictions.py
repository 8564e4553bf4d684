"""Images with their true class and the answer of each classifier."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path as MarkerPath

from srae.report.canvas import FORMATS, Variant, has_own_metrics, plain, read_png, save_figure, shorten
from srae.report.classes import SPLITS
from srae.report.words import Words
from srae.runs.reader import read_images

COLUMNS = 4
SIDE, GAP, LINE = 1.7, 0.2, 0.19  # inches: an image, between two, a line of text
LETTERS = 26  # of a name, which gets smaller the longer it is
RIGHT, WRONG = "#00694c", "#b33c00"
# A drawn shape: fonts may lack this letter.
CHECK = MarkerPath([(-1.0, 0.1), (-0.3, -0.7), (1.0, 0.9)], [MarkerPath.MOVETO, MarkerPath.LINETO, MarkerPath.LINETO])


@dataclass(frozen=True)
class Prediction:
    """An image (H, W, 3) in [0, 1], its true class, and variant -> answer."""

    pixels: np.ndarray
    label: str
    answers: dict[str, str]


def read_predictions(variants: Sequence[Variant]) -> list[Prediction]:
    """The sample images that every variant has answered; of several seeds the first run is used."""
    if not variants or not all(has_own_metrics(v.runs[0]) for v in variants):
        return []
    tables = {v.name: _rows_by_split(v) for v in variants}
    for split in SPLITS:
        found = []
        for place, file in _images(variants, split):
            rows = [(name, table[split][place]) for name, table in tables.items() if place < len(table[split])]
            if len(rows) == len(variants) and len({(row["name"], row["label"]) for _, row in rows}) == 1:
                try:
                    pixels = read_png(file)
                except (OSError, SyntaxError, ValueError):  # errors of Pillow on broken images
                    continue
                found.append(Prediction(pixels, rows[0][1]["label"], {name: row["prediction"] for name, row in rows}))
        if found:
            return found
    return []


def _rows_by_split(variant: Variant) -> dict[str, list[dict[str, str]]]:
    rows = [row for row in read_images(variant.runs[0]) if row.get("label") and row.get("prediction")]
    return {split: [row for row in rows if row["split"] == split] for split in SPLITS}


def _images(variants: Sequence[Variant], split: str) -> list[tuple[int, Path]]:
    """(place in the split, file) from the first folder that has images of it."""
    for variant in variants:
        files = (variant.runs[0].path / "samples").glob(f"{split}_*.png")
        named = [(match, file) for file in files if (match := re.fullmatch(rf"{split}_(\d+)\.png", file.name))]
        if named:
            return sorted((int(match[1]), file) for match, file in named)
    return []


def draw_predictions(
    predictions: Sequence[Prediction],
    variants: Sequence[Variant],
    stem: Path,
    words: Words,
    formats: Sequence[str] = FORMATS,
) -> None:
    """Images in rows of four; under each its true class, and a line per variant: a check or a cross, the answer."""
    columns = min(COLUMNS, len(predictions))
    rows = -(-len(predictions) // columns)
    foot = LINE * (1.9 + len(variants))
    key_columns = 2 if max(len(v.name) for v in variants) <= 34 else 1
    key = LINE * (-(-len(variants) // key_columns) + 0.6) if len(variants) > 1 else 0.0
    wide, tall = columns * (SIDE + GAP) - GAP + 0.1, rows * (SIDE + foot) + key + 0.05
    figure = Figure(figsize=(wide, tall))
    for i, prediction in enumerate(predictions):
        left, top = 0.05 + i % columns * (SIDE + GAP), tall - 0.05 - i // columns * (SIDE + foot)
        axes = figure.add_axes((left / wide, (top - SIDE) / tall, SIDE / wide, SIDE / tall))
        axes.imshow(prediction.pixels, interpolation="nearest", vmin=0, vmax=1)
        axes.set_axis_off()
        under = figure.add_axes((left / wide, (top - SIDE - foot) / tall, SIDE / wide, foot / tall))
        under.set(xlim=(0, SIDE), ylim=(-foot, 0))
        under.set_axis_off()
        _write_under(under, prediction, variants, words)
    if key:
        axes = figure.add_axes((0, 0, 1, key / tall))
        axes.set_axis_off()
        for v in variants:
            axes.plot([], [], v.marker, color=v.color, label=plain(shorten(v.name, 60)))
        axes.legend(loc="center", ncols=key_columns, fontsize=9, labelspacing=0.3)
    save_figure(figure, stem, formats)


def _write_under(axes: Axes, prediction: Prediction, variants: Sequence[Variant], words: Words) -> None:
    """Axes are in inches, downwards from the image."""
    label = f"{words['true']}: {shorten(prediction.label, LETTERS)}"
    axes.text(0, -0.8 * LINE, plain(label), va="center", fontsize=_fitting(label, 22), fontweight="bold")
    for i, variant in enumerate(variants, 1):
        answer, y, x = prediction.answers[variant.name], -(0.8 + i) * LINE, 0.07
        right = answer == prediction.label
        if len(variants) > 1:
            axes.plot(x, y, variant.marker, color=variant.color, markersize=5)
            x += 0.17
        axes.plot(x, y, linestyle="", marker=CHECK if right else "x", color=RIGHT if right else WRONG, markersize=6,
                  markeredgewidth=1.8, fillstyle="none")  # fmt: skip
        size = _fitting(text := shorten(answer, LETTERS), 20 if len(variants) > 1 else 23)
        axes.text(x + 0.12, y, plain(text), va="center", fontsize=size, color=RIGHT if right else WRONG)


def _fitting(text: str, letters: int) -> float:
    """Size in points at which a text is no wider than so many letters of the usual size."""
    return 8.5 * min(1.0, letters / max(len(text), 1))
