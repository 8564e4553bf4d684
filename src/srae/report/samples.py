"""The sample images of runs, and a strip of the crop where their outputs differ most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Rectangle

from srae.analysis.scores import Score
from srae.images.windows import window_sums
from srae.report.canvas import (
    BASELINE,
    FORMATS,
    Variant,
    describe_quality,
    enlarge_pixels,
    fold,
    has_own_metrics,
    line_width,
    read_png,
    save_figure,
)
from srae.report.words import Words

MAX_MODELS = 6
MAX_ROWS = 4
CROP = 64
COLUMNS = 4
BOX = "#ff2d95"  # a colour that photographs rarely have


@dataclass(frozen=True)
class Sample:
    """One validation image: input, output of each variant, target; all (H, W, 3) in [0, 1]."""

    name: str
    low: np.ndarray
    outputs: dict[str, np.ndarray]
    high: np.ndarray

    @property
    def enlarged(self) -> np.ndarray:
        """The input in the size of the target."""
        return enlarge_pixels(self.low, *self.high.shape[:2])

    def surround(self, words: Words) -> tuple[list[tuple[str, np.ndarray]], list[tuple[str, np.ndarray]]]:
        """Images before and after the outputs in a strip; input and target of an autoencoder are one image."""
        if np.array_equal(self.low, self.high):
            return [(words["original"], self.high)], []
        return [(words["input"], self.low)], [(words["target"], self.high)]


@dataclass(frozen=True)
class Crop:
    """A square window of a sample, in pixels of its target."""

    sample: Sample
    top: int
    left: int
    side: int

    @property
    def is_full_image(self) -> bool:
        """Whether the image is no larger than a crop."""
        return self.sample.high.shape[:2] == (self.side, self.side)

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        return pixels[self.top : self.top + self.side, self.left : self.left + self.side]


def with_outputs(variants: Sequence[Variant]) -> list[Variant]:
    """Variants with output images of the data that they were scored on."""
    own = [v for v in variants if has_own_metrics(v.runs[0])]
    return [v for v in own if list((v.runs[0].path / "samples").glob("*_output.png"))]


def choose_variants(variants: Sequence[Variant], score: Score) -> tuple[list[Variant], int]:
    """The variants that fit into a strip of images: baselines, then the best models and the worst one.

    Returns:
        The variants, baselines first, models from best to worst; and how many models there were.
    """

    def rank(variant: Variant) -> float:
        value = variant.row.get(score.column)
        return math.inf if value is None or math.isnan(value) else -value

    baselines = [v for v in variants if v.row.get("parameters") == 0]
    models = sorted((v for v in variants if v not in baselines), key=rank)
    kept = models if len(models) <= MAX_MODELS else [*models[: MAX_MODELS - 1], models[-1]]
    return baselines[:2] + kept, len(models)


def read_samples(variants: Sequence[Variant]) -> list[Sample]:
    """Images that all variants have, by name; broken or half-written ones are left out.

    Of several seeds the first run is used.
    """
    if not variants:
        return []
    folders = {v.name: v.runs[0].path / "samples" for v in variants}
    names = [{p.name.removesuffix("_output.png") for p in folder.glob("*_output.png")} for folder in folders.values()]
    samples = []
    for name in sorted(set.intersection(*names)):
        try:
            first = next(iter(folders.values()))
            low, high = (read_png(first / f"{name}_{side}.png") for side in ("low", "high"))
            outputs = {variant: read_png(folder / f"{name}_output.png") for variant, folder in folders.items()}
        except (OSError, SyntaxError, ValueError):  # errors of Pillow on broken images
            continue
        fits = all(h % s == 0 for h, s in zip(high.shape[:2], low.shape[:2], strict=True))
        if fits and all(output.shape == high.shape for output in outputs.values()):
            samples.append(Sample(name, low, outputs, high))
    return samples


def find_crop(samples: Sequence[Sample], models: Sequence[str], side: int = CROP) -> Crop | None:
    """The window with the largest variance between the outputs of the models.

    A single model is compared with its input.
    """
    best: tuple[float, Crop] | None = None
    for sample in samples:
        images = [sample.outputs[name] for name in models]
        if len(images) < 2:
            images.append(sample.enlarged)
        height, width = sample.high.shape[:2]
        step = height // sample.low.shape[0]  # multiples of an input pixel
        size = max(step, min(side, height, width) // step * step)
        score = window_sums(np.var(np.stack(images), axis=0).mean(2), size, size)[::step, ::step]
        top, left = np.unravel_index(int(np.argmax(score)), score.shape)
        value = float(score[top, left]) / size**2
        if best is None or value > best[0]:
            best = (value, Crop(sample, int(top) * step, int(left) * step, size))
    return best[1] if best else None


def draw_crops(crop: Crop, samples: Sequence[Sample], variants: Sequence[Variant], stem: Path, words: Words) -> None:
    """The full image with the box on the left; input, outputs and target of the crop beside it.

    Where the crop is the entire image, all samples are shown instead, one row each.
    """
    crops = [Crop(sample, 0, 0, crop.side) for sample in samples[:MAX_ROWS]] if crop.is_full_image else [crop]
    panels = [panel for each in crops for panel in _panels(each, variants, words)]
    rows = len(crops) if crop.is_full_image else -(-len(panels) // COLUMNS)
    columns = -(-len(panels) // rows)  # rows of equal length
    unit, foot = 1.35, 0.5  # inches: side of a crop, height of the text below it
    full_units = 0.0 if crop.is_full_image else 2.2 if rows > 1 else 1.0
    unit = min(unit, line_width() / (full_units + 1.06 * columns))
    tall = rows * (unit + foot)
    left = [min(full_units * unit, tall)] if full_units else []
    figure = Figure(figsize=(sum(left) + columns * 1.06 * unit, tall))
    grid = GridSpec(
        rows, columns + len(left), figure, left=0.005, right=0.995, top=0.995, bottom=foot / tall,
        width_ratios=[*left, *[unit] * columns], wspace=0.05, hspace=foot / unit,
    )  # fmt: skip
    if left:
        full = figure.add_subplot(grid[:, 0])
        full.imshow(crop.sample.high, interpolation="nearest")
        full.add_patch(
            Rectangle((crop.left - 0.5, crop.top - 0.5), crop.side, crop.side, fill=False, edgecolor=BOX, linewidth=2)
        )
        full.set_axis_off()
        full.set_anchor("NW")
    for i, (name, pixels, color, quality) in enumerate(panels):
        axes = figure.add_subplot(grid[i // columns, len(left) + i % columns])
        axes.imshow(pixels, interpolation="nearest", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, color=color or BASELINE, linewidth=1.6 if color else 0.6)
        text = fold(name, 22)
        size = min(9.0, 112 * unit / max(map(len, [*text.split("\n"), " "])))  # long names still fit under their crop
        place: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "top"}
        axes.annotate(text, (0.5, 0), (0, -3), "axes fraction", fontsize=size, linespacing=1.05,
                      fontweight="bold" if not color else "normal", **place)  # fmt: skip
        below = -4 - 1.25 * size * (text.count("\n") + 1)
        axes.annotate(quality, (0.5, 0), (0, below), "axes fraction", fontsize=8, color="#333333", **place)
    save_figure(figure, stem, FORMATS)


def _panels(crop: Crop, variants: Sequence[Variant], words: Words) -> list[tuple[str, np.ndarray, str, str]]:
    """Name, pixels, colour and quality of every panel of a crop."""
    sample = crop.sample
    before, after = sample.surround(words)
    outputs = [(v.name, sample.outputs[v.name], v.color) for v in variants]
    panels = []
    for name, pixels, color in (*((*side, "") for side in before), *outputs, *((*side, "") for side in after)):
        shown = crop.cut(enlarge_pixels(pixels, *sample.high.shape[:2]))
        panels.append((name, shown, color, describe_quality(shown, crop.cut(sample.high), words)))
    return panels
