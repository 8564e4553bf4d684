"""Find the pairs of images in a folder, two folders or a CSV; at most the size of some is read here.

Layouts: ``{train,val,test}/{low,high}/NAME``; ``{low,high}/{train,val,test}/[any/]NAME``;
``{low,high}/NAME`` without split; ``X_train_HR``, ``X_valid_LR_bicubic/X2`` (split and side in
one name); ``NAME_HR`` beside ``NAME_LR4``; two folders of equal names whose sizes differ by one
whole factor; high-resolution images alone, with or without split folders, when the
low-resolution images are to be made from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from srae.data.fit import find_fit
from srae.data.listed import read_list
from srae.data.matching import Entry, FileProblem, Pair, escape_name, match, name_of, show
from srae.data.naming import Meaning, side_in, side_of_file, split_in, split_named
from srae.data.trees import choose_groups, pick_folders, read_tree, subfolders, unwrap
from srae.errors import DataError
from srae.images.decode import read_size
from srae.images.image import find_images

SPLITS = ("train", "val", "test")
HIGH_ONLY = "high side alone"  # printed by `srae data check --json`, so it stays
_COMPARED = 16  # images whose sizes are read to see whether two folders are low and high


class Side(NamedTuple):
    """The low- or the high-resolution images of a split."""

    folder: Path
    entries: list[Entry]


Sides = dict[str, tuple[Side | None, Side | None]]
"""Split -> low- and high-resolution images; split "" when the disk has no splits."""


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
    notes: list[str] = field(default_factory=list)
    """What was decided that the user should know."""
    doubt: str = ""
    """Why images that were read as high-resolution ones alone may be pairs; empty if they may not."""
    doubtful: list[Pair] = field(default_factory=list)
    """The pairs that they may be."""


def find_pairs(
    folder: Path | None = None,
    low: Path | None = None,
    high: Path | None = None,
    *,
    high_only: bool = False,
    alone: bool = False,
    scale: int | None = None,
) -> PairListing:
    """All pairs under a folder, in a CSV, or in the two folders `low` and `high`.

    Args:
        high_only: low-resolution images will be made, so existing ones are not read.
        alone: images without counterparts are their own counterparts, for autoencoders.
        scale: which one is read of folders called X2, X3, X4.

    Raises:
        DataError: nothing there that looks like pairs, or several scales and none of them chosen.
    """
    if folder is not None and folder.is_file():
        return _from_list(folder)
    finder = _Finder(folder, scale, high_only=high_only)
    if folder is not None:
        sides = finder.pairs_under(unwrap(folder)) or finder.images_alone(unwrap(folder), alone=alone)
    else:
        assert low is not None and high is not None
        finder.found.layout, sides = "two folders", finder.cross(low, high)
    finder.match_all(sides)
    return finder.found


class _Finder:
    """One search: the readings of a folder from the strictest to the most lenient, and what is said about them."""

    def __init__(self, root: Path | None, scale: int | None, *, high_only: bool) -> None:
        self.root, self.scale, self.high_only = root, scale, high_only
        self.found = PairListing("")

    # ------------------------------------------------------------------ readings

    def pairs_under(self, folder: Path) -> Sides | None:
        """Low and high by names of folders, by names of files, or by sizes; None if nothing tells them apart."""
        inside = subfolders(folder)
        splits, split_doubts = pick_folders(inside, split_named, None)
        inner = {split: pick_folders(subfolders(path), side_in, self.scale) for split, path in splits.items()}
        if any(sides for sides, _ in inner.values()):
            self._accept("split/side", split_doubts + [doubt for _, doubts in inner.values() for doubt in doubts])
            return {split: self._open(sides) for split, (sides, _) in inner.items()}
        if sides := self._by_joined_names(inside):
            return sides
        named, doubts = pick_folders(inside, side_in, self.scale)
        if "high" in named and ("low" in named or self.high_only):
            crossed = self.cross(named.get("low"), named["high"])
            self._accept("side" if "" in crossed else "side/split", doubts)
            return crossed
        roots = splits or {"": folder}
        return self._by_file_names(roots) or self._by_sizes(roots)

    def _by_joined_names(self, inside: list[Path]) -> Sides | None:
        """``DIV2K_train_HR``: only if some side occurs in more than one split."""
        sided = [path for path in inside if side_in(path.name)]
        if not all(split_in(path.name) for path in sided):
            return None
        named, doubts = pick_folders(sided, _split_and_side, self.scale)
        by_split: dict[str, dict[str, Path]] = {}
        for what, path in named.items():
            split, side = what.split()
            by_split.setdefault(split, {})[side] = path
        if len(by_split) < 2 or len(named) < 3 - self.high_only:
            return None
        for split in [split for split, sides in by_split.items() if split == "test" and "high" not in sides]:
            self.found.notes.append(f"{by_split.pop(split)['low'].name} is left out: no high-resolution images beside")
        self._accept("split and side in one name", doubts)
        return {split: self._open(sides) for split, sides in by_split.items()}

    def _by_file_names(self, roots: dict[str, Path]) -> Sides | None:
        """``NAME_HR`` and ``NAME_LR4`` in one folder; files that say neither are problems."""
        result: Sides = {}
        others: list[FileProblem] = []
        for split, folder in roots.items():
            by_side: dict[str | None, list[Entry]] = {"low": [], "high": [], None: []}
            entries = self._tree(folder)
            if {side_of_file(entry.path.name) for entry in entries} >= {"low", "high"}:
                entries = choose_groups(entries, self.scale, folder)
            for entry in entries:
                by_side[side_of_file(entry.path.name)].append(entry)
            pairs, _, _ = match(split, by_side["low"], by_side["high"], folder)
            if not pairs:
                return None
            result[split] = None if self.high_only else Side(folder, by_side["low"]), Side(folder, by_side["high"])
            what, remedy = "neither _LR nor _HR ends its name", "rename or remove the file"
            others += [FileProblem(split, show(entry.path, self.root), what, remedy) for entry in by_side[None]]
        self._accept("side in the names of files", others)
        return result

    def _by_sizes(self, roots: dict[str, Path]) -> Sides | None:
        """Two folders of equal names; the one with the larger images has the high-resolution ones."""
        result: Sides = {}
        notes = []
        for split, folder in roots.items():
            inside = [Side(path, self._tree(path)) for path in subfolders(folder)]
            filled = [side for side in inside if side.entries]
            if len(filled) != 2 or find_images(folder)[0] or not _have_equal_names(*filled):
                return None
            low, high, factor = _order_by_size(*filled)
            if factor in (None, 1):
                said = "sizes" if factor else "names, but sizes that do not differ by one whole factor"
                names = "names and " if factor else ""
                self.found.doubtful += match(split, low.entries, high.entries, self.root)[0]
                self.found.doubt = f"the images in {low.folder.name} and {high.folder.name} have equal {names}{said}"
                return None
            notes.append(
                f"{low.folder.name} is taken for low resolution and {high.folder.name} for high: "
                f"equal names, and sizes that differ by {factor}"
            )
            result[split] = None if self.high_only else low, high
        self.found.notes += notes
        self._accept("two folders of equal names", [])
        return result

    def images_alone(self, folder: Path, *, alone: bool) -> Sides:
        """Images that nothing divides into low and high.

        Raises:
            DataError: no images, or images that need a counterpart.
        """
        roots, _ = pick_folders(subfolders(folder), split_named, None)
        self.found.layout = HIGH_ONLY
        if self.high_only:
            return {split: (None, self._side(path)) for split, path in (roots or {"": folder}).items()}
        if not self._tree(folder):
            raise DataError(
                "no images", str(folder), "PNG, JPEG, WebP, BMP or TIFF in train/low_res, train/high_res ..."
            )
        if alone and not self.found.doubt:
            self.found.layout = "images alone, each its own target"
            return {
                split: (side, side) for split, path in (roots or {"": folder}).items() if (side := self._side(path))
            }
        seen = self.found.doubt or f"seen: {_list_folders(folder)}"
        raise DataError(
            f"no pairs: these folders do not say which images are low and which are high ({seen})",
            str(folder),
            "name them train/low_res, train/high_res ..., or name the two folders in data.low and data.high, or list "
            "the pairs in a CSV with the columns low,high, or have low-resolution images made: "
            "data.degrade: {kernel: bicubic, scale: 2}",
        )

    def cross(self, low: Path | None, high: Path) -> Sides:
        """Two folders that hold either images or split folders."""
        low_splits, low_doubts = pick_folders(subfolders(low) if low else [], split_named, None)
        high_splits, high_doubts = pick_folders(subfolders(high), split_named, None)
        self.found.problems += low_doubts + high_doubts
        if not low_splits and not high_splits:
            return {"": self._open({"high": high} | ({"low": low} if low else {}))}
        return {
            split: self._open(
                {side: of[split] for side, of in (("low", low_splits), ("high", high_splits)) if split in of}
            )
            for split in low_splits | high_splits
        }

    # ------------------------------------------------------------------ from readings to pairs

    def match_all(self, sides: Sides) -> None:
        """Pairs of every split, in `found`."""
        for split in (split for split in ("", *SPLITS) if split in sides):
            low, high = sides[split]
            if self.high_only:
                entries = high.entries if high else []
                self.found.splits[split] = [Pair(name_of(entry), None, entry.path) for entry in entries]
            elif low and high:
                self._match(split, low, high)
            else:
                self._tell_missing(split, low, high)

    def _match(self, split: str, low: Side, high: Side) -> None:
        lows, highs = low.entries, high.entries
        if self.scale or not {entry.group for entry in lows} & {entry.group for entry in highs}:
            lows, highs = (choose_groups(side.entries, self.scale, side.folder) for side in (low, high))
        pairs, problems, rule = match(split, lows, highs, self.root)
        self.found.splits[split] = pairs
        self.found.problems += problems
        if pairs and rule not in self.found.rules:
            self.found.rules.append(rule)

    def _tell_missing(self, split: str, low: Side | None, high: Side | None) -> None:
        """Report a split that has only one of the two folders."""
        side, present = ("low", high) if low is None else ("high", low)
        assert present is not None
        self.found.problems.append(
            FileProblem(
                split, show(present.folder, self.root), f"no folder of {side}-resolution images beside it", "add it"
            )
        )

    def _open(self, sides: dict[str, Path]) -> tuple[Side | None, Side | None]:
        low = None if self.high_only or "low" not in sides else self._side(sides["low"])
        return low, self._side(sides["high"]) if "high" in sides else None

    def _side(self, folder: Path) -> Side:
        """The images of a folder; what is passed over is counted."""
        tree = read_tree(folder)
        self.found.ignored += tree.ignored
        if tree.deeper:
            where = show(folder, self.root)
            self.found.notes.append(f"{tree.deeper} images deeper in {where} are left out: others lie above them")
        return Side(folder, tree.entries)

    def _tree(self, folder: Path) -> list[Entry]:
        return read_tree(folder).entries

    def _accept(self, layout: str, problems: list[FileProblem]) -> None:
        self.found.layout = layout
        self.found.problems += problems


def _split_and_side(name: str) -> Meaning | None:
    split, side = split_in(name), side_in(name)
    return Meaning(f"{split.what} {side.what}", side.usual) if split and side else None


def _have_equal_names(one: Side, other: Side) -> bool:
    names = [sorted((entry.group, entry.path.stem.casefold()) for entry in side.entries) for side in (one, other)]
    return names[0] == names[1] and len(set(names[0])) == len(names[0])


def _order_by_size(one: Side, other: Side) -> tuple[Side, Side, int | None]:
    """(smaller, larger, whole factor between them); None as the factor where some sizes do not differ by it."""
    pairs, _, _ = match("", one.entries, other.entries, None)
    step = max(1, len(pairs) // _COMPARED)
    try:
        sizes = [(read_size(pair.low), read_size(pair.high)) for pair in pairs[::step] if pair.low]
    except DataError:
        return one, other, None
    if sizes[0][0] > sizes[0][1]:
        one, other, sizes = other, one, [(high, low) for low, high in sizes]
    factors = {fit.scale if (fit := find_fit(low, high)) else None for low, high in sizes}
    return one, other, factors.pop() if len(factors) == 1 else None


def _list_folders(folder: Path) -> str:
    counts = {path.name: len(read_tree(path).entries) for path in subfolders(folder)}
    named = [f"{count} in {escape_name(name)}" for name, count in list(counts.items())[:5]]
    direct = len(find_images(folder)[0])
    return ", ".join([f"{direct} images directly"] * bool(direct) + named + ["..."] * (len(counts) > 5))


def _from_list(path: Path) -> PairListing:
    found = PairListing("list")
    for split, pair in read_list(path, found.problems):
        found.splits.setdefault(split, []).append(pair)
    if "" in found.splits and len(found.splits) > 1:
        names = ", ".join(pair.name for pair in found.splits.pop("")[:3])
        found.problems.append(FileProblem("", str(path), f"no split for {names}", "fill the third column in every row"))
    return found
