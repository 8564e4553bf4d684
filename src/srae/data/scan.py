"""Read every file of pairs once, in a few threads, and list the problems."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from srae.data.fit import find_fit, is_cut
from srae.data.matching import FileProblem, Pair, show
from srae.errors import DataError
from srae.images.limits import SeveralFramesError

PROBLEMS_SHOWN = 20
BAR_AFTER = 1.0
"""Seconds before a progress bar appears."""


@dataclass(frozen=True)
class Facts:
    """What was read from one file."""

    size: tuple[int, int]
    """Height and width."""
    digest: str
    """SHA-256 of the bytes of the file, or of its pixels: the `Reader` decides."""
    mode: str = ""
    on_white: bool = False
    """Whether the image is transparent and was laid on white."""
    clipped: bool = False
    """Whether values lie outside the value range of the data set."""
    pixels: np.ndarray | None = None


@dataclass(frozen=True)
class ScannedPair:
    pair: Pair
    low: Facts | None
    """None when the low-resolution image is made from the high-resolution one."""
    high: Facts


Item = TypeVar("Item")
Result = TypeVar("Result")
Reader = Callable[[Path], Facts]
Keep = Callable[[str, int, np.ndarray | None, np.ndarray], None]


def scan(
    splits: Mapping[str, list[Pair]], read: Reader, root: Path | None, keep: Keep | None = None
) -> tuple[dict[str, list[ScannedPair]], list[FileProblem]]:
    """Every pair that can be read, and a problem for every file that cannot, or has a wrong size.

    Args:
        read: raises DataError for a file that is no image.
        root: files are named relative to it.
        keep: called with (split, index in the split, pixels of low, pixels of high)
            in a thread; no other reference to the pixels remains.
    """
    jobs = [(split, index, pair) for split, pairs in splits.items() for index, pair in enumerate(pairs)]

    def look(job: tuple[str, int, Pair]) -> ScannedPair | list[FileProblem]:
        split, index, pair = job
        facts: list[Facts] = []
        problems: list[FileProblem] = []
        for path in (pair.low, pair.high):
            if path is None:
                continue
            try:
                facts.append(read(path))
            except DataError as error:
                remedy = error.remedy or "replace or remove the file"
                if isinstance(error, SeveralFramesError):
                    remedy = "save each page as a file of its own; bands of one image belong into one page"
                problems.append(FileProblem(split, show(path, root), error.what, remedy))
        if problems:
            return problems
        low, high = facts[0] if pair.low else None, facts[-1]
        if keep and high.pixels is not None:
            keep(split, index, low.pixels if low else None, high.pixels)
        return ScannedPair(pair, low and replace(low, pixels=None), replace(high, pixels=None))

    scanned: dict[str, list[ScannedPair]] = {split: [] for split in splits}
    problems: list[FileProblem] = []
    for (split, _, _), result in zip(jobs, in_threads(look, jobs, "decoding images"), strict=True):
        if isinstance(result, ScannedPair):
            scanned[split].append(result)
        else:
            problems += result
    return scanned, problems + _judge_sizes(scanned, root)


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], doing: str) -> Iterator[Result]:
    """The results in order, from a few threads; slow work shows a progress bar in a terminal."""
    items = list(items)
    hidden = os.environ.get("TERM") == "dumb" or None  # None: unless stderr is a terminal
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    try:
        yield from tqdm(pool.map(work, items), doing, len(items), False, delay=BAR_AFTER, disable=hidden)
    finally:
        pool.shutdown(cancel_futures=True)


def raise_problems(problems: list[FileProblem], source: Path) -> None:
    """Raises: DataError that shows the first 20 problems and the number of all."""
    if len(problems) == 1:
        problem = problems[0]
        raise DataError(problem.what, f"{source}: {problem.split or 'all'}: {problem.file}", problem.how_to_mend)
    lines = [f"{p.split or 'all'}: {p.file}: {p.what}" for p in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"... and {len(problems) - PROBLEMS_SHOWN} more")
    remedy = f"`srae data check {source}` lists all of them with a remedy for each"
    raise DataError(f"{len(problems)} problems in {source}", "\n".join(lines), remedy)


def scale_of(item: ScannedPair) -> int | None:
    """High-resolution side / low-resolution side, or None when that is not one integer, see `fit`."""
    assert item.low is not None
    fit = find_fit(item.low.size, item.high.size)
    return fit.scale if fit else None


def note_cuts(scanned: Mapping[str, list[ScannedPair]]) -> list[str]:
    """A note with the number of pairs whose sides are no whole multiples; none if there are none."""
    cut = [item for items in scanned.values() for item in items if item.low and is_cut(item.low.size, item.high.size)]
    if not cut:
        return []
    low, high = cut[0].low, cut[0].high
    fit = find_fit(low.size, high.size) if low else None
    assert low is not None and fit is not None
    kept = [f"{_size(was)} -> {now[1]}x{now[0]}" for was, now in ((low, fit.low), (high, fit.high)) if was.size != now]
    example = f"{cut[0].pair.name} {' and '.join(kept)}"
    return [
        f"{len(cut)} pairs are cut to {fit.scale} times the low-resolution size at the right and the bottom ({example})"
    ]


def _judge_sizes(scanned: Mapping[str, list[ScannedPair]], root: Path | None) -> list[FileProblem]:
    """Problems of pairs whose sizes do not differ by the integer scale of the folder."""
    pairs = [item for items in scanned.values() for item in items if item.low is not None]
    scales = Counter(scale for item in pairs if (scale := scale_of(item)))
    common, count = scales.most_common(1)[0] if scales else (None, 0)
    most = f"{count} of {len(pairs)} pairs have {common}"
    problems = []
    for split, items in scanned.items():
        shrunk = [item for item in items if _is_shrunk(item)]
        if len(shrunk) > 1 and len(shrunk) == len(items):
            low_path = shrunk[0].pair.low
            assert low_path is not None
            what = f"low is larger than high in all {len(items)} pairs: the two folders are swapped"
            problems.append(FileProblem(split, show(low_path.parent, root), what, "swap the names of the two folders"))
            continue
        for item in items:
            if item.low is not None and (wrong := _judge_size(item, common, most)):
                problems.append(FileProblem(split, show(item.pair.high, root), *wrong))
    return problems


def _is_shrunk(item: ScannedPair) -> bool:
    """Whether the low-resolution image is the larger one."""
    return item.low is not None and item.low.size > item.high.size and not scale_of(item)


def _judge_size(item: ScannedPair, common: int | None, most: str) -> tuple[str, str] | None:
    """What is wrong with the sizes of a pair, and the remedy; None when nothing is.

    Args:
        common: the scale of most pairs.
        most: a sentence with the number of pairs that have it.
    """
    assert item.low is not None
    scale, sizes = scale_of(item), f"low {_size(item.low)}, high {_size(item.high)}"
    if _is_shrunk(item):
        return f"low is larger than high: {sizes}", "swap the two files"
    if scale is None:
        return f"sizes do not differ by an integer scale: {sizes}", "crop or resize one of the two, or remove the pair"
    if scale != common:
        return f"scale {scale} ({sizes}), but {most}", "keep one scale in a folder"
    return None


def _size(facts: Facts) -> str:
    return f"{facts.size[1]}x{facts.size[0]}"
