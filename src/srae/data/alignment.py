"""Whether the two images of a pair show the same: a low-resolution image is compared with its shrunken counterpart.

Shifts are found by phase correlation (Kuglin and Hines 1975) in grey values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from srae.data.fit import find_fit
from srae.data.matching import FileProblem, Pair, show
from srae.data.scan import ScannedPair, in_threads
from srae.errors import DataError
from srae.images.image import read_grey

COMPARED = 300
"""Pairs of each split that are compared, evenly spaced."""
_SIDE = 256  # of the centre that is compared
# Correlations above which images show the same, and below which they do not: true pairs had 0.998 and more, 87.5 % of
# the others less than 0.5 (docs/lab_log.md, "Low against shrunken high in data check").
_ALIKE, _FOREIGN = 0.7, 0.5
_GAIN = 0.03  # rise of the correlation from which a shift is believed
# Correlation of the difference with the detail of high, from which low is the sharper one: of 30 swapped pairs 26 had
# more, of 30 noisy or blurred ones none.
_SHARPER = 0.3
_FLAT = 4.0  # grey levels of contrast below which nothing can be compared
_THUMB = 16


class Likeness(NamedTuple):
    """How a low-resolution image lies against its shrunken counterpart."""

    correlation: float
    """-1 to 1 at the best shift; nan where one image is flat."""
    shift: tuple[int, int]
    """(rows, columns) in pixels of the low-resolution image by which it lies further down and right."""
    sharper_low: bool
    """The low-resolution image, of one size with its counterpart, has the finer detail."""


def compare(low: np.ndarray, high: np.ndarray) -> Likeness:
    """Compare grey images, float32 (H, W) in 0 to 255, of one whole scale (see `fit`)."""
    fit = find_fit((low.shape[0], low.shape[1]), (high.shape[0], high.shape[1]))
    assert fit is not None
    low, small = low[: fit.low[0], : fit.low[1]], shrink(high[: fit.high[0], : fit.high[1]], fit.scale)
    low, small = _centre(low), _centre(small)
    if min(low.std(), small.std()) < _FLAT:
        return Likeness(float("nan"), (0, 0), sharper_low=False)
    still = _correlate(low, small, (0, 0))
    shift = _find_shift(low, small)
    moved = _correlate(low, small, shift)
    if moved < max(still + _GAIN, _ALIKE):
        # Noise hides what two images share, but not from means over a few pixels.
        coarse = max(1, min(low.shape) // _THUMB)
        rows, columns = (side // coarse * coarse for side in low.shape)
        means = [shrink(image[:rows, :columns], coarse) for image in (low, small)]
        shift, moved = (0, 0), max(still, correlation(*means))
    return Likeness(moved, shift, sharper_low=fit.scale == 1 and shift == (0, 0) and _is_sharper(low, small))


def are_alike(pairs: list[Pair]) -> bool:
    """Whether images of equal names show the same in most of up to 32 pairs, as no two classes do."""
    chosen = pairs[:: max(1, len(pairs) // 32)]
    alike = in_threads(lambda pair: float(_thumb(pair.low) @ _thumb(pair.high)), chosen, "comparing images")
    return sum(correlation > _ALIKE for correlation in alike) > len(chosen) / 2


def find_strange_pairs(
    scanned: Mapping[str, list[ScannedPair]], root: Path | None
) -> tuple[list[FileProblem], list[str]]:
    """Warnings, one for each kind and split, and a note where not every pair was compared."""
    warnings: list[FileProblem] = []
    notes = []
    for split, items in scanned.items():
        pairs = [item.pair for item in items if item.low and find_fit(item.low.size, item.high.size)]
        chosen = [pairs[index] for index in np.linspace(0, len(pairs) - 1, min(len(pairs), COMPARED)).astype(int)]
        if len(chosen) < len(pairs):
            notes.append(f"{len(chosen)} of {len(pairs)} {split} pairs were compared, low with shrunken high")
        found = list(in_threads(_compare_files, chosen, "comparing low with high"))
        for (what, remedy), names in _judge(chosen, found).items():
            examples = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
            place = show(pairs[0].high.parent, root)
            warnings.append(
                FileProblem(split, place, f"{len(names)} of {len(chosen)} pairs: {what} ({examples})", remedy)
            )
    return warnings, notes


def _judge(pairs: list[Pair], found: list[Likeness]) -> dict[tuple[str, str], list[str]]:
    """(what is strange, remedy) -> the names."""
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    sharper = [pair.name for pair, like in zip(pairs, found, strict=True) if like.sharper_low]
    if len(sharper) > len(pairs) / 2:
        kinds["low is sharper than high: the sides seem swapped", "swap the names of the two folders"] = sharper
    foreign = [pair for pair, like in zip(pairs, found, strict=True) if like.correlation < _FOREIGN]
    partners = _find_partners(foreign, pairs) if foreign else {}
    for pair, like in zip(pairs, found, strict=True):
        if like.shift != (0, 0):
            what = f"low is shifted against high by {_describe(like.shift)}"
            kinds[what, "align the two sides, or cut both to what they share"].append(pair.name)
        elif pair in partners:
            what = "low shows another image of this split: the rows or names are shuffled"
            named = f"{pair.name} is {partners[pair]}"
            kinds[what, "match the names again, or list the pairs in a CSV"].append(named)
        elif like.correlation < _FOREIGN:
            kinds["low shows something else than high", "look at them; remove or replace the pair"].append(pair.name)
    return kinds


def _describe(shift: tuple[int, int]) -> str:
    words = (("down", "up"), ("right", "left"))
    parts = [f"{abs(by)} {plus if by > 0 else minus}" for by, (plus, minus) in zip(shift, words, strict=True) if by]
    return f"{' and '.join(parts)} (pixels of low)"


def _find_partners(foreign: list[Pair], pairs: list[Pair]) -> dict[Pair, str]:
    """For pairs whose sides differ, the file in which the high-resolution image is found again, if it is."""
    lows = np.stack(list(in_threads(lambda pair: _thumb(pair.low), pairs, "looking for the counterparts")))
    result = {}
    for pair, thumb in zip(foreign, in_threads(lambda pair: _thumb(pair.high), foreign, "comparing"), strict=True):
        scores = lows @ thumb
        best = int(scores.argmax())
        low = pairs[best].low
        if scores[best] > 0.9 and low is not None and low != pair.low:
            result[pair] = low.name
    return result


def _thumb(path: Path | None) -> np.ndarray:
    """A small image as a vector of mean 0 and length 1, whose products are correlations."""
    grey = load_grey(path)
    if grey is None:
        return np.zeros(_THUMB**2, np.float32)
    small = np.asarray(Image.fromarray(grey).resize((_THUMB, _THUMB), Image.Resampling.BOX)).ravel()
    small = small - small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def _compare_files(pair: Pair) -> Likeness:
    low, high = load_grey(pair.low), load_grey(pair.high)
    if low is None or high is None:
        return Likeness(float("nan"), (0, 0), sharper_low=False)
    return compare(low, high)


def load_grey(path: Path | None) -> np.ndarray | None:
    """Grey values of a file on white, float32 (H, W) in 0 to 255; None where it cannot be read."""
    try:
        return read_grey(path) if path else None
    except DataError:  # changed since it was scanned
        return None


def shrink(image: np.ndarray, scale: int) -> np.ndarray:
    """(H, W) -> (H / scale, W / scale), means of blocks; scale divides both sides."""
    height, width = image.shape
    return image.reshape(height // scale, scale, width // scale, scale).mean((1, 3))


def _centre(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, (side - _SIDE) // 2) for side in image.shape)
    return image[top : top + _SIDE, left : left + _SIDE]


def _find_shift(low: np.ndarray, high: np.ndarray) -> tuple[int, int]:
    """(rows, columns) by which `low` lies further down and right, at most a quarter of a side."""
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in low.shape))
    cross = np.fft.rfft2((low - low.mean()) * window) * np.conj(np.fft.rfft2((high - high.mean()) * window))
    peaks = np.fft.irfft2(cross / (np.abs(cross) + 1e-3 * np.abs(cross).mean()), low.shape)
    reach = [side // 4 for side in low.shape]
    rows, columns = (np.arange(-by, by + 1) for by in reach)
    near = peaks[np.ix_(rows, columns)]
    row, column = np.unravel_index(near.argmax(), near.shape)
    return int(rows[row]), int(columns[column])


def _correlate(low: np.ndarray, high: np.ndarray, shift: tuple[int, int]) -> float:
    """Correlation of the parts that overlap when `low` is moved back."""
    for axis, by in enumerate(shift):
        size = low.shape[axis] - abs(by)
        low = low.take(range(max(by, 0), max(by, 0) + size), axis)
        high = high.take(range(max(-by, 0), max(-by, 0) + size), axis)
    return correlation(low, high)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's, of all values; 0 where one side is constant."""
    one, other = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / norm if norm else 0.0


def _is_sharper(low: np.ndarray, high: np.ndarray) -> bool:
    """Whether what `low` has more than `high` is the detail that blur took from `high`, and no noise."""
    inner = high[1:-1, 1:-1]
    detail = 4 * inner - high[:-2, 1:-1] - high[2:, 1:-1] - high[1:-1, :-2] - high[1:-1, 2:]
    difference = (low - high)[1:-1, 1:-1]
    return bool(np.abs(difference).mean() > 0.25) and correlation(difference, detail) > _SHARPER
