"""A grid of configs x seeds -> run folders under one study folder.  No torch.

A study is a YAML:

    configs: [cnn3_relu, cnn4_relu]           # shipped names, or paths beside the study
    set: {train.epochs: 5}                    # overrides for all
    grid: {train.learning_rate: [0.001, 0.01]}
    seeds: [0, 1, 2]
    draw: [results, looks]                    # parts of its report; all of them without this key

Every run is an ordinary `srae train` in a process of its own, so a study can be
killed and started again at any time: finished runs are skipped, interrupted
ones go on, failed ones are reported and the rest goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from srae.config import Section, find_config, load_config, parse_section
from srae.errors import ConfigError, SraeError
from srae.files import lock_file, resource_error, write_text
from srae.narrate import describe_seconds, val_sentence
from srae.runs import check_name, is_busy, is_stillborn, read_config, read_run
from srae.yaml_text import read_text

Say = Callable[[str], None]
FILE = "study.yaml"
"""In a study folder: what was asked for."""


class Study(Section):
    """What is varied; every combination runs once per seed."""

    configs: Annotated[list[str], Field(min_length=1)]
    """Names of shipped configs, or paths relative to the study's file."""
    set: dict[str, Any] = Field(default={})
    """Dotted keys overridden in every run."""
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default={})
    """Dotted keys and their values; all combinations are run."""
    seeds: list[int] = Field(default=[0], min_length=1)
    """One run of every combination per seed."""
    draw: list[Literal["results", "classes", "cost", "looks", "settings"]] = Field(
        default=["results", "classes", "cost", "looks", "settings"], min_length=1
    )
    """What `srae report` draws: curves, bars and tests; confusion; cost; strips and predictions; configs."""

    @model_validator(mode="after")
    def _seeds_are_not_varied_twice(self) -> Study:
        if "seed" in self.grid or "seed" in self.set:
            raise ValueError("seed is varied by `seeds`")
        return self


@dataclass(frozen=True)
class Planned:
    """One run of a study."""

    name: str
    config: Path
    overrides: list[str]
    seed: int
    state: Literal["new", "resume", "done"]
    folder: Path


def load_study(path: Path) -> Study:
    """Read a study's YAML.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    return parse_section(Study, read_text(path), str(path))


@contextmanager
def open_study(source: Path, folder: Path) -> Iterator[None]:
    """A study's folder with a copy of its file, where `read_parts` finds it; for one process at a time.

    Raises:
        RunBusyError: another process runs this study.
        ResourceError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise resource_error(error, folder) from None
    with lock_file(folder / ".lock"):
        write_text(folder / FILE, read_text(source))
        yield


def read_parts(folder: Path) -> list[str] | None:
    """The parts of the report that the study of this folder wants drawn; None when it is no study's.

    Raises:
        ConfigError: its study.yaml was damaged since.
    """
    return list(load_study(folder / FILE).draw) if (folder / FILE).is_file() else None


def plan(study: Study, source: Path, folder: Path) -> list[Planned]:
    """Every run in order, seeds innermost, and what is there of it already.

    Args:
        source: the study's file; its configs are looked up beside it.
        folder: the study folder.

    Raises:
        ConfigError: a config is wrong, or a run of that name has another one.
    """
    planned = []
    for name, *values in product(study.configs, *study.grid.values()):
        beside = source.parent / name
        config = beside if beside.is_file() else find_config(name)
        varied = dict(zip(study.grid, values, strict=True))
        overrides = [f"{key}={json.dumps(value)}" for key, value in {**study.set, **varied}.items()]
        # With one config and something varied, its name would only be repeated.
        stems = [] if len(study.configs) == 1 and varied else [config.stem]
        stem = "-".join([*stems, *(f"{key.rsplit('.', 1)[-1]}_{_word(value)}" for key, value in varied.items())])
        for seed in study.seeds:
            run = check_name(f"{stem}-s{seed}")
            everything = [*overrides, f"seed={seed}"]
            path = folder / run
            planned.append(Planned(run, config, everything, seed, _state(path, config, everything), path))
    names = [p.name for p in planned]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two runs would be called {twice[0]}", str(source), "vary keys whose last words differ")
    return planned


def _word(value: Any) -> str:
    """A value as part of a run's name: 0.001, relu, 16_32, true."""
    text = "_".join(map(str, value)) if isinstance(value, list) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in text)


def _state(path: Path, config: Path, overrides: list[str]) -> Literal["new", "resume", "done"]:
    wanted = load_config(config, overrides)
    if not path.exists() or is_stillborn(path):
        return "new"
    if read_config(path) != wanted:
        raise ConfigError(
            "a run of this name has another config", str(path), "move it away, or name another --runs-dir"
        )
    return "done" if (path / "DONE").exists() else "resume"


def run_study(planned: list[Planned], folder: Path, say: Say, *, device: str = "auto", jobs: int = 1) -> list[str]:
    """Train what is not done yet, `jobs` at a time; returns the names of the runs that failed.

    Raises:
        KeyboardInterrupt: Ctrl-C, which the trainings got too: they save and stop.
    """
    todo = [p for p in planned if p.state != "done"]
    say(f"{len(planned)} runs: {len(planned) - len(todo)} done, {len(todo)} to do")
    environment = dict(os.environ)
    if jobs > 1:  # trainings that fight for cores are slower than one after the other
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


def command_of(run: Planned, folder: Path, device: str) -> list[str]:
    """The `srae train` that makes or finishes this run."""
    if run.state == "resume":
        return ["train", "--resume", str(run.folder), "--device", device]
    sets = [word for override in run.overrides for word in ("--set", override)]
    where = ["--runs-dir", str(folder), "--name", run.name, "--device", device]
    return ["train", "--config", str(run.config), *sets, *where]


def _train(run: Planned, folder: Path, device: str, environment: dict[str, str], say: Say) -> str | None:
    """None when it went well, else the first line of what went wrong."""
    if is_busy(run.folder):  # its study was killed, and it goes on
        say(f"{run.name}: waits for a training that is still under way")
        while is_busy(run.folder):
            time.sleep(0.5)
        run = replace(run, state=_state(run.folder, run.config, run.overrides))
        if run.state == "done":
            return None
    command = [sys.executable, "-m", "srae", *command_of(run, folder, device)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("srae train: ")]
    return (errors or done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1].removeprefix("srae train: ")


def _result(path: Path) -> str:
    try:
        summary = read_run(path).summary
    except SraeError as error:  # damaged since: the others go on
        return str(error)
    return f"{val_sentence(summary)}, {describe_seconds(summary['seconds'])}" if summary else "no summary"


def expected_seconds(planned: list[Planned], device: str) -> Iterator[tuple[Planned, float | None]]:
    """Training time of every run still to do, from three timed steps per distinct config (seeds cost the same)."""
    known: dict[tuple[str, ...], float | None] = {}
    for run in planned:
        if run.state == "done":
            continue
        key = (str(run.config), *run.overrides[:-1])
        if key not in known:
            sets = [word for override in run.overrides for word in ("--set", override)]
            command = ["train", "--config", str(run.config), *sets, "--device", device, "--dry-run", "--json"]
            done = subprocess.run([sys.executable, "-m", "srae", *command], capture_output=True, text=True)
            known[key] = json.loads(done.stdout)["expected_seconds"] if done.returncode == 0 else None
        yield run, known[key]
