"""The images that were dropped, one after the other through a model, in a thread of its own.

What `srae-upscale` would do with each is done by the code that it runs: same pixels, same format, same remarks.
"""

from __future__ import annotations

import re
import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from srae.checkpoints.shipped import find_weights
from srae.demo_page.choices import Choice
from srae.demo_page.views import Views, write_views
from srae.errors import SraeError
from srae.images.decode import count_frames
from srae.images.formats import result_suffix
from srae.images.image import read_image
from srae.memory import rss_peak
from srae.upscaling.backends import open_network
from srae.upscaling.enlarge import UpscaleOptions
from srae.upscaling.exact_size import Planner, WantedSize
from srae.upscaling.jobs import Job
from srae.upscaling.network import Engine, Network
from srae.upscaling.pipeline import FileOptions, Outcome, run_jobs

MOST_IMAGES = 100
"""That are kept at a time; each has a handful of files on the disk."""

_KEPT_NETWORKS = 4


class _Removed(BaseException):
    """Leaves the computation of an image that nobody wants any more; no `except Exception` takes it for a fault."""


@dataclass(eq=False)
class DroppedImage:
    """One image, from the moment it was dropped.

    Attributes:
        key: random, what requests and files call it.
        name: of the file, as the browser said it; only ever shown.
        scale: times each side; None: the model's own.
        source, target: files in the folder of the queue.
        state: "waiting", "running", "done" or "failed".
        progress: share that is computed.
        engine: that ran the network.
        memory: peak of this process meanwhile, in MiB.
    """

    key: str
    name: str
    choice: Choice
    scale: int | None
    source: Path
    target: Path
    state: str = "waiting"
    progress: float = 0.0
    removed: bool = False
    error: str = ""
    outcome: Outcome | None = None
    views: Views | None = None
    engine: Engine | None = None
    memory: float | None = None

    @property
    def result_name(self) -> str:
        """As `srae-upscale` calls it."""
        assert self.outcome is not None
        scale = self.outcome.after[0] // max(1, self.outcome.before[0])
        return f"{Path(self.name).stem}_x{scale}{self.target.suffix}"

    @property
    def command(self) -> str:
        scale = [] if self.scale is None else ["--scale", str(self.scale)]
        return shlex.join(["srae-upscale", self.name, "--model", self.choice.key.removeprefix("shipped:"), *scale])

    def describe(self) -> dict[str, Any]:
        """JSON types only."""
        facts = {key: getattr(self, key) for key in ("key", "name", "scale", "state", "progress", "error")}
        return facts | {"model": self.choice.name}


class ImageQueue:
    """Images in the order they were dropped, their files in one folder; `close` it.

    Args:
        folder: to write to.
        engine, device: that the networks run by and on, see `open_network`.
        max_pixels: of an image.
    """

    def __init__(self, folder: Path, *, engine: str, device: str, max_pixels: int) -> None:
        self.images: dict[str, DroppedImage] = {}
        self.folder, self._files = folder, FileOptions(max_pixels=max_pixels)
        self._open = lru_cache(_KEPT_NETWORKS)(
            lambda weights, changed: open_network(weights, engine=engine, device=device)
        )
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="srae-demo")

    def add(self, name: str, choice: Choice, scale: int | None) -> DroppedImage:
        """A new image; its file is still to be written, then `start` it."""
        name = "".join(letter for letter in re.split(r"[/\\]", name)[-1] if letter.isprintable())[-150:] or "image"
        key, suffix = secrets.token_urlsafe(16), re.search(r"\.[A-Za-z0-9]{1,8}$", name)
        source = self.folder / f"{key}{suffix[0] if suffix else ''}"
        target = self.folder / f"{key}_result{result_suffix(source)}"
        self.images[key] = DroppedImage(key, name, choice, scale, source, target)
        return self.images[key]

    def start(self, image: DroppedImage) -> None:
        self._worker.submit(self._work, image)

    def remove(self, image: DroppedImage) -> None:
        """Forget an image and delete its files; it is not computed, or no further."""
        self.images.pop(image.key, None)
        image.removed = True
        if image.state != "running":  # else its thread does it
            self._delete_files(image)

    def close(self) -> None:
        """Wait for the end of the tile that is computed, and of nothing else."""
        for image in list(self.images.values()):
            image.removed = True
        self._worker.shutdown(cancel_futures=True)

    def _work(self, image: DroppedImage) -> None:
        if image.removed:
            return
        image.state = "running"
        try:
            self._enlarge(image)
            image.state = "done"
        except _Removed:
            image.state = "failed"
        except SraeError as error:
            image.error, image.state = "; ".join(filter(None, (error.what, error.remedy))), "failed"
        except Exception as error:
            image.error = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}; this is a fault of srae"
            image.state = "failed"
        if image.removed:
            self._delete_files(image)

    def _enlarge(self, image: DroppedImage) -> None:
        _forget_peak()
        frames = count_frames(image.source)
        job = Job(image.source, image.target, frame=0 if frames > 1 else None)
        planner = Planner(WantedSize(Fraction(image.scale) if image.scale else None), self._load, image.choice.path)
        progress = partial(_tell, image)
        (outcome,) = run_jobs([job], planner.plan, UpscaleOptions(), self._files, progress=progress)
        if outcome.error:
            raise outcome.error
        if frames > 1:
            outcome.notes.append(f"the first of {frames} frames")
        image.outcome, image.memory = outcome, rss_peak()
        image.engine = next(network.engine for network in planner.loaded.values())
        before = read_image(image.source, max_pixels=self._files.max_pixels, frame=job.frame)
        after = read_image(image.target, max_pixels=outcome.after[0] * outcome.after[1])
        image.views = write_views(before, after, image.target, image.choice.name)

    def _load(self, path: Path) -> Network:
        weights = find_weights(path)
        return self._open(weights, weights.stat().st_mtime_ns)  # a training that goes on writes them anew

    def _delete_files(self, image: DroppedImage) -> None:
        for file in self.folder.glob(f"{image.key}*"):
            file.unlink(missing_ok=True)


def _tell(image: DroppedImage, share: float) -> None:
    if image.removed:
        raise _Removed
    image.progress = share


def _forget_peak() -> None:
    """Let the peak of this process's memory begin anew, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
