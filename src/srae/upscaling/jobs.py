"""Where results go and what they are called; nothing is opened here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from srae.errors import ConfigError, SraeError
from srae.files import resource_error
from srae.images.formats import BY_SUFFIX, format_of, result_suffix
from srae.upscaling.sources import Sources

SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tiff", "avif": ".avif", "jxl": ".jxl"}
"""What can be asked for by name, and the suffix that it gives."""


@dataclass(frozen=True)
class Job:
    """One image to read and one to write.

    Attributes:
        comparison: where an image of before and after goes, if one is wanted.
        refusal: why it cannot be done, known from the names alone.
        frame: of the source, from 0; None: its only one.
        animation: all frames go into one file.
    """

    source: Path
    target: Path
    comparison: Path | None = None
    refusal: SraeError | None = None
    frame: int | None = None
    animation: bool = False


@dataclass(frozen=True)
class Naming:
    """What results are called.

    Attributes:
        mark: what was done, `x2`, `x1.5` or `w3840`.
        wanted: one of `SUFFIXES`; None: the format of the source where it can be written.
        compare: whether strips of before and after are wanted.
        frames: how many frames a source has that is split into them; of each a job is made. None: none is split.
        frame: the one that is wanted, from 0; None: all.
        animation: sources of several frames stay in one file.
    """

    mark: str
    wanted: str | None = None
    compare: bool = False
    frames: Callable[[Path], int] | None = None
    frame: int | None = None
    animation: bool = False


def name_jobs(sources: Sources, output: str | None, naming: Naming) -> list[Job]:
    """One job per source, or per frame of it; makes the output folders.

    Results whose names would be equal are told apart by the suffix of their sources, `a_jpg_x2.webp`, then by the
    folder of these.

    Args:
        output: file or folder; None: beside each image.

    Raises:
        ConfigError: one file for several images, or of another format than is wanted.
        ResourceError: the folder cannot be made.
    """
    jobs = [job for path in sources.paths for job in _split(path, naming)]
    file = None if output is None else _one_file(sources, output, naming.wanted, len(jobs))
    if file:
        jobs = [replace(jobs[0], target=file)]
    else:
        jobs = [_place(job, sources, output, naming) for job in jobs]
        jobs = _by_suffix(jobs, naming)
        jobs = jobs if output is None else _by_folder(jobs, Path(output))
        _make_folders({job.target.parent for job in jobs if output is not None})
    return _refuse(_with_strips(jobs) if naming.compare else jobs, sources)


def _split(source: Path, naming: Naming) -> list[Job]:
    count = naming.frames(source) if naming.frames else 1
    row = BY_SUFFIX.get(source.suffix.lower())
    if naming.animation and count > 1 and row and row.animates:  # pages of a TIFF are no animation
        return [Job(source, source, animation=True)]
    if naming.frame is not None:  # of a file with one frame, the frame is no part of the name
        return [Job(source, source, frame=naming.frame if count > 1 or naming.frame else None)]
    return [Job(source, source, frame=i) for i in range(count)] if count > 1 else [Job(source, source)]


def _place(job: Job, sources: Sources, output: str | None, naming: Naming) -> Job:
    folder = job.source.parent
    if output is not None:
        folder = Path(output) / sources.below.get(job.source, Path())
    return replace(job, target=folder / _name(job, naming))


def _name(job: Job, naming: Naming, *, with_suffix: bool = False) -> str:
    """What the result is called; frames are numbered from 1, as people count pages."""
    stem = f"{job.source.stem}_{job.source.suffix[1:]}" if with_suffix else job.source.stem
    page = "" if job.frame is None else f"_p{job.frame + 1}"
    suffix = result_suffix(job.source)
    if job.animation and job.source.suffix.lower() == ".gif":  # as small, and not limited to 256 colours
        suffix = ".webp"
    return f"{stem}{page}_{naming.mark}{SUFFIXES[naming.wanted] if naming.wanted else suffix}"


def _repeated(paths: Iterable[Path | None]) -> set[Path | None]:
    return {path for path, count in Counter(paths).items() if path and count > 1}


def _by_suffix(jobs: list[Job], naming: Naming) -> list[Job]:
    """Sources that differ in nothing but their suffix."""
    equal = _repeated(job.target for job in jobs)
    kinds = Counter((job.target, job.source.suffix) for job in jobs)
    several = {target for target in equal if len({kind for where, kind in kinds if where == target}) > 1}
    return [
        replace(job, target=job.target.with_name(_name(job, naming, with_suffix=True)))
        if job.target in several and job.source.suffix
        else job
        for job in jobs
    ]


def _by_folder(jobs: list[Job], output: Path) -> list[Job]:
    """Sources of one name in several folders: below the output as they are below the folder that they share."""
    equal = _repeated(job.target for job in jobs)
    folders = {job.source.absolute().parent for job in jobs if job.target in equal}
    shared = Path(os.path.commonpath(folders)) if folders else Path()
    return [
        replace(job, target=output / job.source.absolute().parent.relative_to(shared) / job.target.name)
        if job.target in equal
        else job
        for job in jobs
    ]


def _with_strips(jobs: list[Job]) -> list[Job]:
    """`a_x2_compare.png`; `a_png_x2_compare.png` where two results differ in nothing but their suffix."""
    plain = [job.target.with_name(f"{job.target.stem}_compare.png") for job in jobs]
    equal = _repeated(plain)
    named = []
    for job, strip in zip(jobs, plain, strict=True):
        if strip in equal and job.target.stem.startswith(job.source.stem):
            rest = job.target.stem[len(job.source.stem) :]
            strip = strip.with_name(f"{job.source.stem}_{job.source.suffix[1:]}{rest}_compare.png")
        named.append(replace(job, comparison=strip))
    return named


def _refuse(jobs: list[Job], sources: Sources) -> list[Job]:
    """With a refusal where an image would replace an input or a result of this command, or its format cannot move."""
    taken = {path.resolve() for path in sources.paths}
    checked = []
    for job in jobs:
        kind = BY_SUFFIX.get(job.target.suffix.lower())
        if job.animation and kind and kind.writes and not kind.animates:
            where, remedy = str(job.target), "use .webp, .png or .avif, or --frame all without --animation"
            job = replace(job, refusal=ConfigError(f"{kind.name} holds no animation", where, remedy))
        for path in filter(None, (job.target, job.comparison)):
            if path.resolve() in taken:
                what = "the output would replace an input, or another result of this command"
                job = replace(job, refusal=ConfigError(what, str(path), "choose another -o, or upscale it alone"))
            taken.add(path.resolve())
        checked.append(job)
    return checked


def _make_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise resource_error(error, folder) from None


def _one_file(sources: Sources, output: str, wanted: str | None, count: int) -> Path | None:
    """`output` as the name of one file, None when it is a folder's."""
    path = Path(output)
    if os.path.isdir(path) or output.endswith("/") or not path.suffix:
        return None
    if not sources.several and count == 1:
        if wanted and format_of(path) != BY_SUFFIX[SUFFIXES[wanted]].name:
            raise ConfigError(f"-o names another format than {wanted}", output, "leave one of them out")
        return path
    if path.suffix.lower() in BY_SUFFIX:
        what = "images" if sources.several else "frames"
        raise ConfigError(f"-o names one file for several {what}", output, "name a folder")
    return None


def drop_done(jobs: list[Job]) -> tuple[list[Job], list[Job]]:
    """What is still to do, and what lies there already."""
    todo: list[Job] = []
    done: list[Job] = []
    for job in jobs:
        (done if not job.refusal and os.path.lexists(job.target) else todo).append(job)
    return todo, done
