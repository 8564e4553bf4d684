"""Answers of classifiers, counted by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from srae.files import natural_key
from srae.report.canvas import Variant
from srae.runs.reader import Run, read_images

SPLITS = ("test", "val")  # the first that was scored is used


@dataclass(frozen=True)
class Answers:
    """The answers of all variants on one split."""

    split: str
    classes: list[str]
    counts: dict[str, np.ndarray]
    """Variant -> images by (true class, answer), summed over its seeds."""

    def accuracies(self, variant: str) -> np.ndarray:
        """Share of right answers by class; NaN where the split has no image of it."""
        counts = self.counts[variant]
        shown = counts.sum(1)
        return np.divide(counts.diagonal(), shown, out=np.full(len(shown), np.nan), where=shown > 0)

    def images(self) -> np.ndarray:
        """Images by class, of one run."""
        return np.max([counts.sum(1) for counts in self.counts.values()], axis=0)

    def never_given(self, variant: str) -> list[str]:
        """Classes with images that a variant never answers."""
        counts = self.counts[variant]
        silent = (counts.sum(0) == 0) & (counts.sum(1) > 0)
        return [name for name, is_silent in zip(self.classes, silent, strict=True) if is_silent]

    def confused_pairs(self, most: int) -> list[tuple[int, int]]:
        """(true class, wrong answer), most frequent first, over all variants."""
        total = np.sum(list(self.counts.values()), axis=0)
        np.fill_diagonal(total, 0)
        order = np.argsort(-total, axis=None, kind="stable")[:most]
        pairs = [divmod(int(place), len(self.classes)) for place in order]
        return [pair for pair in pairs if total[pair] > 0]


def read_answers(variants: Sequence[Variant]) -> Answers | None:
    """Answers on test, or on val where no run has a test split; None when no run is a classifier."""
    answers = {v.name: [list(_answers_of(run)) for run in v.runs] for v in variants}
    splits = {split for runs in answers.values() for rows in runs for split, _, _ in rows}
    split = next((split for split in SPLITS if split in splits), None)
    if split is None:
        return None
    pairs = {
        name: [(true, answer) for rows in runs for where, true, answer in rows if where == split]
        for name, runs in answers.items()
    }
    recorded = [str(name) for v in variants for run in v.runs for name in _classes_of(run)]
    met = {name for found in pairs.values() for pair in found for name in pair}
    classes = list(dict.fromkeys([*recorded, *sorted(met - set(recorded), key=natural_key)]))
    place = {name: i for i, name in enumerate(classes)}
    counts = {}
    for name, found in pairs.items():
        if found:
            counts[name] = np.zeros((len(classes), len(classes)), int)
            np.add.at(counts[name], tuple(np.transpose([(place[true], place[answer]) for true, answer in found])), 1)
    return Answers(split, classes, counts)


def _answers_of(run: Run) -> Iterable[tuple[str, str, str]]:
    """(split, true class, answer) of every image."""
    for row in read_images(run):
        if row.get("label") and row.get("prediction"):
            yield row["split"], row["label"], row["prediction"]


def _classes_of(run: Run) -> list[str]:
    """Class names in the order of the labels; empty if not recorded."""
    classes = ((run.summary or {}).get("data") or {}).get("classes")
    return classes if isinstance(classes, list) else []
