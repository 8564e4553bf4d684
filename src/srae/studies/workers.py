"""The runs of a study, trained one after the other or several at a time.

Every run is an ordinary `srae train` in a separate process, so a study can be
killed and started again at any time: finished runs are skipped, interrupted ones
are resumed, and failed ones are reported without stopping the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from srae.errors import SraeError
from srae.runs.layout import is_busy
from srae.runs.messages import describe_seconds, val_sentence
from srae.runs.reader import read_run
from srae.studies.plan import PlannedRun, find_state

Say = Callable[[str], None]


def run_study(planned: list[PlannedRun], folder: Path, say: Say, *, device: str = "auto", jobs: int = 1) -> list[str]:
    """Train what is not done yet, `jobs` at a time; returns the names of the runs that failed.

    Raises:
        KeyboardInterrupt: Ctrl-C; the trainings receive it too, save and stop.
    """
    todo = [p for p in planned if p.state != "done"]
    say(f"{len(planned)} runs: {len(planned) - len(todo)} done, {len(todo)} to do")
    environment = dict(os.environ)
    if jobs > 1:  # trainings that share cores are slower than one after the other
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    failed = []
    pool = ThreadPoolExecutor(jobs)
    try:
        runs = {pool.submit(_train, run, folder, device, environment, say): run for run in todo}
        for number, done in enumerate(as_completed(runs), 1):
            run, error = runs[done], done.result()
            say(f"{number}/{len(todo)}  {run.name}  {f'FAILED: {error}' if error else _result(run.folder)}")
            if error:
                failed.append(run.name)
    finally:
        pool.shutdown(cancel_futures=True)
    return failed


def command_of(run: PlannedRun, folder: Path, device: str) -> list[str]:
    """Arguments of the `srae train` that starts or resumes this run."""
    if run.state == "resume":
        return ["train", "--resume", str(run.folder), "--device", device]
    sets = [word for override in run.overrides for word in ("--set", override)]
    where = ["--runs-dir", str(folder), "--name", run.name, "--device", device]
    return ["train", "--config", str(run.config), *sets, *where]


def _train(run: PlannedRun, folder: Path, device: str, environment: dict[str, str], say: Say) -> str | None:
    """Train one run; None on success, else the first line of its error."""
    if is_busy(run.folder):  # its study was killed, but the training continues
        say(f"{run.name}: waiting for its training, which another process runs")
        while is_busy(run.folder):
            time.sleep(0.5)
        run = replace(run, state=find_state(run.folder, run.config, run.overrides))
        if run.state == "done":
            return None
    command = [sys.executable, "-m", "srae", *command_of(run, folder, device)]
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    done = subprocess.run(command, stdout=null, stderr=pipe, encoding="utf-8", errors="replace", env=environment)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("srae train: ")]
    return (errors or done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1].removeprefix("srae train: ")


def _result(path: Path) -> str:
    try:
        summary = read_run(path).summary
    except SraeError as error:  # damaged since; the other runs continue
        return str(error)
    return f"{val_sentence(summary)}, {describe_seconds(summary['seconds'])}" if summary else "no summary"


def expected_seconds(planned: list[PlannedRun], device: str) -> Iterator[tuple[PlannedRun, float | None]]:
    """Training time of every run still to do, from three timed steps per distinct config (seeds cost the same)."""
    known: dict[tuple[str, ...], float | None] = {}
    for run in planned:
        if run.state == "done":
            continue
        key = (str(run.config), *run.overrides[:-1])
        if key not in known:
            sets = [word for override in run.overrides for word in ("--set", override)]
            command = ["train", "--config", str(run.config), *sets, "--device", device, "--dry-run", "--json"]
            done = subprocess.run([sys.executable, "-m", "srae", *command], capture_output=True, encoding="utf-8")
            known[key] = json.loads(done.stdout)["expected_seconds"] if done.returncode == 0 else None
        yield run, known[key]
