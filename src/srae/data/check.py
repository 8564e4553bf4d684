"""Find everything that is wrong or suspicious in a folder of pairs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from srae.config.data_sets import PairsConfig
from srae.config.degrade import Degrade
from srae.data.alignment import are_alike, find_strange_pairs
from srae.data.depth import settle
from srae.data.groups import Suspicion, suspect_groups
from srae.data.intake import note_white, read_headers
from srae.data.layouts import HIGH_ONLY, find_pairs
from srae.data.likeness import find_near_identical, make_thumb, warn_alike, warn_overlaps
from srae.data.matching import FileProblem, show
from srae.data.pairs import choose_splits
from srae.data.scan import Facts, ScannedPair, note_cuts, scale_of, scan
from srae.data.splits import note_few_val
from srae.data.trees import SeveralScales
from srae.errors import DataError
from srae.images.flatten import lay_on_white
from srae.images.image import from_pixels, read_image


@dataclass(frozen=True)
class SplitSummary:
    pairs: int
    sizes: dict[str, int]
    """``256x256`` (or ``128x128 -> 256x256``, low and high) -> how many."""
    modes: dict[str, int]
    """``RGB`` (or ``RGB -> RGBA``) -> how many."""


@dataclass(frozen=True)
class FolderReport:
    layout: str
    matched_by: list[str]
    scale: int | None
    """None when there are no low-resolution images, or scales are mixed."""
    splits: dict[str, SplitSummary]
    problems: list[FileProblem]
    """With one of these a training does not start."""
    warnings: list[FileProblem]
    """Duplicates, leaks between splits, mixed colour modes: a training starts all the same."""
    ignored: int
    notes: list[str]


def check_pairs(folder: Path, *, scale: int | None = None, group_by: str | None = None) -> FolderReport:
    """Decode every image of a folder (or CSV) of pairs, or of high-resolution images alone.

    Args:
        scale: which one is checked of folders called X2, X3, X4.
        group_by: which images stay in one split, as `data.group_by` says.

    Raises:
        DataError: the folder does not exist, holds no images, or several scales and none of them is chosen.
    """
    if not folder.exists():
        raise DataError("data folder is missing", str(folder), "check the path")
    try:
        alone = find_pairs(folder, scale=scale).layout == HIGH_ONLY
    except SeveralScales:
        raise
    except DataError:
        # No pairs, perhaps images alone.  Raises again when there are none, or when they may be pairs.
        images = find_pairs(folder, high_only=True)
        alone = any(images.splits.values()) and not (images.doubt and are_alike(images.doubtful))
        if not alone:
            raise
    options = PairsConfig(degrade=Degrade() if alone else None, scale=None if alone else scale, group_by=group_by)
    chosen = choose_splits(options, folder, None, None)
    thumbs: dict[Path, np.ndarray] = {}
    scanned, unreadable = scan(chosen.splits, partial(_look, thumbs=thumbs), folder)
    notes = chosen.notes + note_cuts(scanned) + settle(options, read_headers(chosen.splits), folder)[1]
    if alone:
        notes.append(
            "high-resolution images only: set data.degrade: {kernel: bicubic, scale: 2}, or run `srae data make-pairs`"
        )
    keeps = "unless data.channels is RGBA, or 4 where the fourth sample is a band"
    notes += [f"{note}, {keeps}" for note in note_white(scanned)]
    strange, compared = find_strange_pairs(scanned, folder)
    suspicion = suspect_groups({split: [item.pair.name for item in items] for split, items in scanned.items()})
    leaks, left_out = _find_leaks(scanned, thumbs, suspicion, folder)
    notes = [note for note in notes if not (leaks and suspicion and note == suspicion.describe())]
    notes += compared + left_out
    items = [item for pairs in scanned.values() for item in pairs]
    folders = max((len({item.pair.high.parent for item in pairs}) for pairs in scanned.values()), default=0)
    if alone and folders > 1:
        notes.append(f"images in {folders} folders: if each is a class, use data.name: class_folders")
    scales = {scale_of(item) for item in items if item.low}
    return FolderReport(
        layout=chosen.layout,
        matched_by=chosen.rules,
        scale=scales.pop() if len(scales) == 1 else None,
        splits={split: _summarize(pairs) for split, pairs in scanned.items()},
        problems=chosen.problems + unreadable,
        warnings=[FileProblem("val", "all", note, "add images") for note in note_few_val(len(scanned.get("val", [])))]
        + _find_twins(scanned, folder)
        + leaks
        + strange
        + _find_mixed_modes(scanned),
        ignored=chosen.ignored,
        notes=notes,
    )


def _look(path: Path, *, thumbs: dict[Path, np.ndarray]) -> Facts:
    image = read_image(path)
    _, height, width = image.color.shape
    mode = ("RGB" if len(image.color) == 3 else "L") + ("A" if image.alpha is not None else "")
    # Over the pixels, so that the same image is found in another file format too; with alpha, because the shape of
    # an icon may be in its alpha alone, and on white, because colour below alpha 0 is never seen.
    color, alpha = image.color, b""
    if image.is_transparent:
        color, alpha = from_pixels(lay_on_white(image.pixels)), image.pixels[:, :, -1].tobytes()
    digest = hashlib.sha256(f"{mode[:1]} {height} {width} ".encode() + color.tobytes() + alpha).hexdigest()
    grey = color.mean(0)
    if image.bits != 8:  # 12 of 16 bits are nearly black
        grey = (grey - grey.min()) / max(float(np.ptp(grey)), 1e-6)
    thumbs[path] = make_thumb(grey * 255)
    shown = mode if image.bits == 8 else f"{mode} {image.bits} bit"
    return Facts((height, width), digest, shown, on_white=image.is_transparent)


def _summarize(items: list[ScannedPair]) -> SplitSummary:
    def count(words: Iterable[tuple[str, str]]) -> dict[str, int]:
        found = Counter(low if low == high else f"{low} -> {high}" for low, high in words)
        return dict(found.most_common())

    sides = [(item.low or item.high, item.high) for item in items]
    return SplitSummary(
        pairs=len(items),
        sizes=count((_size(low), _size(high)) for low, high in sides),
        modes=count((low.mode, high.mode) for low, high in sides),
    )


def _size(facts: Facts) -> str:
    return f"{facts.size[1]}x{facts.size[0]}"


def _find_twins(scanned: Mapping[str, list[ScannedPair]], root: Path) -> list[FileProblem]:
    """High-resolution images that occur twice, in one split or in two, and pairs of two equal images."""
    seen: dict[str, tuple[str, Path]] = {}
    warnings = []
    for split, items in scanned.items():
        for item in items:
            path = show(item.pair.high, root)
            if item.low and item.low.digest == item.high.digest:
                warnings.append(
                    FileProblem(split, path, "low and high are the same image", "check the low-resolution image")
                )
            if item.high.digest not in seen:
                seen[item.high.digest] = split, item.pair.high
                continue
            first_split, first = seen[item.high.digest]
            if first_split == split:
                what, remedy = f"same image as {show(first, root)}", "remove one of them"
            else:
                what = f"leak: also in {first_split}, as {show(first, root)}"
                remedy = f"remove it from {first_split}, or its {split} metrics are too good"
            warnings.append(FileProblem(split, path, what, remedy))
    return warnings


def _find_leaks(
    scanned: Mapping[str, list[ScannedPair]],
    thumbs: Mapping[Path, np.ndarray],
    suspicion: Suspicion | None,
    root: Path,
) -> tuple[list[FileProblem], list[str]]:
    """Warnings about images of several splits that show the same, and a note where not all were compared."""
    paths = {(split, item.pair.name): item.pair.high for split, items in scanned.items() for item in items}
    alike, notes = find_near_identical(scanned, thumbs)
    warnings = warn_alike(alike, suspicion, paths, root)
    if suspicion:
        told = {path for found in alike for path in (found.path, found.other)}
        others = suspicion.without({member for member, path in paths.items() if path in told})
        warnings += warn_overlaps(others, paths, root)
    return warnings, notes


def _find_mixed_modes(scanned: Mapping[str, list[ScannedPair]]) -> list[FileProblem]:
    modes = Counter(
        facts.mode for items in scanned.values() for item in items for facts in (item.low, item.high) if facts
    )
    if len(modes) < 2:
        return []
    counts = ", ".join(f"{count} {mode}" for mode, count in modes.most_common())
    return [
        FileProblem(
            "",
            "all",
            f"mixed colour modes: {counts}",
            "data.channels decides what they become; RGB lays transparent ones on white",
        )
    ]
