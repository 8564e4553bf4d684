"""What the forks of the warm parent do: whole trainings, saves, commands, starts."""

from __future__ import annotations

import errno
import io
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import filelock  # noqa: F401  what trainings import when they run
import psutil  # noqa: F401
import torch
from PIL import Image

import srae.cli.train
import srae.cli.upscale
import srae.distributed.join
import srae.files
import srae.report.curves
import srae.training.loop
import srae.training.prepare
import srae.training.step
import srae.upscaling.pipeline  # what the commands import when they run
import toy_training
from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.checkpoints.loading import load_model, start_from
from srae.cli import main
from srae.config.loading import parse_config
from srae.errors import DataError
from srae.runs.reader import read_config
from srae.runs.writer import RunWriter, claim_run
from srae.studies.plan import open_study
from srae.training.checkpointer import Checkpointer
from srae.training.progress import Progress

Image.preinit()  # the readers of common formats


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# ------------------------------------------------------------------------ trainings


def begin(config: str, runs: str, name: str) -> int:
    toy_training.begin(parse_config(config, "toy"), Path(runs), name, print)
    return 0


def often(what: str, arguments: dict[str, Any]) -> int:
    """Do it as in a long epoch: saved after every step."""
    srae.training.loop.SAVE_SECONDS = 0
    return globals()[what](**arguments)


def resume(run: str, threads: int = 1) -> int:
    torch.set_num_threads(threads)
    toy_training.resume(read_config(Path(run)), Path(run), print)
    return 0


def at_operation(number: int, folder: str, what: str, arguments: dict[str, Any]) -> int:
    """Do it, and be killed before operation `number` on a file of this folder; 0 when there are fewer."""
    left = number

    def count(event: str, details: tuple[Any, ...]) -> None:
        nonlocal left
        if event in ("open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.truncate", "os.chmod"):
            if not str(details[0]).startswith(folder):
                return
            if left == 0:
                die()
            left -= 1

    sys.addaudithook(count)
    return globals()[what](**arguments)


def begin_and_die_before(step: str, epoch: int, config: str, runs: str, name: str) -> int:
    """Killed before this `step` of the checkpointer in this epoch, counted from 1."""
    real = getattr(Checkpointer, step)

    def mortal(self: Checkpointer, *progress: Progress) -> None:
        # The best weights are written when there are new ones; what they are of stands in their meta data.
        pending = self._best[1]["progress"]["epoch"] if self._best else None
        if (progress[0].epoch if progress else pending) == epoch:
            die()
        real(self, *progress)

    setattr(Checkpointer, step, mortal)
    return begin(config, runs, name)


def command_with_slow_disk(argv: list[str], folder: str, seconds: float) -> int:
    """A command whose every flush to the disk takes its time."""
    real = os.fsync

    def slow(handle: int) -> None:
        time.sleep(seconds)
        real(handle)

    os.fsync = slow
    return command(argv, folder)


# --------------------------------------------------------------------------- saves


class _Mortal:
    """Counts the boundaries that a save passes, and dies at one of them."""

    def __init__(self, boundary: int) -> None:
        self.left = boundary

    def step(self) -> None:
        if self.left == 0:
            die()
        self.left -= 1

    def around(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self.step()
        result = function(*arguments, **options)
        self.step()
        return result


class _MortalFile(io.FileIO):
    """Without a buffer: what was written before the death is in the file, also half of a block."""

    def __init__(self, mortal: _Mortal, path: Path, mode: str) -> None:
        mortal.around(super().__init__, path, mode)
        self.mortal = mortal

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for part in (view[: len(view) // 2], view[len(view) // 2 :]):
            self.mortal.around(super().write, part)
        return len(view)


def save(path: str, fill: float, previous: str | None, boundary: int) -> int:
    """Replace a checkpoint, and be killed at this boundary; 0 when there are fewer."""
    mortal = _Mortal(boundary)
    srae.files.open = partial(_MortalFile, mortal)  # type: ignore[attr-defined]
    for name in ("replace", "unlink", "fsync"):
        setattr(os, name, partial(mortal.around, getattr(os, name)))
    tensors = {name: torch.full((50,), fill) for name in ("model.a", "model.b", "optimizer.0.step")}
    save_checkpoint(Path(path), tensors, {"progress": {"fill": fill}}, Path(previous) if previous else None)
    return 0


# ------------------------------------------------------------------------- commands


def command(argv: list[str], folder: str) -> int:
    """`srae ...` in this folder."""
    os.chdir(folder)
    return main(argv)


def one_of_many(place: dict[str, int], argv: list[str], folder: str, spoil: list[Any]) -> int:
    """`srae ...` as one process of several, started as a launcher starts them; first `spoil`: a function, arguments."""
    names = {"rank": "RANK", "size": "WORLD_SIZE", "port": "MASTER_PORT"}
    os.environ.update({names[key]: str(value) for key, value in place.items()}, MASTER_ADDR="127.0.0.1")
    srae.report.curves.draw_run = lambda run: None
    if spoil:
        globals()[spoil[0]](*spoil[1:])
    return command(argv, folder)


def save_every_step() -> None:
    srae.training.loop.SAVE_SECONDS = 0


def die_at_step(step: int) -> None:
    """Killed before this step, counted from 0, exchanges anything; every step before it is saved."""
    save_every_step()
    _before_step(step, lambda session: die())


def fail_at_step(step: int, kind: str) -> None:
    """What only one process meets at this step."""

    def fail(session: Any) -> None:
        raise {"memory": MemoryError, "bug": ZeroDivisionError}[kind]("met by one")

    _before_step(step, fail)


def signal_at(step: int) -> None:
    """As a scheduler that ends one process first."""
    _before_step(step, lambda session: os.kill(os.getpid(), signal.SIGTERM))


def lose_a_number_at_step(step: int) -> None:
    """The loss of one process is not a number."""

    def spoil(session: Any) -> None:
        real = session.loss
        session.loss = lambda output, target: real(output, target) * float("nan")

    _before_step(step, spoil)


def drift_at_step(step: int) -> None:
    """As the CPU of another machine: a weight is one bit off."""
    real = srae.training.step.TrainingStep.__call__

    def call(self: Any, batch: Any, draws: Any) -> Any:
        numbers = real(self, batch, draws)
        if self._s.step_seconds is not None and list(draws[1:]) == [0, step]:
            with torch.no_grad():
                weight = next(self._s.model.parameters()).view(-1)[:1]
                weight.copy_(torch.nextafter(weight, weight + 1))
        return numbers

    srae.training.step.TrainingStep.__call__ = call  # type: ignore[method-assign]


def fill_the_disk_after(saves: int) -> None:
    """Later saves of a checkpoint find the disk full."""
    real, done = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal done
        done += 1
        if done > saves:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    save_every_step()
    os.fsync = full


def be_impatient(seconds: int) -> None:
    """Wait less than a minute for other processes."""
    srae.distributed.join.CONNECT = srae.distributed.notices.CONNECT = timedelta(seconds=seconds)


def lose_the_images() -> None:
    """The folder of images is not on this machine."""

    def refuse(section: Any) -> Any:
        raise DataError("there is no such folder", "data.folder", "copy it")

    srae.training.prepare.open_data = refuse


def _before_step(step: int, what: Callable[[Any], None]) -> None:
    """Of the first epoch of the training itself, not of the steps that are timed before it."""
    real = srae.training.step.TrainingStep.__call__

    def call(self: Any, batch: Any, draws: Any) -> Any:
        if self._s.step_seconds is not None and list(draws[1:]) == [0, step]:
            what(self._s)
        return real(self, batch, draws)

    srae.training.step.TrainingStep.__call__ = call  # type: ignore[method-assign]


def claim(runs: str, name: str, start: str, claimed: int) -> int:
    """Wait for the start, claim a run, and hold it until there are `claimed`."""
    while not os.path.exists(start):
        time.sleep(0.001)
    writer = claim_run(Path(runs), name)
    print(writer.path.name, flush=True)
    while len(list(Path(runs).glob("*/.lock"))) < claimed:
        time.sleep(0.001)
    writer.close()
    return 0


def hold(run: str) -> int:
    """Write into a run until killed."""
    writer = RunWriter(Path(run))
    print("held", flush=True)
    time.sleep(600)
    writer.close()
    return 0


def hold_study(study: str, folder: str) -> int:
    """Keep a study's folder until killed."""
    with open_study(Path(study), Path(folder)):
        print("held", flush=True)
        time.sleep(600)
    return 0


# ---------------------------------------------------------------------- checkpoints


def load_hostile(path: str) -> int:
    """Load it in three ways; prints what each raised, and by how many megabytes the memory had grown at most."""
    model = torch.nn.Linear(1, 1)
    ways = (load_model, read_checkpoint, partial(start_from, model))
    before, refused = _peak(), []
    for way in ways:
        try:
            way(Path(path))
            refused.append("nothing")
        except Exception as error:
            refused.append(type(error).__name__)
            if len(str(error)) > 1000:
                refused.append("too long a message")
    print(json.dumps([refused, _peak() - before]))
    return 0


def _peak() -> float:
    """Megabytes this process, which is a fork, has had at most."""
    with suppress(FileNotFoundError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
