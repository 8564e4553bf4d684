"""Data sets: a name becomes train, val and test pictures in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from srae.data.batches import Batch, count_batches, eval_batches, train_batches
from srae.data.contract import Data, Options
from srae.data.demo import open_demo
from srae.data.pairs import open_pairs
from srae.data.store import Split, Store

__all__ = [
    "DATASETS",
    "Batch",
    "Data",
    "Options",
    "Split",
    "Store",
    "count_batches",
    "eval_batches",
    "open_data",
    "train_batches",
]

DATASETS: dict[str, Callable[..., Data]] = {"pairs": open_pairs, "demo": open_demo}


def open_data(name: str, *, seed: int, shapes_may_differ: bool = False, whole: bool = False, **options: Any) -> Data:
    """Open a data set.

    Args:
        name: key of `DATASETS`.
        seed: draws the test pictures of ``test_from_val``.
        shapes_may_differ: training pictures of mixed sizes are no error.
        whole: to score, not to train: a folder without split on disk is val as
            a whole, and a split may be missing (train is then val).
        options: fields of `Options`.

    Raises:
        DataError: everything that is wrong with the pictures.
    """
    return DATASETS[name](Options(**options), seed=seed, shapes_may_differ=shapes_may_differ, whole=whole)
