"""Data sets: a section of a config becomes train, val and test images in memory."""

from __future__ import annotations

from collections.abc import Callable

from srae.config.data_sets import ClassFoldersConfig, DataConfig, DemoConfig, PairsConfig, TorchvisionConfig
from srae.data.batches import Batch, count_batches, eval_batches, train_batches
from srae.data.class_folders import open_class_folders
from srae.data.contract import Data
from srae.data.demo import open_demo
from srae.data.labelled import open_labelled
from srae.data.pairs import open_pairs
from srae.data.store import Labels, Split, Store

__all__ = [
    "OPENERS",
    "Batch",
    "Data",
    "Labels",
    "Split",
    "Store",
    "count_batches",
    "eval_batches",
    "open_data",
    "train_batches",
]

OPENERS: dict[type[DataConfig], Callable[..., Data]] = {
    PairsConfig: open_pairs,
    DemoConfig: open_demo,
    ClassFoldersConfig: open_class_folders,
    TorchvisionConfig: open_labelled,
}
"""What opens the data set of a section: `(section, *, whole, undivided) -> Data`."""


def open_data(section: DataConfig, *, whole: bool = False, undivided: bool = False) -> Data:
    """Open the data set that a section of a config describes.

    Args:
        whole: to score, not to train: a split may be missing (another one stands
            for it), sizes may differ, crops play no part, and train has no further low sides.
        undivided: a folder without split on disk is val as a whole: nobody trained on it.

    Raises:
        DataError: everything that is wrong with the images.
    """
    return OPENERS[type(section)](section, whole=whole, undivided=undivided)
