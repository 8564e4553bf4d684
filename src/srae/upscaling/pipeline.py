"""Many pictures, one after the other: while one is computed, the next is read and the one before is written.

Pictures so large that two of them fill the memory have it for themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch

from srae.checkpoints.loading import TrainedModel
from srae.device import check_memory
from srae.errors import PartialError, ResourceError, SraeError
from srae.images.decode import MAX_PIXELS, read_size
from srae.images.formats import LOSSY, check_fit, format_of, keeps_depth, memory_to_encode
from srae.images.picture import Picture, check_output, read_picture, write_picture
from srae.upscaling.before_after import draw_comparison
from srae.upscaling.enlarge import chain_scale, upscale_picture
from srae.upscaling.jobs import Job
from srae.upscaling.tiles import is_memory_error

_LARGE = 40_000_000  # pixels of a result


@dataclass(frozen=True)
class Options:
    """How every picture of a command is made; the words are those of its flags."""

    scale: int | None = None
    tile: int | None = None
    self_ensemble: bool = False
    precision: str = "auto"
    overwrite: bool = False
    max_pixels: int = MAX_PIXELS
    frame: int | None = None
    metadata: Literal["keep", "strip"] = "keep"
    quality: int | None = None


@dataclass
class Outcome:
    """What became of one job: sizes are (height, width)."""

    job: Job
    error: SraeError | None = None
    notes: list[str] = field(default_factory=list)
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    seconds: float = 0.0

    def describe(self) -> dict[str, Any]:
        """Its entry in the JSON document."""
        entry = {
            "input": str(self.job.source),
            "output": str(self.job.target),
            "input_width": self.before[1],
            "input_height": self.before[0],
            "width": self.after[1],
            "height": self.after[0],
            "seconds": round(self.seconds, 3),
        }
        return entry if self.job.comparison is None else entry | {"comparison": str(self.job.comparison)}


def run_jobs(
    jobs: Sequence[Job],
    chain: Sequence[TrainedModel],
    device: torch.device,
    options: Options,
    progress: Callable[[float], None] = lambda _: None,
) -> Iterator[Outcome]:
    """Every job's outcome, in their order; what goes wrong with one picture is told in its outcome.

    Args:
        progress: told how many pictures are computed, fractions included.
    """
    factor = chain_scale(chain, options.scale)
    ahead: Future[_Work] | None = None
    writing: Future[Outcome] | None = None
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        for i, job in enumerate(jobs):
            alone = _is_large(job, factor)
            if alone and writing:
                yield writing.result()
                writing = None
            work, ahead = (ahead or reader.submit(_read, job, options)).result(), None
            if i + 1 < len(jobs) and not alone and not _is_large(jobs[i + 1], factor):
                ahead = reader.submit(_read, jobs[i + 1], options)
            _compute(work, chain, device, options, factor, partial(_add, progress, i))
            progress(i + 1)
            if writing:
                yield writing.result()
            writing = writer.submit(_write, work, chain, options, factor)
            del work
            if alone:
                yield writing.result()
                writing = None
        if writing:
            yield writing.result()


def _add(progress: Callable[[float], None], count: int, share: float) -> None:
    progress(count + share)


def _is_large(job: Job, factor: int) -> bool:
    height, width = read_size(job.source)
    return height * width * factor**2 > _LARGE


@dataclass
class _Work:
    """A job under way; pictures are let go when they are not needed any more."""

    outcome: Outcome
    before: Picture | None = None
    after: Picture | None = None


@contextmanager
def _step(outcome: Outcome) -> Iterator[None]:
    """Takes the time, and takes down what goes wrong."""
    start = time.perf_counter()
    try:
        yield
    except SraeError as error:
        outcome.error = error
    except (MemoryError, RuntimeError) as error:
        if not is_memory_error(error):
            raise
        where = str(outcome.job.source)
        outcome.error = ResourceError("not enough memory", where, "use a smaller picture or --scale")
    finally:
        outcome.seconds += time.perf_counter() - start


@contextmanager
def _output_errors() -> Iterator[None]:
    """An output that cannot be written is one file not done, whatever the reason."""
    try:
        yield
    except SraeError as error:
        raise PartialError(error.what, error.where, error.remedy) from None


def _read(job: Job, options: Options) -> _Work:
    work = _Work(Outcome(job))
    with _step(work.outcome):
        with _output_errors():
            if job.refusal:
                raise job.refusal
            for path in filter(None, (job.target, job.comparison)):
                check_output(path, overwrite=options.overwrite)
        work.before = read_picture(job.source, max_pixels=options.max_pixels, frame=options.frame)
    return work


def _compute(
    work: _Work,
    chain: Sequence[TrainedModel],
    device: torch.device,
    options: Options,
    factor: int,
    progress: Callable[[float], None],
) -> None:
    outcome, before = work.outcome, work.before
    if before is None:
        return
    with _step(outcome):
        target, channels = outcome.job.target, before.pixels.shape[2]
        outcome.before = before.pixels.shape[0], before.pixels.shape[1]
        height, width = outcome.after = outcome.before[0] * factor, outcome.before[1] * factor
        kind = format_of(target)
        with _output_errors():
            per_pixel = channels * before.pixels.dtype.itemsize
            check_fit(target, height, width, bytes_per_pixel=per_pixel, transparent=before.is_transparent)
        need = height * width * per_pixel + memory_to_encode(kind, height * width, options.quality)
        check_memory(need, f"{width}x{height} as {kind}", "use .png, a smaller --scale or a smaller picture")
        work.after, outcome.notes = upscale_picture(
            before,
            chain,
            scale=options.scale,
            tile=options.tile,
            device=device,
            self_ensemble=options.self_ensemble,
            precision=options.precision,
            kind=kind,
            progress=progress,
        )
        if not outcome.job.comparison:
            work.before = None
        if before.bits == 16 and not keeps_depth(kind, channels):
            outcome.notes.append(f"{kind} holds 8 bits a colour: 16 become 8")
        if options.quality and kind not in LOSSY:
            outcome.notes.append(f"{kind} loses nothing: --quality changes nothing")


def _write(work: _Work, chain: Sequence[TrainedModel], options: Options, factor: int) -> Outcome:
    outcome, job, before, after = work.outcome, work.outcome.job, work.before, work.after
    if after is not None:
        with _step(outcome), _output_errors():
            write_picture(
                job.target, after, overwrite=options.overwrite, metadata=options.metadata, quality=options.quality
            )
            if job.comparison and before is not None:
                drawn = draw_comparison(before, after, factor, job.source.name, describe_chain(chain))
                write_picture(job.comparison, drawn, overwrite=options.overwrite)
    return outcome


def describe_chain(chain: Sequence[TrainedModel]) -> str:
    """The models as a person calls them: the run, or the file's stem."""
    return " + ".join(
        trained.path.parent.name if trained.path.name == "model.safetensors" else trained.path.stem for trained in chain
    )
