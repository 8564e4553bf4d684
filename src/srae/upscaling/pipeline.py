"""Many images, one after the other: while one is computed, the next is read and the one before is written.

Images so large that two of them fill the memory have it for themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any, Literal

import numpy as np

from srae.errors import ConfigError, PartialError, ResourceError, SraeError
from srae.images.animation import Frames, as_one_kind
from srae.images.decode import count_frames, read_size, read_timing
from srae.images.encode import describe_depth, to_8_bits
from srae.images.formats import BY_NAME, BY_SUFFIX, check_fit, format_of, memory_to_encode
from srae.images.image import TaggedImage, check_output, read_image, write_image
from srae.images.limits import MAX_PIXELS
from srae.images.metadata import fit_tags
from srae.images.plugins import check_profile
from srae.memory import check_memory
from srae.upscaling.before_after import DARK, LIGHT, draw_comparison
from srae.upscaling.enlarge import UpscaleOptions, upscale_image
from srae.upscaling.exact_size import Plan, resize_pixels
from srae.upscaling.jobs import Job
from srae.upscaling.network import Network
from srae.upscaling.tiles import ProgressCallback, is_memory_error

_LARGE = 40_000_000  # pixels of a result


MakePlan = Callable[[int, int], Plan]


@dataclass(frozen=True)
class FileOptions:
    """How images are read and written; the words are those of the flags."""

    overwrite: bool = False
    max_pixels: int = MAX_PIXELS
    metadata: Literal["keep", "strip"] = "keep"
    quality: int | None = None
    light: bool = False


@dataclass
class Outcome:
    """What became of one job: sizes are (height, width), frames those of an animation."""

    job: Job
    error: SraeError | None = None
    notes: list[str] = field(default_factory=list)
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    frames: int | None = None

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
        entry |= {} if self.job.frame is None else {"frame": self.job.frame}
        entry |= {} if self.frames is None else {"frames": self.frames}
        return entry if self.job.comparison is None else entry | {"comparison": str(self.job.comparison)}


def run_jobs(
    jobs: Iterable[Job],
    make_plan: MakePlan,
    options: UpscaleOptions,
    files: FileOptions,
    *,
    compared: Sequence[MakePlan] = (),
    progress: ProgressCallback = lambda _: None,
) -> Iterator[Outcome]:
    """Every job's outcome, in their order; what goes wrong with one image is told in its outcome.

    Args:
        make_plan: height and width of an image -> how it is enlarged, instead of `options.scale`.
        compared: further models for the strips of before and after.
        progress: told how many images are computed, fractions included.
    """
    steps = _Steps(make_plan, options, files, progress, compared)
    for large, some in groupby(enumerate(jobs), lambda numbered: _is_large(numbered[1], make_plan)):
        run = _run_apart if large else _run_overlapping
        yield from run(some, steps)


def _run_apart(jobs: Iterator[tuple[int, Job]], steps: _Steps) -> Iterator[Outcome]:
    """One image in memory at a time."""
    for number, job in jobs:
        work = steps.read(job)
        steps.compute(work, number)
        yield steps.write(work)


def _run_overlapping(jobs: Iterator[tuple[int, Job]], steps: _Steps) -> Iterator[Outcome]:
    """While an image is computed, the next is read and the one before is written."""
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        reading = ((number, reader.submit(steps.read, job)) for number, job in jobs)  # begins when it is asked for
        ahead, writing = next(reading, None), None
        while ahead:
            number, work = ahead[0], ahead[1].result()
            ahead = next(reading, None)
            steps.compute(work, number)
            if writing:
                yield writing.result()
            writing = writer.submit(steps.write, work)
            del work
        if writing:
            yield writing.result()


def _is_large(job: Job, make_plan: MakePlan) -> bool:
    if job.animation:
        return True
    height, width = read_size(job.source)
    try:
        return height * width * make_plan(height, width).factor ** 2 > _LARGE
    except SraeError:  # computing it will say why it cannot be done
        return False


@dataclass
class _Work:
    """A job under way; images are let go when they are not needed any more."""

    outcome: Outcome
    plan: Plan | None = None
    before: TaggedImage | None = None
    after: TaggedImage | None = None
    frames: Frames | None = None
    others: list[tuple[str, TaggedImage]] = field(default_factory=list)
    """Names and results of further models."""


@contextmanager
def _step(outcome: Outcome) -> Iterator[None]:
    """Takes the time, and takes down what goes wrong."""
    start = time.perf_counter()
    try:
        yield
    except SraeError as error:
        outcome.error = error
    except Exception as error:
        outcome.error = _as_srae_error(error, str(outcome.job.source))
    finally:
        outcome.seconds += time.perf_counter() - start


def _as_srae_error(error: Exception, where: str) -> SraeError:
    """A fault of srae concerns one image, too: those after it are done."""
    if is_memory_error(error):
        return ResourceError("not enough memory", where, "use a smaller image or --scale")
    reason = (str(error).splitlines() or [""])[0][:200]
    return SraeError(f"{type(error).__name__}: {reason}", where, "this is a fault of srae: please report it")


@contextmanager
def _output_errors() -> Iterator[None]:
    """An output that cannot be written is one file not done, whatever the reason."""
    try:
        yield
    except SraeError as error:
        raise PartialError(error.what, error.where, error.remedy) from None


@dataclass(frozen=True)
class _Steps:
    """What is done with every job of a command."""

    make_plan: MakePlan
    options: UpscaleOptions
    files: FileOptions
    progress: ProgressCallback
    compared: Sequence[MakePlan]

    def read(self, job: Job) -> _Work:
        work = _Work(Outcome(job))
        with _step(work.outcome):
            with _output_errors():
                if job.refusal:
                    raise job.refusal
                for path in filter(None, (job.target, job.comparison)):
                    check_output(path, overwrite=self.files.overwrite)
            work.before = read_image(
                job.source, max_pixels=self.files.max_pixels, frame=0 if job.animation else job.frame
            )
            if job.animation:
                work.outcome.frames = count_frames(job.source)
        return work

    def compute(self, work: _Work, number: int) -> None:
        """Args: number: how many jobs come before this one."""
        outcome = work.outcome
        if work.before is not None:
            with _step(outcome):
                plan = work.plan = self.make_plan(*work.before.pixels.shape[:2])
                self._check_fit(outcome, work.before, plan)
                share = partial(self._tell, number, 0, outcome.frames or 1)
                work.after, outcome.notes = self._enlarge(work.before, plan, outcome.job, share)
                if plan.size:
                    outcome.notes.append(f"enlarged x{plan.factor}, then reduced to the size that is asked for")
                if outcome.job.animation:
                    work.frames = self._enlarge_rest(work.after, plan, outcome.job, number)
                outcome.notes += self._remarks(outcome.job, work.before, work.after)
                if outcome.job.comparison:
                    work.others = [self._enlarge_by(other, plan, work.before, outcome.job) for other in self.compared]
                else:
                    work.before = None
        self.progress(number + 1)

    def _tell(self, number: int, frame: int, count: int, share: float) -> None:
        """Args: share: of this frame of so many, which is done."""
        self.progress(number + (frame + share) / count)

    def _enlarge(
        self, before: TaggedImage, plan: Plan, job: Job, progress: ProgressCallback
    ) -> tuple[TaggedImage, list[str]]:
        """To the size of the plan; and remarks about it."""
        options, kind = replace(self.options, scale=plan.factor), format_of(job.target)
        after, notes = upscale_image(before, plan.chain, options, kind=kind, progress=progress)
        if plan.size:
            reduced = resize_pixels(after.pixels, plan.size, separate=options.alpha == "separate")
            after = replace(after, pixels=reduced)
        return after, notes

    def _enlarge_by(self, make_plan: MakePlan, first: Plan, before: TaggedImage, job: Job) -> tuple[str, TaggedImage]:
        """Name and result of a further model, which is as large as that of the first.

        Raises:
            ConfigError: it has another scale.
        """
        size = before.pixels.shape[:2]
        plan = make_plan(*size)
        name = describe_chain(plan.chain)
        if plan.result(*size) != first.result(*size):
            what = f"{name} does not enlarge as much as {describe_chain(first.chain)}"
            raise ConfigError(what, str(job.source), "give --scale, or compare models of one scale")
        return name, self._enlarge(before, plan, job, lambda _: None)[0]

    def _enlarge_rest(self, first: TaggedImage, plan: Plan, job: Job, number: int) -> Frames:
        """All frames of an animation whose first one is enlarged; in 8 bits."""
        timing, done = read_timing(job.source), [first.pixels]
        count = len(timing.durations)
        for frame in range(1, count):
            before = read_image(job.source, max_pixels=self.files.max_pixels, frame=frame)
            after, _ = self._enlarge(before, plan, job, partial(self._tell, number, frame, count))
            done.append(after.pixels)
        return Frames(as_one_kind([to_8_bits(one) if one.dtype == np.uint16 else one for one in done]), timing)

    def write(self, work: _Work) -> Outcome:
        outcome, job, before, after, plan = work.outcome, work.outcome.job, work.before, work.after, work.plan
        if after is not None and plan is not None:
            overwrite, files = self.files.overwrite, self.files
            with _step(outcome), _output_errors():
                write_image(
                    job.target,
                    after,
                    overwrite=overwrite,
                    metadata=files.metadata,
                    quality=files.quality,
                    frames=work.frames,
                )
                if job.comparison and before is not None:
                    model, look = describe_chain(plan.chain), LIGHT if files.light else DARK
                    drawn = draw_comparison(before, after, job.source.name, model, others=work.others, look=look)
                    write_image(job.comparison, drawn, overwrite=overwrite, metadata=files.metadata)
        return outcome

    def _check_fit(self, outcome: Outcome, before: TaggedImage, plan: Plan) -> None:
        """Take down the sizes; raise a SraeError where format or memory cannot hold the result."""
        target, channels = outcome.job.target, before.pixels.shape[2]
        outcome.before = before.pixels.shape[0], before.pixels.shape[1]
        height, width = outcome.after = plan.result(*outcome.before)
        kind, per_pixel = format_of(target), channels * before.pixels.dtype.itemsize
        with _output_errors():
            check_fit(target, height, width, transparent=before.is_transparent)
            check_profile(target, before.tags.icc if self.files.metadata == "keep" else None)
        need = height * width * per_pixel * (outcome.frames or 1) + memory_to_encode(
            kind, height * width, self.files.quality
        )
        check_memory(need, f"{width}x{height} as {kind}", "use .png, a smaller --scale or a smaller image")

    def _remarks(self, job: Job, before: TaggedImage, after: TaggedImage) -> list[str]:
        """What reading did to the image, and what the format of the result does to it, for the user."""
        kind, notes = format_of(job.target), list(before.notes)
        if self.files.metadata == "keep":
            notes += fit_tags(after.tags, kind, *after.pixels.shape[:2]).notes
        notes += describe_depth(kind, after.pixels)
        source = BY_SUFFIX.get(job.source.suffix.lower())
        if source and not source.writes and kind == "PNG" and not job.animation:
            notes.append(f"{source.name} is only read: results are PNG, or what --format says")
        if self.files.quality and not BY_NAME[kind].quality:
            notes.append(f"{kind} loses nothing: --quality changes nothing")
        return notes


def describe_outcomes(outcomes: Sequence[Outcome], skipped: Iterable[Job]) -> dict[str, list[dict[str, Any]]]:
    """The part of the JSON document that is about files: `files`, `skipped`, `failed`."""
    return {
        "files": [outcome.describe() for outcome in outcomes if not outcome.error],
        "skipped": [{"input": str(job.source), "output": str(job.target)} for job in skipped],
        "failed": [{"input": str(one.job.source), "error": one.error.what} for one in outcomes if one.error],
    }


def describe_chain(chain: Sequence[Network]) -> str:
    """The models as a person calls them: the run, or the file's stem."""
    return " + ".join(
        network.path.parent.name if network.path.name == "model.safetensors" else network.path.stem for network in chain
    )
