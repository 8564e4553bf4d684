"""Labelled images: MNIST, Fashion-MNIST and CIFAR-10, read by torchvision from files that lie there already.

Nothing is downloaded.  The target is the label or, for autoencoders, the image.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from srae.config.data_sets import LabelledConfig, TorchvisionConfig
from srae.data.contract import Data, take_fingerprint
from srae.data.demo import read_textures
from srae.data.splits import set_aside
from srae.data.store import Labels, Split, Store
from srae.errors import DataError
from srae.images.color import LUMA

READERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
_LUMA = np.array(LUMA)  # as Pillow's convert("L")


class LabelledImages(NamedTuple):
    """The images of one split."""

    pixels: np.ndarray
    """uint8 (N, H, W, C)"""
    labels: np.ndarray
    """int64 (N,)"""
    names: Sequence[str]

    def take(self, indices: Sequence[int]) -> LabelledImages:
        chosen = np.asarray(indices, np.int64)
        return LabelledImages(self.pixels[chosen], self.labels[chosen], [self.names[index] for index in indices])


def open_labelled(options: TorchvisionConfig, *, for_scoring: bool = False, undivided: bool = False) -> Data:
    """The data set `options.name` under `options.folder`; `whole` and `undivided` change nothing here.

    Raises:
        DataError: the files are not there, or are damaged.
    """
    name = options.name
    folder = Path(os.path.expanduser(options.folder or f"data/{name.replace('_', '-')}"))
    if not os.path.isdir(folder) and options.otherwise == "demo":
        return open_textures(options, folder, 32 if name == "cifar10" else 28)
    train, test, classes = _read(name, folder)
    if not options.val_count:
        note = "val is the test split, so the best epoch is picked on the images that it is scored on"
        return to_data(name, {"train": train, "val": test, "test": test}, classes, options, [note])
    kept, aside = set_aside(list(range(len(train.names))), options.val_count / len(train.names))
    return to_data(name, {"train": train.take(kept), "val": train.take(aside), "test": test}, classes, options, [])


def open_textures(options: LabelledConfig, missing: Path, side: int) -> Data:
    """Crops of the demo images, which replace a missing folder."""
    parts, classes = read_textures(side)
    named = {split: LabelledImages(*part, [str(i) for i in range(len(part[1]))]) for split, part in parts.items()}
    note = f"{missing} is not there: training on crops of {len(classes)} built-in images"
    return to_data("demo_textures", named, classes, options, [note])


def to_data(
    name: str, parts: Mapping[str, LabelledImages], classes: list[str], options: LabelledConfig, notes: list[str]
) -> Data:
    """Splits of one size as `Data`; a missing val is replaced by the first split, a missing train by val."""
    limited = {
        split: part.take(range(min(len(part.names), options.limit or len(part.names)))) for split, part in parts.items()
    }
    digests = [
        (split, "", hashlib.sha256(part.pixels.tobytes() + part.labels.tobytes()).hexdigest())
        for split, part in limited.items()
    ]
    splits = {split: _to_split(part, options) for split, part in limited.items()}
    val_name = "val" if "val" in splits else next(iter(splits))
    train_name = "train" if "train" in splits else val_name
    train = splits[train_name]
    if options.per_class:
        train = replace(train, drawn=balance(limited[train_name].labels, options.per_class))
    in_shape = train.input.shape
    assert in_shape is not None
    return Data(
        name=name,
        train=train,
        val=splits[val_name],
        test=splits.get("test"),
        in_shape=in_shape,
        out_shape=in_shape if options.target == "input" else (len(classes),),
        fingerprint=take_fingerprint(digests, f"target {options.target}"),
        classes=classes,
        notes=notes,
    )


def balance(labels: np.ndarray, per_class: int) -> list[int]:
    """Indices of an epoch with `per_class` samples of every class: small classes are repeated, large ones cut."""
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return [int(index) for group in groups for index in np.resize(group, per_class)]


def _read(name: str, folder: Path) -> tuple[LabelledImages, LabelledImages, list[str]]:
    import torchvision.datasets

    reader = getattr(torchvision.datasets, READERS[name])
    found = []
    try:
        for train in (True, False):
            data = reader(str(folder), train=train, download=False)
            pixels = np.asarray(data.data)
            pixels = pixels[..., None] if pixels.ndim == 3 else pixels  # (N, H, W) -> (N, H, W, 1)
            labels = np.asarray(data.targets, np.int64)
            if labels.min() < 0 or labels.max() >= len(data.classes):
                raise ValueError(f"a label beyond its {len(data.classes)} classes")
            found.append(LabelledImages(pixels, labels, [str(i) for i in range(len(pixels))]))
    except Exception as error:  # torchvision's readers raise almost anything on damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = f"data.folder must hold what torchvision.datasets.{READERS[name]} reads (root=...)"
        raise DataError(f"cannot read {READERS[name]}: {reason}", str(folder), remedy) from None
    return found[0], found[1], [str(c) for c in data.classes]


def _to_split(part: LabelledImages, options: LabelledConfig) -> Split:
    pixels, labels, names = part
    if options.channels == "L" and pixels.shape[3] == 3:
        pixels = (pixels @ _LUMA).round().astype(np.uint8)[..., None]
    elif options.channels == "RGB" and pixels.shape[3] == 1:
        pixels = pixels.repeat(3, axis=3)
    store = Store(torch.from_numpy(np.ascontiguousarray(pixels)))
    target = store if options.target == "input" else Labels(torch.from_numpy(labels))
    return Split(store, target, list(names))
