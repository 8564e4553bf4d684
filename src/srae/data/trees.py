"""Folders of images: what lies in them, and which of several folders is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from srae.data.matching import Entry, FileProblem
from srae.data.naming import Meaning, scale_in, side_in, split_in, split_named
from srae.errors import DataError
from srae.images.image import find_images


class SeveralScales(DataError):
    """There are low-resolution images of several scales, and none of these scales was chosen."""


class Tree(NamedTuple):
    """The images of a folder, all of one depth."""

    entries: list[Entry]
    ignored: int
    """Entries that are no images."""
    deeper: int
    """Images further down, which are left out."""


def subfolders(folder: Path) -> list[Path]:
    """In the order of their names, without hidden ones.

    Raises:
        DataError: not a readable folder.
    """
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.is_dir() and not path.name.startswith(".") and path.name != "__MACOSX"
        )
    except OSError as error:
        raise DataError(f"cannot list folder: {error.strerror}", str(folder), "check the path") from None


def read_tree(folder: Path) -> Tree:
    """The images directly in a folder, else those of the first depth that has any."""
    level, seen = [folder], {folder.resolve()}
    entries: list[Entry] = []
    ignored = deeper = 0
    while level:
        inner: list[Path] = []
        found: list[Entry] = []
        for place in level:
            images, others = find_images(place)
            below = subfolders(place)
            group = place.relative_to(folder).as_posix() if place != folder else ""
            found += [Entry(group, path) for path in images]
            ignored += 0 if entries else others - len(below)
            inner += below
        if entries:
            deeper += len(found)
        entries = entries or found
        unseen = {path.resolve(): path for path in inner if path.resolve() not in seen}  # links may lead round
        seen |= unseen.keys()
        level = list(unseen.values())
    return Tree(entries, ignored, deeper)


def unwrap(folder: Path) -> Path:
    """The folder inside that has split or side folders, where archives were unpacked into folders of one folder."""
    place = folder
    for _ in range(4):
        inner = subfolders(place)
        if any(split_named(path.name) or side_in(path.name) or split_in(path.name) for path in inner):
            return place
        if len(inner) != 1 or find_images(place)[0]:
            return folder
        place = inner[0]
    return folder


def pick_folders(
    folders: Iterable[Path], meaning: Callable[[str], Meaning | None], scale: int | None
) -> tuple[dict[str, Path], list[FileProblem]]:
    """Folders by the meaning of their names, and a problem for each that means what another one means.

    Usual words win over rarer ones, then the folder whose name ends with `scale`.

    Raises:
        SeveralScales: folders differ in their scale, and `scale` is not one of theirs.
    """
    groups: dict[str, list[tuple[Path, bool]]] = {}
    for path in folders:
        if found := meaning(path.name):
            groups.setdefault(found.what, []).append((path, found.usual))
    chosen, doubts = {}, []
    for what, several in groups.items():
        named = [path for path, usual in several if usual] or [path for path, _ in several]
        first, *others = _at_scale(named, scale)
        chosen[what] = first
        for path in others:
            problem = f"means the same as {first.name}: {what}"
            remedy = f"move {first.name} or {path.name} out of the folder, or name data.low and data.high"
            doubts.append(FileProblem(split.what if (split := split_named(what)) else "", str(path), problem, remedy))
    return chosen, doubts


def _at_scale(folders: list[Path], scale: int | None) -> list[Path]:
    scales = [scale_in(path.name) for path in folders]
    if len(folders) < 2 or None in scales or len(set(scales)) < len(scales):
        return folders
    return [folders[scales.index(_choose_scale({found for found in scales if found}, scale, folders[0].parent))]]


def choose_groups(entries: list[Entry], scale: int | None, folder: Path) -> list[Entry]:
    """Of images in folders ``X2``, ``X3``...: those of `scale`, without that folder in their names; else all.

    Raises:
        SeveralScales: there are several scales, and `scale` is not one of them.
    """
    scales = {group: scale_in(group.rpartition("/")[2]) for group in {entry.group for entry in entries}}
    distinct = {found for found in scales.values() if found}
    if len(distinct) < 2 or None in scales.values():
        return entries
    chosen = _choose_scale(distinct, scale, folder)
    return [Entry(entry.group.rpartition("/")[0], entry.path) for entry in entries if scales[entry.group] == chosen]


def _choose_scale(found: set[int], scale: int | None, folder: Path) -> int:
    if scale in found:
        return scale
    known = sorted(found)
    remedy = f"choose one: data.scale: {known[0]}; `srae data check FOLDER --scale {known[0]}`"
    wanted = f", but not {scale}" if scale else ""
    raise SeveralScales(f"images for the scales {', '.join(map(str, known))}{wanted}", str(folder), remedy)
