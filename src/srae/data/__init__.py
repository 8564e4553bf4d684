"""Data sets: a name becomes train, val and test pictures in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from srae.data.batches import Batch, count_batches, eval_batches, train_batches
from srae.data.class_folders import open_class_folders
from srae.data.contract import Data, Options
from srae.data.demo import open_demo
from srae.data.labelled import READERS, open_labelled
from srae.data.pairs import open_pairs
from srae.data.store import Labels, Split, Store

__all__ = [
    "DATASETS",
    "Batch",
    "Data",
    "Labels",
    "Options",
    "Split",
    "Store",
    "count_batches",
    "eval_batches",
    "open_data",
    "train_batches",
]

DATASETS: dict[str, Callable[..., Data]] = {
    "pairs": open_pairs,
    "demo": open_demo,
    "class_folders": open_class_folders,
    **{name: partial(open_labelled, name=name) for name in READERS},
}


def open_data(name: str, *, whole: bool = False, undivided: bool = False, **options: Any) -> Data:
    """Open a data set.

    Args:
        name: key of `DATASETS`.
        whole: to score, not to train: a split may be missing (another one stands
            for it), sizes may differ, and train has no further low sides.
        undivided: a folder without split on disk is val as a whole: nobody trained on it.
        options: fields of `Options`.

    Raises:
        DataError: everything that is wrong with the pictures.
    """
    return DATASETS[name](Options(**options), whole=whole, undivided=undivided)
