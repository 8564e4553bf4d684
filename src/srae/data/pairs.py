"""Pairs of pictures on disk, in any of the layouts of `layouts`, opened for training.

Whatever is wrong with them is collected and raised once, before training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from srae.data.contract import Data, Options, sample_shapes, take_fingerprint
from srae.data.demo import open_demo
from srae.data.layouts import SPLITS, find_pairs
from srae.data.low_side import add_sizes, count_copies, describe_copies, describe_low_side, find_misfit, make_low
from srae.data.matching import Pair, Problem, show
from srae.data.scan import Facts, Reader, Scanned, scan
from srae.data.splits import set_aside, split_by_name
from srae.data.store import Shelf, Split
from srae.errors import DataError
from srae.images import read_pixels

PROBLEMS_SHOWN = 20


def open_pairs(options: Options, *, whole: bool = False) -> Data:
    """Read the pairs that `options` names; see `open_data`.

    Raises:
        DataError: folder missing, or everything that is wrong with its pictures.
    """
    folder, low, high = (Path(p).expanduser() if p else None for p in (options.folder, options.low, options.high))
    given = [path for path in ((folder,) if folder else (low, high)) if path]
    if not given:
        raise DataError("no folder given", "data.folder", "name one, or give --data FOLDER")
    missing = next((path for path in given if not path.exists()), None)
    if missing and options.otherwise == "demo":
        demo = open_demo(options, whole=whole)
        demo.notes.insert(0, f"{missing} is not there: training on the built-in demo pictures")
        return demo
    if missing:
        remedy = "put the pictures there, give --data FOLDER, or set data.otherwise: demo"
        raise DataError("data folder is missing", str(missing), remedy)
    source = folder or Path(f"{low} and {high}")

    chosen = choose_splits(options, folder, low, high, whole=whole)
    shelves = _Shelves(chosen.splits, options, whole=whole)
    scanned, problems = scan(chosen.splits, _reader(options.channels), folder, shelves.put)
    problems = chosen.problems + problems
    if options.degrade:
        problems += _misfits(scanned, options.degrade, folder)
    if problems:
        raise_problems(problems, source)

    rows = [
        (split, item.pair.name, f"{item.low.digest if item.low else ''}/{item.high.digest}")
        for split, items in scanned.items()
        for item in items
    ]
    splits = {
        split: shelves.to_split(split, [item.pair.name for item in items]) for split, items in scanned.items() if items
    }
    val = splits.get("val") or next(iter(splits.values()))
    train = splits.get("train", val)
    train = train if whole else add_sizes(train, options.degrade, options.enlarge)
    in_shape, out_shape = sample_shapes(train, options.crop, may_differ=whole)
    return Data(
        name=source.stem if source.is_file() else source.resolve().name,
        train=train,
        val=val,
        test=splits.get("test"),
        in_shape=in_shape,
        out_shape=out_shape,
        fingerprint=take_fingerprint(rows, describe_low_side(options.degrade, options.enlarge)),
        notes=chosen.notes + _passed_over(chosen.ignored) + describe_copies(train) + _leaks(scanned),
    )


@dataclass(frozen=True)
class Chosen:
    """Which pairs are in which split, before any is read."""

    layout: str
    rules: list[str]
    splits: dict[str, list[Pair]]
    problems: list[Problem]
    ignored: int
    notes: list[str]


def choose_splits(
    options: Options, folder: Path | None, low: Path | None, high: Path | None, *, whole: bool = False
) -> Chosen:
    """Find the pairs and settle the splits: those on disk, else by name; then test_from_val; then limit.

    Args:
        whole: to score, not to train: without a split on disk everything is
            val, and a split may be missing.
    """
    found = find_pairs(folder, low, high, high_only=bool(options.degrade))
    splits, notes = found.splits, []
    if "" in splits and whole:
        splits = {"val": splits[""]}
    elif "" in splits:
        splits = split_by_name(splits[""])
        counts = "/".join(str(len(splits[split])) for split in SPLITS)
        notes.append(f"no split on disk: {counts} train/val/test by file name")
    if options.test_from_val and splits.get("test"):
        notes.append("data.test_from_val is ignored: there is a test split of its own")
    elif options.test_from_val and splits.get("val"):
        kept, aside = set_aside(splits["val"], options.test_from_val)
        splits = splits | {"val": kept, "test": aside}
    problems = list(found.problems)
    for split in () if whole and any(splits.values()) else ("train", "val"):
        if not splits.get(split) and not any(problem.split == split for problem in problems):
            remedy = "add pictures, or leave out the split folders: srae then splits by file name"
            problems.append(Problem(split, split, "no pictures", remedy))
    splits = {split: splits[split][: options.limit] for split in SPLITS if split in splits}
    return Chosen(found.layout, found.rules, splits, problems, found.ignored, notes)


def raise_problems(problems: list[Problem], source: Path) -> None:
    """Raises: DataError that shows the first 20 and counts them all."""
    if len(problems) == 1:
        problem = problems[0]
        raise DataError(problem.what, f"{source}: {problem.split or 'all'}: {problem.file}", problem.how_to_mend)
    lines = [f"{p.split or 'all'}: {p.file}: {p.what}" for p in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"... and {len(problems) - PROBLEMS_SHOWN} more")
    remedy = f"`srae data check {source}` lists all, with how to mend them"
    raise DataError(f"{len(problems)} problems in {source}", "\n".join(lines), remedy)


def _reader(channels: Literal["L", "RGB", "RGBA"]) -> Reader:
    def read(path: Path) -> Facts:
        # The bytes that are hashed are the bytes that are decoded.
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read: {error.strerror}", str(path)) from None
        pixels = read_pixels(data, channels, name=str(path))
        return Facts((pixels.shape[0], pixels.shape[1]), hashlib.sha256(data).hexdigest(), pixels=pixels)

    return read


def _misfits(scanned: Mapping[str, list[Scanned]], degrade: Mapping[str, Any], root: Path | None) -> list[Problem]:
    return [
        Problem(split, show(item.pair.high, root), what, "remove the file")
        for split, items in scanned.items()
        for item in items
        if (what := find_misfit(item.high.size, degrade["kernel"], degrade["scale"]))
    ]


def _passed_over(count: int) -> list[str]:
    return [f"{count} entries passed over, they are no pictures"] if count else []


def _leaks(scanned: Mapping[str, list[Scanned]]) -> list[str]:
    train = {item.high.digest for item in scanned.get("train", [])}
    counts = {split: sum(item.high.digest in train for item in scanned.get(split, [])) for split in ("val", "test")}
    return [
        f"{count} {split} pictures are also train pictures: {split} figures flatter (`srae data check` names them)"
        for split, count in counts.items()
        if count
    ]


class _Shelves:
    """Low and high side of every split while they are read; makes the low side, or several, where there is none."""

    def __init__(self, splits: Mapping[str, list[Pair]], options: Options, *, whole: bool) -> None:
        self._degrade, self._enlarge, self._splits = options.degrade, options.enlarge, splits
        self._high = {split: Shelf(len(pairs)) for split, pairs in splits.items()}
        self._low = {
            split: [Shelf(len(pairs)) for _ in range(count_copies(options.degrade, split, whole=whole))]
            for split, pairs in splits.items()
        }

    def put(self, split: str, index: int, low: np.ndarray | None, high: np.ndarray) -> None:
        lows = [low]
        if self._degrade:
            kernel, scale = self._degrade["kernel"], self._degrade["scale"]
            height, width = high.shape[:2]
            if find_misfit((height, width), kernel, scale):
                return  # told by `_misfits`
            high = high[: height // scale * scale, : width // scale * scale]
            name = self._splits[split][index].name
            copies = range(len(self._low[split]))
            lows = [make_low(high, kernel, scale, self._enlarge, name=name, copy=copy) for copy in copies]
        for shelf, pixels in zip(self._low[split], lows, strict=True):
            assert pixels is not None
            shelf.put(index, pixels)
        self._high[split].put(index, high)

    def to_split(self, split: str, names: list[str]) -> Split:
        """Every place must have been filled."""
        low, *more = (shelf.to_store() for shelf in self._low[split])
        return Split(low, self._high[split].to_store(), names, more_inputs=more)
