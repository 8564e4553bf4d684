"""Which images a command is about, and where its results go; nothing is opened here."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from srae.errors import ConfigError, DataError, SraeError
from srae.files import natural_key, resource_error
from srae.images.formats import FORMATS, format_of
from srae.images.image import find_images, is_image

SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tiff"}
"""What can be asked for by name, and the suffix that it gives."""
_RESULT = re.compile(r"(.+)_x[1-9][0-9]*(_compare)?")
_ACCEPTED = "PNG, JPEG, WebP, BMP and TIFF are accepted"


@dataclass(frozen=True)
class Job:
    """One image to read and one to write.

    Attributes:
        comparison: where an image of before and after goes, if one is wanted.
        refusal: why it cannot be done, known from the names alone.
    """

    source: Path
    target: Path
    comparison: Path | None = None
    refusal: SraeError | None = None


@dataclass
class Sources:
    """Images, in order, each once; whether more than one could have been meant; and what was passed over."""

    paths: list[Path]
    several: bool
    notes: list[str] = field(default_factory=list)


def list_sources(inputs: Iterable[str]) -> Sources:
    """Files as named; folders and patterns by their images, without what this command made from others of them.

    Raises:
        DataError: a folder or pattern without images.
    """
    inputs, passed = list(inputs), Counter[tuple[str, str]]()
    paths: list[Path] = []
    for name in inputs:
        if not _names_many(name):
            paths.append(Path(name))
            continue
        found, others = _expand(name)
        stems = {(path.parent, path.stem) for path in found}
        made = {path for path in found if (path.parent, _made_from(path)) in stems}
        paths += [path for path in found if path not in made]
        passed[name, "are no images"] += others
        passed[name, "are results of this command"] += len(made)
    notes = [f"{name}: {count} entries passed over, they {what}" for (name, what), count in passed.items() if count]
    if not paths:
        raise DataError("no images", " ".join(inputs), _ACCEPTED)
    return Sources(list(dict.fromkeys(paths)), len(inputs) > 1 or any(map(_names_many, inputs)), notes)


def _names_many(name: str) -> bool:
    return os.path.isdir(name) or (not os.path.lexists(name) and glob.has_magic(name))


def _expand(name: str) -> tuple[list[Path], int]:
    """A folder or a pattern -> its images in natural order, and how many other entries there are."""
    if os.path.isdir(name):
        return find_images(name)
    entries = [Path(entry) for entry in glob.glob(name, recursive=True)]
    found = sorted(filter(is_image, entries), key=lambda path: natural_key(str(path)))
    return found, len(entries) - len(found)


def _made_from(path: Path) -> str | None:
    """The stem of the image that this one was made from, if its name says so."""
    match = _RESULT.fullmatch(path.stem)
    return match[1] if match else None


def name_jobs(
    sources: Sources, output: str | None, scale: int, *, wanted: str | None = None, compare: bool = False
) -> list[Job]:
    """One job per source; makes the output folder.

    Args:
        output: file or folder; None: beside each image.
        wanted: one of `SUFFIXES`; None: the format of the source.

    Raises:
        ConfigError: one file for several images, or of another format than `wanted`.
        ResourceError: the folder cannot be made.
    """
    names = [f"{path.stem}_x{scale}{_suffix(path, wanted)}" for path in sources.paths]
    if output is None:
        targets = [path.with_name(name) for path, name in zip(sources.paths, names, strict=True)]
    elif file := _one_file(sources, output, wanted):
        targets = [file]
    else:
        try:
            Path(output).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise resource_error(error, Path(output)) from None
        targets = [Path(output) / name for name in names]
    taken, jobs = {path.resolve() for path in sources.paths}, []
    for source, target in zip(sources.paths, targets, strict=True):
        comparison = target.with_name(f"{target.stem}_compare.png") if compare else None
        refusal = None
        for path in (target, comparison):
            if path and path.resolve() in taken:
                what = "the output would replace an input, or another result of this command"
                refusal = ConfigError(what, str(path), "choose another -o")
            elif path:
                taken.add(path.resolve())
        jobs.append(Job(source, target, comparison, refusal))
    return jobs


def _suffix(source: Path, wanted: str | None) -> str:
    if wanted:
        return SUFFIXES[wanted]
    return source.suffix if source.suffix.lower() in FORMATS else ".png"


def _one_file(sources: Sources, output: str, wanted: str | None) -> Path | None:
    """`output` as the name of one file, None when it is a folder's."""
    path = Path(output)
    if path.is_dir() or output.endswith("/") or not path.suffix:
        return None
    if not sources.several:
        if wanted and format_of(path) != FORMATS[SUFFIXES[wanted]]:
            raise ConfigError(f"-o names another format than {wanted}", output, "leave one of them out")
        return path
    if path.suffix.lower() in FORMATS:
        raise ConfigError("-o names one file for several images", output, "name a folder")
    return None


def drop_done(jobs: list[Job]) -> tuple[list[Job], list[Job]]:
    """What is still to do, and what lies there already."""
    todo: list[Job] = []
    done: list[Job] = []
    for job in jobs:
        (done if not job.refusal and os.path.lexists(job.target) else todo).append(job)
    return todo, done
