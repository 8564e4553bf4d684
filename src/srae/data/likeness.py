"""Images of several splits that show the same: near-identical ones, and tiles of one image that overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from srae.data.alignment import correlation, load_grey, shrink
from srae.data.groups import Suspicion, list_some
from srae.data.matching import FileProblem, show
from srae.data.scan import ScannedPair, in_threads

THUMB = 32
COMPARED = 20_000
"""Images that are compared with those of other splits, at most; evenly spaced."""
_BLOCK = 512  # images compared at once with all of another split: 40 MB for 20,000
# Pairs of pokemon150 above both show one drawing each; none of 16 million pairs of different MNIST digits is.
_SAME, _SAME_DETAIL = 0.98, 0.95
_FAMILIES, _PER_FAMILY = 60, 3  # of images whose tiles are compared, and tiles of each
_LONGEST = 512  # side of the tiles that are compared
# At these, 37 of 40 half overlaps were found, and 2 of 120 touching tiles (docs/lab_log.md, "Near-identical images").
_OVERLAP, _LEAST_SHARE, _FLAT, _PEAKS = 0.98, 0.08, 4.0, 8


class Alike(NamedTuple):
    """Two images of two splits."""

    split: str
    path: Path
    other_split: str
    other: Path


def make_thumb(grey: np.ndarray) -> np.ndarray:
    """float32 (H, W) in 0 to 255 -> uint8 (32, 32), for `find_near_identical`."""
    small = Image.fromarray(grey).resize((THUMB, THUMB), Image.Resampling.BOX)
    return np.asarray(small).round().astype(np.uint8)


def find_near_identical(
    scanned: Mapping[str, list[ScannedPair]], thumbs: Mapping[Path, np.ndarray]
) -> tuple[list[Alike], list[str]]:
    """Images of val with the most similar one of train, and of test with that of train and val, if near-identical.

    Copies in another size, format or quality are found, also with other brightness or contrast; images
    with equal pixels are not listed.

    Returns:
        The pairs, and a note where not all images were compared.
    """
    total = sum(map(len, scanned.values()))
    step = -(-total // COMPARED) or 1
    chosen = {split: items[::step] for split, items in scanned.items()}
    vectors = {split: _vectors([thumbs[item.pair.high] for item in items]) for split, items in chosen.items() if items}
    found = [
        Alike(split, one.pair.high, other_split, other.pair.high)
        for other_split, split in combinations(vectors, 2)
        for place, nearest in _find_nearest(vectors[split], vectors[other_split])
        if (one := chosen[split][place]).high.digest != (other := chosen[other_split][nearest]).high.digest
        and _share_detail(thumbs[one.pair.high], thumbs[other.pair.high])
    ]
    compared = sum(map(len, chosen.values()))
    return found, [f"{compared} of {total} images were compared with those of other splits"] if step > 1 else []


def _vectors(thumbs: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of mean 0 and length 1, whose products are correlations; zeros for flat images."""
    rows = np.stack(thumbs).reshape(len(thumbs), -1).astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    flat = rows.std(1, keepdims=True) < _FLAT
    return np.where(flat, 0, rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def _find_nearest(rows: np.ndarray, others: np.ndarray) -> Iterator[tuple[int, int]]:
    """(row, most similar row of the others), where they are similar enough."""
    for start in range(0, len(rows), _BLOCK):
        products = rows[start : start + _BLOCK] @ others.T
        nearest = products.argmax(1)
        for offset in np.flatnonzero(products[np.arange(len(products)), nearest] > _SAME):
            yield start + int(offset), int(nearest[offset])


def _share_detail(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether also what is smaller than a few pixels of two thumbs is the same: not so for skies, fog, gradients."""
    details = [_detail(thumb) for thumb in (one, other)]
    return min(detail.std() for detail in details) > 0.5 and correlation(*details) > _SAME_DETAIL


def _detail(thumb: np.ndarray) -> np.ndarray:
    coarse = Image.fromarray(shrink(thumb.astype(np.float32), 4))
    return thumb - np.asarray(coarse.resize((THUMB, THUMB), Image.Resampling.BILINEAR))


# ------------------------------------------------------------------ tiles


def find_overlaps(suspicion: Suspicion, paths: Mapping[tuple[str, str], Path]) -> tuple[list[Alike], int]:
    """Files of one family in two splits whose images overlap, one pair for each family, and how many were compared.

    Args:
        paths: (split, name) -> high-resolution image.
    """
    families = list(suspicion.families.values())
    step = -(-len(families) // _FAMILIES) or 1

    def look(members: list[tuple[str, str]]) -> Alike | None:
        for one, other in _neighbours(members):
            tiles = [load_grey(paths[member]) for member in (one, other)]
            if tiles[0] is not None and tiles[1] is not None and overlap(tiles[0], tiles[1]):
                return Alike(one[0], paths[one], other[0], paths[other])
        return None

    chosen = families[::step]
    return [found for found in in_threads(look, chosen, "comparing tiles") if found], len(chosen)


def _neighbours(members: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Pairs of two splits that come one after the other, some per family; the one that is not of train first."""
    ordered = sorted(members, key=lambda member: member[1])
    pairs = [(a, b) for a, b in pairwise(ordered) if a[0] != b[0]]
    for first, second in pairs[:: -(-len(pairs) // _PER_FAMILY)]:
        yield (second, first) if first[0] == "train" else (first, second)


def overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two images, float32 (H, W) in 0 to 255, are cut from one image and share at least a twelfth of it."""
    factor = -(-max(*one.shape, *other.shape) // _LONGEST)
    one, other = (_cut_and_shrink(image, factor) for image in (one, other))
    size = [2 * max(sides) for sides in zip(one.shape, other.shape, strict=True)]
    spectra = [np.fft.rfft2(image - image.mean(), size) for image in (one, other)]
    cross = spectra[0] * np.conj(spectra[1])
    peaks = np.fft.irfft2(cross / (np.abs(cross) + 1e-6 * np.abs(cross).max() + 1e-12), size)
    for place in np.argpartition(peaks.ravel(), -_PEAKS)[-_PEAKS:]:
        rows, columns = (
            int(by) if by < side // 2 else int(by) - side
            for by, side in zip(np.unravel_index(place, peaks.shape), size, strict=True)
        )
        shared = _shared(one, rows, columns, other.shape), _shared(other, -rows, -columns, one.shape)
        large = shared[0].size >= _LEAST_SHARE * min(one.size, other.size)
        if large and min(part.std() for part in shared) > _FLAT and correlation(*shared) > _OVERLAP:
            return True
    return False


def _cut_and_shrink(image: np.ndarray, factor: int) -> np.ndarray:
    height, width = (side // factor * factor for side in image.shape)
    return shrink(image[:height, :width], factor)


def _shared(image: np.ndarray, rows: int, columns: int, other: tuple[int, ...]) -> np.ndarray:
    """What an image shares with one of size `other` whose upper left corner lies at (rows, columns) of it."""
    return image[max(rows, 0) : max(rows + other[0], 0), max(columns, 0) : max(columns + other[1], 0)]


# ------------------------------------------------------------------ what is said


def warn_alike(
    alike: Sequence[Alike], suspicion: Suspicion | None, paths: Mapping[tuple[str, str], Path], root: Path
) -> list[FileProblem]:
    """A warning for each two splits with near-identical images.

    Args:
        suspicion: the groups that names suggest; named as the remedy where they would keep some of these together.
        paths: (split, name) -> high-resolution image, for all images.
    """
    families = suspicion.families.items() if suspicion else ()
    family_of = {paths[member]: family for family, members in families for member in members}
    counts = Counter(split for split, _ in paths)
    by_splits: dict[tuple[str, str], list[Alike]] = {}
    for found in alike:
        by_splits.setdefault((found.split, found.other_split), []).append(found)
    warnings = []
    for (split, other_split), several in by_splits.items():
        what = f"leak: {len(several)} of {counts[split]} images are near-identical to images of {other_split}"
        remedy = f"remove them from {other_split}, or {split} metrics are too good"
        if suspicion and any(family_of.get(f.path, "one") == family_of.get(f.other, "other") for f in several):
            remedy = _keep_together(suspicion)
        warnings.append(FileProblem(split, "all", f"{what} ({_examples(several, root)})", remedy))
    return warnings


def warn_overlaps(suspicion: Suspicion, paths: Mapping[tuple[str, str], Path], root: Path) -> list[FileProblem]:
    """A warning where tiles of one image overlap that are in several splits; see `find_overlaps`."""
    found, compared = find_overlaps(suspicion, paths)
    if not found:
        return []
    what = f"leak: tiles of one image overlap that are in several splits, in {len(found)} of {compared} groups compared"
    return [FileProblem("", "all", f"{what} ({_examples(found, root)})", _keep_together(suspicion))]


def _examples(alike: Sequence[Alike], root: Path) -> str:
    return list_some([f"{show(found.path, root)} and {show(found.other, root)}" for found in alike])


def _keep_together(suspicion: Suspicion) -> str:
    return f"keep each group in one split; where srae splits, by data.group_by: {suspicion.group_by}"
