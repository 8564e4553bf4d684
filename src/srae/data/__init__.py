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
"""Section -> function that opens its data set: `(section, *, for_scoring, undivided) -> Data`."""


def open_data(section: DataConfig, *, for_scoring: bool = False, undivided: bool = False) -> Data:
    """Open the data set that a section of a config describes.

    Args:
        for_scoring: the data will not be trained on: a split may be missing (another one takes its
            place), sizes may differ, there are no crops, and one low-resolution version per image.
        undivided: all images of a folder without splits on disk are val, because none was trained on.

    Raises:
        DataError: everything that is wrong with the images.
    """
    return OPENERS[type(section)](section, for_scoring=for_scoring, undivided=undivided)
