"""Choose train, val and test images when the disk has no splits; images of one group stay together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import NamedTuple, TypeVar

import numpy as np

from srae.data.matching import Pair

Item = TypeVar("Item")
_PERMUTATION = 0
ENOUGH_VAL = 10
_CLASS_SHARES = {"val": 0.1, "test": 0.1}


class Unit(NamedTuple):
    """Images that no split may part: a group, or one image."""

    place: float
    """In [0, 1), from the name alone."""
    members: list[int]
    """Indices of its images."""


def place_of(name: str) -> float:
    """In [0, 1), from the name without suffix: the same on every machine and for any set of other files."""
    return _place(PurePath(name).with_suffix("").as_posix())


def _place(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:6], "big") / 2**48


def _units(names: Sequence[str], groups: Sequence[str] | None) -> list[Unit]:
    """In the order of their first images."""
    if groups is None:
        return [Unit(place_of(name), [index]) for index, name in enumerate(names)]
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return [Unit(_place(group), indices) for group, indices in members.items()]


def split_by_name(
    pairs: list[Pair], train: float = 0.8, val: float = 0.1, *, groups: Sequence[str] | None = None
) -> dict[str, list[Pair]]:
    """About 80 % train, 10 % val, 10 % test; of two or more images (or groups) at least one each for train and val.

    Args:
        groups: of every pair, where pairs of one group are to stay in one split.
    """
    units = sorted(_units([pair.name for pair in pairs], groups))
    chosen = ["train" if unit.place < train else "val" if unit.place < train + val else "test" for unit in units]
    if len(units) >= 2:
        if "train" not in chosen:
            chosen[0] = "train"
        if "val" not in chosen:
            # The unit nearest to val's share, without emptying train.
            last = max(i for i, split in enumerate(chosen) if split == "train")
            chosen[last or 1] = "val"
    split_of = {index: split for unit, split in zip(units, chosen, strict=True) for index in unit.members}
    return {split: [p for i, p in enumerate(pairs) if split_of[i] == split] for split in ("train", "val", "test")}


def split_by_class(
    labels: Sequence[int], names: Sequence[str], groups: Sequence[str] | None = None
) -> dict[str, list[int]]:
    """Split -> indices: of each class about 80 % train, 10 % val, 10 % test, by the places of its units.

    A class of at least three units has one in each split, a smaller one is in train alone.
    """
    units = sorted(_units(names, groups), key=lambda unit: unit.place)
    counts = [Counter(labels[index] for index in unit.members) for unit in units]
    of_class: dict[int, list[int]] = {}
    for number, count in enumerate(counts):
        for label in count:
            of_class.setdefault(label, []).append(number)
    split_of: dict[int, str] = {}
    # The class with the fewest units first: a unit of several classes is then in train where one of them is small.
    for label, own in sorted(of_class.items(), key=lambda item: len(item[1])):
        total = sum(counts[number][label] for number in own)
        for kept, (split, share) in zip((2, 1), _CLASS_SHARES.items(), strict=True):
            missing = max(1, round(share * total))
            missing -= sum(counts[number][label] for number in own if split_of.get(number) == split)
            free = [number for number in own if number not in split_of]
            for number in free[: max(0, len(free) - kept)] if len(own) > 2 else ():
                if missing <= 0:
                    break
                split_of[number] = split
                missing -= counts[number][label]
        for number in own:
            split_of.setdefault(number, "train")
    return {
        split: [index for number, unit in enumerate(units) if split_of[number] == split for index in unit.members]
        for split in ("train", *_CLASS_SHARES)
    }


def take_by_name(
    items: list[Item], names: Sequence[str], share: float, groups: Sequence[str] | None = None
) -> tuple[list[Item], list[Item]]:
    """(kept, taken): that share, rounded, at least one and not all; which ones depends on their names alone."""
    units = sorted(_units(names, groups), reverse=True)
    return _take(items, units, min(max(round(share * len(items)), 1), len(items) - 1))


def set_aside(items: list[Item], share: float, groups: Sequence[str] | None = None) -> tuple[list[Item], list[Item]]:
    """(kept, set aside): that share, rounded, by a fixed permutation; both in their old order, kept never empty.

    It does not depend on the seed: runs of several seeds must be scored on the same images.
    """
    units = _units(["any"] * len(items), groups)
    random = np.random.Generator(np.random.Philox(key=_PERMUTATION))
    order = np.argsort(random.random(len(units)), kind="stable").tolist()
    return _take(items, [units[index] for index in order], min(round(share * len(items)), len(items) - 1))


def _take(items: list[Item], units: Iterable[Unit], count: int) -> tuple[list[Item], list[Item]]:
    """(kept, taken), both in their old order: the first units up to `count` items, or one unit beyond, but not all."""
    taken: set[int] = set()
    for unit in units:
        if len(taken) >= count or len(taken) + len(unit.members) == len(items):
            break
        taken.update(unit.members)
    return (
        [item for index, item in enumerate(items) if index not in taken],
        [item for index, item in enumerate(items) if index in taken],
    )


def note_few_val(count: int) -> list[str]:
    """A note where val has too few images for a difference between networks to show; none where it has enough."""
    if count >= ENOUGH_VAL:
        return []
    images = f"{count} val image{'s are' if count > 1 else ' is'}"
    return [f"{images} too few to tell networks apart, or to pick an epoch by: {ENOUGH_VAL} or more are better"]


def describe_val_from_train(taken: int, count: int, share: float) -> str:
    """A note for the user."""
    return f"no val split: {taken} of {count} train images are set aside as val (data.val_from_train: {share:g})"
