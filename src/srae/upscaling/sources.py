"""Which images a command means: files, folders and patterns; nothing is opened here."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from srae.errors import DataError
from srae.files import natural_key
from srae.images.formats import ACCEPTED, BY_SUFFIX, OTHERS
from srae.images.image import is_image

_RESULT = re.compile(r"(.+?)_(x[1-9]\d*(\.\d+)?|w\d+(_h\d+)?|h\d+)(_compare)?")
_PAGE = re.compile(r"(.+)_p[1-9]\d*")


@dataclass
class Sources:
    """Images, in order, each once.

    Attributes:
        below: the folder of each, below the folder or the fixed part of the pattern that named it.
        several: whether more than one could have been meant.
        notes: what was passed over.
    """

    paths: list[Path]
    several: bool
    notes: list[str] = field(default_factory=list)
    below: dict[Path, Path] = field(default_factory=dict)


def list_sources(inputs: Iterable[str], *, recursive: bool = False, output: str | None = None) -> Sources:
    """Files as named; folders and patterns by their images, without what this command made from others of them.

    Hidden files and folders are passed over, and links that lead back are followed once.

    Args:
        recursive: folders with all that is below them.
        output: a folder that is not read when it lies inside another; what is there are results.

    Raises:
        DataError: a folder or pattern without images.
    """
    inputs, passed = list(inputs), Counter[tuple[str, str]]()
    found = Sources([], len(inputs) > 1 or any(map(_names_many, inputs)))
    skipped = os.path.realpath(output) if output else None
    folders = False
    for name in inputs:
        if not _names_many(name):
            found.paths.append(Path(name))
            continue
        root, entries = _expand(name, recursive, skipped)
        folders |= not recursive and os.path.isdir(name) and any(map(os.path.isdir, entries))
        images = [entry for entry in entries if is_image(entry) and not BY_SUFFIX[entry.suffix.lower()].missing]
        stems = {(path.parent, stem) for path in images for stem in (path.stem, f"{path.stem}_{path.suffix[1:]}")}
        kept = [path for path in images if not any((path.parent, stem) in stems for stem in _made_from(path))]
        found.paths += kept
        found.below |= {path: path.parent.relative_to(root) for path in kept}
        passed.update((name, _explain(entry)) for entry in set(entries) - set(images))
        passed[name, "entries passed over, they are results of this command"] += len(images) - len(kept)
    found.notes = [f"{name}: {count} {what}" for (name, what), count in sorted(passed.items()) if count]
    if not found.paths:
        left_out = "; ".join(note for note in found.notes if "left out" in note)
        remedy = left_out or ("--recursive reads the folders inside" if folders else ACCEPTED)
        raise DataError("no images", " ".join(inputs), remedy)
    found.paths = list(dict.fromkeys(found.paths))
    return found


def _names_many(name: str) -> bool:
    return os.path.isdir(name) or (not os.path.lexists(name) and glob.has_magic(name))


def _expand(name: str, recursive: bool, skipped: str | None) -> tuple[Path, list[Path]]:
    """A folder or a pattern -> the folder that its images lie below, and all entries it means, in natural order."""
    root = Path(name) if os.path.isdir(name) else _fixed_part(name)
    if skipped and _is_below(root / "any", skipped):  # what is read lies there itself
        skipped = None
    if os.path.isdir(name):
        return root, list(_walk(root, recursive, skipped, set()))
    if "**" in Path(name).parts:
        # Not by `glob`, which follows links in a circle.
        wanted = Path(name).parts[len(root.parts) :]
        entries = [path for path in _walk(root, True, skipped, set()) if _matches(path.relative_to(root).parts, wanted)]
    else:
        entries = [Path(entry) for entry in glob.glob(name)]
        entries = [path for path in entries if not skipped or not _is_below(path, skipped)]
    return root, sorted(entries, key=lambda path: natural_key(str(path)))


def _is_below(path: Path, folder: str) -> bool:
    return Path(os.path.realpath(path.parent)).is_relative_to(folder)


def _fixed_part(pattern: str) -> Path:
    parts = Path(pattern).parts
    count = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[: min(count, len(parts) - 1)])


def _matches(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether a path fits a pattern, `**` being any number of folders."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return _matches(parts, wanted[1:]) or (bool(parts) and _matches(parts[1:], wanted))
    return bool(parts) and fnmatch(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])


def _walk(folder: Path, recursive: bool, skipped: str | None, seen: set[str]) -> Iterator[Path]:
    """Entries in natural order, files before what is inside folders; folders that are read are no entries.

    A folder that cannot be listed is one.

    Args:
        skipped: real path of a folder that is left alone.
        seen: real paths of the folders that were read.
    """
    seen.add(os.path.realpath(folder))
    try:
        entries = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    except OSError as error:
        if len(seen) > 1:  # below the one that was named
            yield folder
            return
        remedy = "check that you may read it"
        raise DataError(f"cannot list folder: {error.strerror}", str(folder), remedy) from None
    inside = [entry for entry in entries if recursive and os.path.isdir(entry) and not entry.name.startswith(".")]
    yield from (entry for entry in entries if entry not in inside)
    for entry in inside:
        real = os.path.realpath(entry)
        if real != skipped and real not in seen:
            yield from _walk(entry, recursive, skipped, seen)


def _made_from(path: Path) -> list[str]:
    """The stems of images that this one may have been made from, as its name says."""
    result = _RESULT.fullmatch(path.stem)
    if not result:
        return []
    page = _PAGE.fullmatch(result[1])
    return [result[1], page[1]] if page else [result[1]]


def _explain(entry: Path) -> str:
    """Why it was passed over, as words that follow a count."""
    suffix = entry.suffix.lower()
    if entry.name.startswith("."):
        return "entries passed over, they are no images"
    if os.path.isdir(entry):
        readable = os.access(entry, os.R_OK | os.X_OK)
        return f"folders left out: {'--recursive reads them' if readable else 'they cannot be listed'}"
    if suffix in BY_SUFFIX and (row := BY_SUFFIX[suffix]).missing:
        return f"{row.suffixes[0][1:].upper()} left out: {row.remedy}"
    if suffix in OTHERS:
        kind, remedy = OTHERS[suffix]
        return f"{kind} left out: {remedy}"
    return "entries passed over, they are no images"
