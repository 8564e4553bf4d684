"""Confusion matrices, and the tables by class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from srae.report.canvas import FORMATS, plain, save_figure, shorten, show_numbers
from srae.report.classes import Answers
from srae.report.numbers import typeset
from srae.report.section import ReportSection
from srae.report.tables import Cell, Table, labelled_table
from srae.report.words import Words

MANY_CLASSES = 20
"""With more classes, names and numbers do not fit."""
PAIRS = 10
LETTERS = 18  # of a class's name on an axis


def is_large(answers: Answers) -> bool:
    return len(answers.classes) > MANY_CLASSES


def draw_confusion(answers: Answers, variant: str, stem: Path, words: Words) -> None:
    """A row per true class, a column per answer; colour is the share of the row, numbers are images."""
    counts = answers.counts[variant]
    count, large = len(counts), is_large(answers)
    shown = counts.sum(1, keepdims=True)
    shares = np.divide(counts, shown, out=np.full(counts.shape, np.nan), where=shown > 0)
    side = 4.4 if large else max(3.2, 0.4 * count)
    figure = Figure(figsize=(side + 1.9, side + 1.1), layout="constrained")
    axes = figure.subplots()
    # a linear scale would make rare confusions of many classes invisible
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5 if large else 1, 0, 1), interpolation="none")
    every = -(-count // 15) if large else 1
    names = [plain(shorten(name, LETTERS)) for name in answers.classes[::every]]
    size = 8 if large or count <= 12 else 7
    axes.set_xticks(range(0, count, every), names, rotation=90 if max(map(len, names)) > 2 else 0, fontsize=size)
    axes.set_yticks(range(0, count, every), names, fontsize=size)
    axes.set(xlabel=words["answer"], ylabel=words["true_class"])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, linewidth=0.6)
    if not large:
        for true, answer in zip(*np.nonzero(counts), strict=True):
            dark = shares[true, answer] > 0.55
            axes.text(answer, true, str(counts[true, answer]), ha="center", va="center",
                      fontsize=7 if counts.max() < 10_000 else 6, color="white" if dark else "#1c2024")  # fmt: skip
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    show_numbers(bar.ax.yaxis, words, shares=True)
    bar.set_label(words["share_of_true"])
    bar.outline.set_visible(False)
    save_figure(figure, stem, FORMATS)


def classes_table(section: ReportSection, answers: Answers, words: Words) -> Table:
    """Accuracy by class of all variants side by side; of many classes the hardest and the easiest."""
    names = list(answers.counts)
    accuracies = np.array([answers.accuracies(name) for name in names])
    images = answers.images()
    met = [i for i in range(len(answers.classes)) if images[i] > 0]
    caption = words["caption_classes"].format(split=words[answers.split])
    if is_large(answers) and len(met) > 2 * PAIRS:
        ordered = sorted(met, key=lambda i: float(np.mean(accuracies[:, i])))
        met = [*ordered[:PAIRS], *ordered[-PAIRS:]]
        caption += " " + words["caption_extremes"].format(count=PAIRS, all=len(answers.classes))
    rows = [
        [
            Cell(answers.classes[i], answers.classes[i]),
            Cell(str(images[i]), int(images[i])),
            *(Cell(typeset(f"{value:.1%}", words), float(value)) for value in accuracies[:, i]),
        ]
        for i in met
    ]
    records = [
        {"run": name, "class": answers.classes[i], "pictures": int(counts[i].sum()), "right": int(counts[i, i])}
        for name, counts in answers.counts.items()
        for i in range(len(answers.classes))
    ]  # all classes, also those that the table leaves out
    heads = [words["class"], words["images_head"], *names]
    return labelled_table("classes", caption, section, words, heads=heads, text_columns=1, rows=rows, records=records)


def pairs_table(section: ReportSection, answers: Answers, words: Words) -> Table | None:
    """The most frequent wrong answers by pair of classes; None when all answers are right."""
    pairs = answers.confused_pairs(PAIRS)
    if not pairs:
        return None
    rows, records = [], []
    for true, answer in pairs:
        found = {name: (int(counts[true, answer]), int(counts[true].sum())) for name, counts in answers.counts.items()}
        ends = answers.classes[true], answers.classes[answer]
        of = [Cell(words["count_of"].format(count=count, all=shown), count) for count, shown in found.values()]
        rows.append([*(Cell(name, name) for name in ends), *of])
        records += [
            {"run": name, "class": ends[0], "answer": ends[1], "times": count, "pictures": shown}
            for name, (count, shown) in found.items()
        ]
    caption = words["caption_pairs"].format(count=len(pairs), split=words[answers.split])
    heads = [words["true_class"], words["answer"], *answers.counts]
    return labelled_table("confused", caption, section, words, heads=heads, text_columns=2, rows=rows, records=records)
