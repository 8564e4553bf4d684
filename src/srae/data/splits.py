"""Choose train, val and test images when the disk has no splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePath
from typing import TypeVar

import numpy as np

from srae.data.matching import Pair

Item = TypeVar("Item")
_PERMUTATION = 0


def place_of(name: str) -> float:
    """In [0, 1), from the name without suffix: the same on every machine and for any set of other files."""
    name = PurePath(name).with_suffix("").as_posix()
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:6], "big") / 2**48


def split_by_name(pairs: list[Pair], train: float = 0.8, val: float = 0.1) -> dict[str, list[Pair]]:
    """About 80 % train, 10 % val, 10 % test; of two or more images at least one each for train and val."""
    places = sorted((place_of(pair.name), index) for index, pair in enumerate(pairs))
    chosen = {i: "train" if place < train else "val" if place < train + val else "test" for place, i in places}
    order = [index for _, index in places]
    if len(pairs) >= 2:
        if "train" not in chosen.values():
            chosen[order[0]] = "train"
        if "val" not in chosen.values():
            # The image nearest to val's share, without emptying train.
            last = max(i for i, index in enumerate(order) if chosen[index] == "train")
            chosen[order[last if last else 1]] = "val"
    return {split: [p for i, p in enumerate(pairs) if chosen[i] == split] for split in ("train", "val", "test")}


def take_by_name(items: list[Item], names: Sequence[str], share: float) -> tuple[list[Item], list[Item]]:
    """(kept, taken): that share, rounded, at least one and not all; which ones depends on their names alone."""
    count = min(max(round(share * len(items)), 1), len(items) - 1)
    order = sorted(range(len(items)), key=lambda index: (place_of(names[index]), index), reverse=True)
    taken = set(order[: max(count, 0)])
    return (
        [item for index, item in enumerate(items) if index not in taken],
        [item for index, item in enumerate(items) if index in taken],
    )


def describe_val_from_train(taken: int, count: int, share: float) -> str:
    """A note for the user."""
    return f"no val split: {taken} of {count} train images are set aside as val (data.val_from_train: {share:g})"


def set_aside(items: list[Item], share: float) -> tuple[list[Item], list[Item]]:
    """(kept, set aside): that share, rounded, by a fixed permutation; both in their old order, kept never empty.

    It does not depend on the seed: runs of several seeds must be scored on the same images.
    """
    count = min(round(share * len(items)), len(items) - 1)
    random = np.random.Generator(np.random.Philox(key=_PERMUTATION))
    aside = set(np.argsort(random.random(len(items)), kind="stable")[: max(count, 0)].tolist())
    kept = [item for index, item in enumerate(items) if index not in aside]
    return kept, [items[index] for index in sorted(aside)]
