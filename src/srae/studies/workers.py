"""The runs of a study, trained one after the other or several at a time.

Every run is an ordinary `srae train` in a separate process, so a study can be
killed and started again at any time: finished runs are skipped, interrupted ones
are resumed, and failed ones are reported without stopping the others.  A signal
to the study reaches its trainings, which save and stop.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from srae.errors import Interrupted, SraeError
from srae.runs.layout import find_writer, is_busy
from srae.runs.messages import describe_seconds, val_sentence
from srae.runs.reader import read_run
from srae.runs.signals import catch_signals
from srae.studies.gpus import deal_gpus, list_gpus
from srae.studies.logs import append_attempt, log_of, reason_of
from srae.studies.plan import PlannedRun, find_state

Say = Callable[[str], None]


class _Trainings:
    """The trainings under way; once they are stopped, no other begins."""

    def __init__(self, environments: list[dict[str, str]]) -> None:
        self._environments, self._lock, self._stopped = environments, Lock(), False
        self._alive: set[subprocess.Popen[str]] = set()

    def run(self, arguments: list[str]) -> tuple[int, str]:
        """Exit code and stderr of one `srae`, which has one of the environments for itself."""
        command, null, pipe = [sys.executable, "-m", "srae", *arguments], subprocess.DEVNULL, subprocess.PIPE
        with self._lock:
            if self._stopped:
                return Interrupted(signal.SIGTERM, "").exit_code, "not begun"
            environment = self._environments.pop(0)
            process = subprocess.Popen(
                command, stdout=null, stderr=pipe, encoding="utf-8", errors="replace", env=environment
            )
            self._alive.add(process)
        said = process.communicate()[1]
        with self._lock:
            self._alive.discard(process)
            self._environments.insert(0, environment)
        code = process.returncode
        return (code if code >= 0 else 128 - code), said  # as shells number what a signal killed

    def stop(self) -> None:
        """Every training saves and stops after its step."""
        with self._lock:
            self._stopped = True
            for process in self._alive:
                process.terminate()

    @property
    def stopped(self) -> bool:
        return self._stopped


@dataclass(frozen=True)
class Launch:
    """How the runs of a study are trained."""

    device: str = "auto"
    jobs: int | None = None
    """Trainings at a time; None: one per GPU, one where there is none."""
    processes: int = 1
    """Of one training."""

    def environments(self) -> list[dict[str, str]]:
        """One for each training at a time: its GPU, and its share of the cores."""
        gpus = list_gpus(self.device)
        jobs = self.jobs or max(1, len(gpus) // self.processes)
        environment = dict(os.environ)
        if jobs > 1:  # trainings that share cores are slower than one after the other
            environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // (jobs * self.processes))))
        return [{**environment, **own} for own in deal_gpus(gpus, jobs, self.processes)]


def run_study(planned: list[PlannedRun], folder: Path, say: Say, launch: Launch) -> list[str]:
    """Train what is not done yet, some at a time; returns the names of the runs that failed.

    Raises:
        Interrupted: SIGINT, SIGTERM or SIGHUP, after the trainings under way have saved and stopped.
    """
    todo = [p for p in planned if p.state != "done"]
    say(f"{len(planned)} runs: {len(planned) - len(todo)} done, {len(todo)} to do")
    environments = launch.environments()
    failed, trainings, count = list[str](), _Trainings(environments), 0
    with catch_signals() as request, ThreadPoolExecutor(len(environments)) as pool:
        runs = {pool.submit(_train, run, launch, trainings, say): run for run in todo}
        waiting = set(runs)
        try:
            while waiting and not request.wanted():
                # A signal is noticed between two waits: nothing wakes a wait for other threads.
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    count, run, error = count + 1, runs[future], future.result()
                    say(f"{count}/{len(todo)}  {run.name}  {f'FAILED: {error}' if error else _result(run.folder)}")
                    failed += [run.name] if error else []
        finally:
            if waiting:  # also when something of srae's own goes wrong here
                pool.shutdown(wait=False, cancel_futures=True)
                trainings.stop()
    if request.wanted() and count < len(todo):
        what = f"stopped: {count} of {len(todo)} runs finished, the ones under way have saved"
        raise Interrupted(request.signal_number, what, str(folder), "start the study again to go on")
    return failed


def command_of(run: PlannedRun, device: str, processes: int = 1) -> list[str]:
    """Arguments of the `srae train` that starts or resumes this run, and no run of another name."""
    where = ["--device", device, *(["--processes", str(processes)] if processes > 1 else [])]
    if run.state == "resume":
        return ["train", "--resume", str(run.folder), *where]
    sets = [word for override in run.overrides for word in ("--set", override)]
    named = ["--runs-dir", str(run.folder.parent), "--name", run.name, "--exact-name"]
    return ["train", "--config", str(run.config), *sets, *named, *where]


def _train(run: PlannedRun, launch: Launch, trainings: _Trainings, say: Say) -> str | None:
    """None when it went well, else the first line of what went wrong."""
    if writer := find_writer(run.folder):  # its study was killed, and it goes on; or another machine has it
        say(f"{run.name}: waits for process {writer.pid} on {writer.host}, which is training it")
        while is_busy(run.folder) and not trainings.stopped:
            time.sleep(0.5)
        run = replace(run, state=find_state(run.folder, run.config, run.overrides))
        if run.state == "done":
            return None
    code, said = trainings.run(command_of(run, launch.device, launch.processes))
    if code == 0:
        return None
    with suppress(OSError):  # a full disk: what failed is said anyhow
        append_attempt(log_of(run.folder.parent, run.name), said, code)
    return reason_of(said.splitlines(), code)[0]


def _result(path: Path) -> str:
    try:
        summary = read_run(path).summary
    except SraeError as error:  # damaged since; the other runs continue
        return str(error)
    return f"{val_sentence(summary)}, {describe_seconds(summary['seconds'])}" if summary else "no summary"


class Expected(NamedTuple):
    """What a run will take."""

    seconds: float | None
    """Start, training, validations and scores; None where it cannot start."""
    error: str = ""
    """Why it cannot start: the lines of `srae train`."""


def expect(planned: Sequence[PlannedRun], device: str, processes: int = 1) -> Iterator[tuple[PlannedRun, Expected]]:
    """Every run still to do, from one `srae train --dry-run` per distinct config (seeds cost the same)."""
    known: dict[tuple[str, ...], Expected] = {}
    for run in planned:
        if run.state == "done":
            continue
        key = (str(run.config), *(override for override in run.overrides if not override.startswith("seed=")))
        if key not in known:
            known[key] = _try_start(run, device, processes)
        yield run, known[key]


def _try_start(run: PlannedRun, device: str, processes: int) -> Expected:
    sets = [word for override in run.overrides for word in ("--set", override)]
    command = ["train", "--config", str(run.config), *sets, "--device", device, "--dry-run", "--json"]
    command += ["--processes", str(processes)] if processes > 1 else []
    command += ["--runs-dir", str(run.folder.parent)]  # where `train.start_from` looks for a run
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "srae", *command], capture_output=True, encoding="utf-8")
    start = time.perf_counter() - began
    if done.returncode != 0:
        said = done.stderr.strip().removeprefix("srae train: ")
        return Expected(None, said or f"exit code {done.returncode}")
    return Expected(start + (json.loads(done.stdout)["expected_seconds"] or 0.0))
