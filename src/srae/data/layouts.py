"""Find the pairs of images in a folder, two folders or a CSV; nothing is decoded here.

Layouts: ``{train,val,test}/{low,high}/NAME``; ``{low,high}/{train,val,test}/[any/]NAME``;
``{low,high}/NAME`` without split; high-resolution images alone, with or
without split folders, when the low-resolution images are to be made from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from srae.data.listed import read_list
from srae.data.matching import Entry, FileProblem, Pair, match, name_of, show
from srae.errors import DataError
from srae.images.image import find_images

SPLITS = ("train", "val", "test")
HIGH_ONLY = "high side alone"  # printed by `srae data check --json`, so it stays
_SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_LOW_WORDS = {"low", "lr", "lowres", "input"}
_HIGH_WORDS = {"high", "hr", "highres", "target"}

Sides = dict[str, tuple[Path | None, Path | None]]
"""Split -> folders of low- and of high-resolution images; split "" when the disk has no splits."""


@dataclass
class PairListing:
    """Pairs by split; split "" when the disk has no splits."""

    layout: str
    splits: dict[str, list[Pair]] = field(default_factory=dict)
    problems: list[FileProblem] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    """Rules by which the names of low and high were matched."""
    ignored: int = 0
    """Number of entries that were skipped because they are no images."""


def find_pairs(
    folder: Path | None = None, low: Path | None = None, high: Path | None = None, *, high_only: bool = False
) -> PairListing:
    """All pairs under a folder, in a CSV, or in the two folders `low` and `high`.

    Args:
        high_only: low-resolution images will be made, so existing ones are not read.

    Raises:
        DataError: nothing there that looks like pairs.
    """
    if folder is not None and folder.is_file():
        return _from_list(folder)
    if folder is None:
        assert low is not None and high is not None
        found = PairListing("two folders")
        sides = _cross(low, high, found)
    else:
        found = PairListing("")
        sides = _sides_of(folder, found, high_only)
    for split in (split for split in ("", *SPLITS) if split in sides):
        low_folder, high_folder = sides[split]
        if high_only:
            found.splits[split] = [Pair(name_of(entry), None, entry.path) for entry in _entries(high_folder, found)]
        elif low_folder and high_folder:
            _match_folders(split, low_folder, high_folder, folder, found)
        else:
            _tell_missing(split, low_folder, high_folder, folder, found)
    return found


def _match_folders(split: str, low: Path, high: Path, root: Path | None, found: PairListing) -> None:
    pairs, problems, rule = match(split, _entries(low, found), _entries(high, found), root)
    found.splits[split] = pairs
    found.problems += problems
    if pairs and rule not in found.rules:
        found.rules.append(rule)


def _tell_missing(split: str, low: Path | None, high: Path | None, root: Path | None, found: PairListing) -> None:
    """Report a split that has only one of the two folders."""
    for folder in (low, high):
        _entries(folder, found)  # skipped entries are counted all the same
    side, present = ("low", high) if low is None else ("high", low)
    assert present is not None
    found.problems.append(
        FileProblem(split, show(present, root), f"no folder of {side}-resolution images beside it", "add it")
    )


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot list folder: {error.strerror}", str(folder), "check the path") from None


def _split_of(name: str) -> str | None:
    return _SPLIT_NAMES.get(name.casefold())


def _side_of(name: str) -> str | None:
    words = set(re.findall(r"[a-z]+", name.casefold()))
    low, high = bool(words & _LOW_WORDS), bool(words & _HIGH_WORDS)
    return None if low == high else "low" if low else "high"


def _subfolders_by(meaning: Callable[[str], str | None], folder: Path, found: PairListing) -> dict[str, Path]:
    """Subfolders by the meaning of their names; two of one meaning are a problem, and the first is used."""
    result: dict[str, Path] = {}
    for path in _subfolders(folder):
        what = meaning(path.name)
        if what and what in result:
            problem = f"means the same as {result[what].name}: {what}"
            found.problems.append(FileProblem(_split_of(what) or "", str(path), problem, "keep one, or rename one"))
        elif what:
            result[what] = path
    return result


def _sides_of(folder: Path, found: PairListing, high_only: bool) -> Sides:
    splits = _subfolders_by(_split_of, folder, found)
    inner = {split: _subfolders_by(_side_of, path, found) for split, path in splits.items()}
    if any(inner.values()):
        found.layout = "split/side"
        return {split: (sides.get("low"), sides.get("high")) for split, sides in inner.items()}
    sides = _subfolders_by(_side_of, folder, found)
    if "high" in sides and ("low" in sides or high_only):
        crossed = _cross(sides.get("low"), sides["high"], found)
        found.layout = "side" if "" in crossed else "side/split"
        return crossed
    found.layout = HIGH_ONLY
    if high_only:
        return {split: (None, path) for split, path in splits.items()} or {"": (None, folder)}
    if not _entries(folder, PairListing("")):
        raise DataError("no images", str(folder), "PNG, JPEG, WebP, BMP or TIFF in train/low_res, train/high_res ...")
    raise DataError(
        "no pairs: these folders do not say which images are low and which are high",
        str(folder),
        "name them train/low_res, train/high_res ..., or have low-resolution images made: "
        "data.degrade: {kernel: bicubic, scale: 2}",
    )


def _cross(low: Path | None, high: Path, found: PairListing) -> Sides:
    """Two folders that hold either images or split folders."""
    low_splits = _subfolders_by(_split_of, low, found) if low else {}
    high_splits = _subfolders_by(_split_of, high, found)
    if low_splits or high_splits:
        return {split: (low_splits.get(split), high_splits.get(split)) for split in low_splits | high_splits}
    return {"": (low, high)}


def _entries(folder: Path | None, found: PairListing) -> list[Entry]:
    """Images directly in a folder, else those one folder deeper."""
    if folder is None:
        return []
    images, ignored = find_images(folder)
    if images:
        found.ignored += ignored
        return [Entry("", path) for path in images]
    entries = []
    inner = _subfolders(folder)
    found.ignored += ignored - len(inner)
    for group in inner:
        images, ignored = find_images(group)
        found.ignored += ignored
        entries += [Entry(group.name, path) for path in images]
    return entries


def _from_list(path: Path) -> PairListing:
    found = PairListing("list")
    for split, pair in read_list(path, _split_of, _side_of, found.problems):
        found.splits.setdefault(split, []).append(pair)
    if "" in found.splits and len(found.splits) > 1:
        names = ", ".join(pair.name for pair in found.splits.pop("")[:3])
        found.problems.append(FileProblem("", str(path), f"no split for {names}", "fill the third column in every row"))
    return found
