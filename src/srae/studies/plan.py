"""A grid of configs x seeds -> run folders under one study folder.

A study is a YAML:

    configs: [cnn3_relu, cnn4_relu]           # shipped names, or paths beside the study
    set: {train.epochs: 5}                    # overrides for all
    grid: {train.learning_rate: [0.001, 0.01]}
    seeds: [0, 1, 2]
    draw: [results, looks]                    # parts of its report; all of them without this key
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from srae.config.loading import find_config, load_config, parse_section
from srae.config.section import Section
from srae.config.yaml_text import read_text
from srae.errors import ConfigError
from srae.files import resource_error, write_text
from srae.runs.layout import check_name, is_stillborn
from srae.runs.locks import lock_file
from srae.runs.reader import read_config

FILE = "study.yaml"
"""Name of the copy of a study's YAML in its folder."""


class Study(Section):
    """The grid of a study; every combination runs once per seed."""

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
class PlannedRun:
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
    """Lock a study's folder, and copy its file there for `read_parts`; one process at a time.

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
    """The parts of a report that the study of this folder asks for; None when there is no study.yaml.

    Raises:
        ConfigError: its study.yaml is damaged.
    """
    return list(load_study(folder / FILE).draw) if (folder / FILE).is_file() else None


def plan(study: Study, source: Path, folder: Path) -> list[PlannedRun]:
    """Every run in order, seeds innermost, with its state on disk.

    Args:
        source: the file of the study; configs are searched beside it.
        folder: the study folder.

    Raises:
        ConfigError: a config is wrong, or a run of that name exists with another config.
    """
    planned = []
    for name, *values in product(study.configs, *study.grid.values()):
        beside = source.parent / name
        config = beside if beside.is_file() else find_config(name)
        varied = dict(zip(study.grid, values, strict=True))
        overrides = [f"{key}={json.dumps(value)}" for key, value in {**study.set, **varied}.items()]
        # With one config and varied keys, its name would be the same in every run.
        stems = [] if len(study.configs) == 1 and varied else [config.stem]
        stem = "-".join([*stems, *(f"{key.rsplit('.', 1)[-1]}_{_word(value)}" for key, value in varied.items())])
        for seed in study.seeds:
            run = check_name(f"{stem}-s{seed}")
            everything = [*overrides, f"seed={seed}"]
            path = folder / run
            planned.append(PlannedRun(run, config, everything, seed, find_state(path, config, everything), path))
    names = [p.name for p in planned]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two runs would be called {twice[0]}", str(source), "vary keys whose last words differ")
    return planned


def _word(value: Any) -> str:
    """A value in the name of a run: 0.001, relu, 16_32, true."""
    text = "_".join(map(str, value)) if isinstance(value, list) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in text)


def find_state(path: Path, config: Path, overrides: list[str]) -> Literal["new", "resume", "done"]:
    wanted = load_config(config, overrides)
    if not path.exists() or is_stillborn(path):
        return "new"
    if read_config(path) != wanted:
        raise ConfigError(
            "a run of this name has another config", str(path), "move it away, or name another --runs-dir"
        )
    return "done" if (path / "DONE").exists() else "resume"
