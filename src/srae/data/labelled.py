"""Labelled pictures: MNIST, Fashion-MNIST and CIFAR-10, read by torchvision from files that lie there already.

Nothing is downloaded.  The target is the label or, for autoencoders, the
picture itself.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from srae.data.contract import Data, Options, take_fingerprint
from srae.data.demo import read_textures
from srae.data.splits import set_aside
from srae.data.store import Labels, Split, Store
from srae.errors import DataError

READERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow's convert("L")

Pictures = tuple[np.ndarray, np.ndarray]
"""uint8 (N, H, W, C) and int64 (N,)"""


def open_labelled(options: Options, *, whole: bool = False, name: str) -> Data:
    """The data set `name` of `READERS` under `options.folder`; `whole` changes nothing here.

    Raises:
        DataError: the files are not there, or the options ask for pairs.
    """
    if options.degrade or options.crop or options.test_from_val:
        raise DataError(f"{name} has labelled pictures, not pairs", "data", "leave out degrade, crop and test_from_val")
    folder, notes = Path(options.folder or f"data/{name.replace('_', '-')}").expanduser(), []
    if folder.is_dir() or options.otherwise != "demo":
        train, test, classes = _read(name, folder)
        kept, aside = set_aside(list(range(len(train[1]))), options.val_count / len(train[1]))
        parts = {"train": _take(train, kept), "val": _take(train, aside), "test": test}
        title = name
    else:
        side = 32 if name == "cifar10" else 28
        parts, classes = read_textures(side)
        title = "demo_textures"
        notes.append(f"{folder} is not there: training on crops of {len(classes)} built-in pictures")
    parts = {
        split: _take(part, range(min(len(part[1]), options.limit or len(part[1])))) for split, part in parts.items()
    }
    digests = [
        (split, "", hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest())
        for split, (pixels, labels) in parts.items()
    ]
    splits = {split: _to_split(part, options) for split, part in parts.items()}
    in_shape = splits["train"].input.shape
    assert in_shape is not None
    return Data(
        name=title,
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        in_shape=in_shape,
        out_shape=in_shape if options.target == "input" else (len(classes),),
        fingerprint=take_fingerprint(digests, f"target {options.target}"),
        classes=classes,
        notes=notes,
    )


def _read(name: str, folder: Path) -> tuple[Pictures, Pictures, list[str]]:
    import torchvision.datasets

    reader = getattr(torchvision.datasets, READERS[name])
    found = []
    try:
        for train in (True, False):
            data = reader(str(folder), train=train, download=False)
            pixels = np.asarray(data.data)
            pixels = pixels[..., None] if pixels.ndim == 3 else pixels  # (N, H, W) -> (N, H, W, 1)
            found.append((pixels, np.asarray(data.targets, np.int64)))
    except (RuntimeError, OSError, EOFError, ValueError, AssertionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = f"data.folder must hold what torchvision.datasets.{READERS[name]} reads (root=...)"
        raise DataError(f"cannot read {READERS[name]}: {reason}", str(folder), remedy) from None
    return found[0], found[1], [str(c) for c in data.classes]


def _take(part: Pictures, indices: list[int] | range) -> Pictures:
    chosen = np.asarray(indices, np.int64)
    return part[0][chosen], part[1][chosen]


def _to_split(part: Pictures, options: Options) -> Split:
    pixels, labels = part
    if options.channels == "L" and pixels.shape[3] == 3:
        pixels = (pixels @ _LUMA).round().astype(np.uint8)[..., None]
    elif options.channels == "RGB" and pixels.shape[3] == 1:
        pixels = pixels.repeat(3, axis=3)
    elif options.channels == "RGBA":
        raise DataError("these pictures have no alpha", "data.channels", "use L or RGB")
    store = Store(torch.from_numpy(np.ascontiguousarray(pixels)))
    target = store if options.target == "input" else Labels(torch.from_numpy(labels))
    return Split(store, target, [str(index) for index in range(len(labels))])
