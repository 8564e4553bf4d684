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
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from srae.errors import Interrupted, SraeError
from srae.runs.layout import is_busy
from srae.runs.messages import describe_seconds, val_sentence
from srae.runs.reader import read_run
from srae.runs.signals import catch_signals
from srae.studies.plan import PlannedRun, find_state

Say = Callable[[str], None]


class _Trainings:
    """The trainings under way; once they are stopped, no other begins."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment, self._lock, self._stopped = environment, Lock(), False
        self._alive: set[subprocess.Popen[str]] = set()

    def run(self, arguments: list[str]) -> tuple[int, str]:
        """Exit code and stderr of one `srae`."""
        command, null, pipe = [sys.executable, "-m", "srae", *arguments], subprocess.DEVNULL, subprocess.PIPE
        with self._lock:
            if self._stopped:
                return Interrupted(signal.SIGTERM, "").exit_code, "not begun"
            process = subprocess.Popen(
                command, stdout=null, stderr=pipe, encoding="utf-8", errors="replace", env=self._environment
            )
            self._alive.add(process)
        said = process.communicate()[1]
        with self._lock:
            self._alive.discard(process)
        return process.returncode, said

    def stop(self) -> None:
        """Every training saves and stops after its step."""
        with self._lock:
            self._stopped = True
            for process in self._alive:
                process.terminate()

    @property
    def stopped(self) -> bool:
        return self._stopped


def run_study(planned: list[PlannedRun], folder: Path, say: Say, *, device: str = "auto", jobs: int = 1) -> list[str]:
    """Train what is not done yet, `jobs` at a time; returns the names of the runs that failed.

    Raises:
        Interrupted: SIGINT, SIGTERM or SIGHUP, after the trainings under way have saved and stopped.
    """
    todo = [p for p in planned if p.state != "done"]
    say(f"{len(planned)} runs: {len(planned) - len(todo)} done, {len(todo)} to do")
    environment = dict(os.environ)
    if jobs > 1:  # trainings that share cores are slower than one after the other
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    failed, trainings, count = list[str](), _Trainings(environment), 0
    with catch_signals() as request, ThreadPoolExecutor(jobs) as pool:
        runs = {pool.submit(_train, run, folder, device, trainings, say): run for run in todo}
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


def command_of(run: PlannedRun, folder: Path, device: str) -> list[str]:
    """Arguments of the `srae train` that starts or resumes this run."""
    if run.state == "resume":
        return ["train", "--resume", str(run.folder), "--device", device]
    sets = [word for override in run.overrides for word in ("--set", override)]
    where = ["--runs-dir", str(folder), "--name", run.name, "--device", device]
    return ["train", "--config", str(run.config), *sets, *where]


def _train(run: PlannedRun, folder: Path, device: str, trainings: _Trainings, say: Say) -> str | None:
    """None when it went well, else the first line of what went wrong."""
    if is_busy(run.folder):  # its study was killed, and it goes on
        say(f"{run.name}: waits for a training that is still under way")
        while is_busy(run.folder) and not trainings.stopped:
            time.sleep(0.5)
        run = replace(run, state=find_state(run.folder, run.config, run.overrides))
        if run.state == "done":
            return None
    code, said = trainings.run(command_of(run, folder, device))
    if code == 0:
        return None
    errors = [line for line in said.splitlines() if line.startswith("srae train: ")]
    return (errors or said.splitlines() or [f"exit code {code}"])[-1].removeprefix("srae train: ")


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


def expect(planned: list[PlannedRun], device: str) -> Iterator[tuple[PlannedRun, Expected]]:
    """Every run still to do, from one `srae train --dry-run` per distinct config (seeds cost the same)."""
    known: dict[tuple[str, ...], Expected] = {}
    for run in planned:
        if run.state == "done":
            continue
        key = (str(run.config), *(override for override in run.overrides if not override.startswith("seed=")))
        if key not in known:
            known[key] = _try_start(run, device)
        yield run, known[key]


def _try_start(run: PlannedRun, device: str) -> Expected:
    sets = [word for override in run.overrides for word in ("--set", override)]
    command = ["train", "--config", str(run.config), *sets, "--device", device, "--dry-run", "--json"]
    command += ["--runs-dir", str(run.folder.parent)]  # where `train.start_from` looks for a run
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "srae", *command], capture_output=True, encoding="utf-8")
    start = time.perf_counter() - began
    if done.returncode != 0:
        said = done.stderr.strip().removeprefix("srae train: ")
        return Expected(None, said or f"exit code {done.returncode}")
    return Expected(start + (json.loads(done.stdout)["expected_seconds"] or 0.0))
