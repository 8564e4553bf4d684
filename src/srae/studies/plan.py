"""A grid of configs x seeds -> run folders under one study folder.

A study is a YAML:

    configs: [cnn3_relu, cnn4_relu]           # shipped names, or paths beside the study
    set: {train.epochs: 5}                    # overrides for all
    grid: {train.learning_rate: [0.001, 0.01]}
    seeds: [0, 1, 2]
    draw: [results, looks]                    # parts of its report; all of them without this key
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any, Literal, NamedTuple, NoReturn

from pydantic import Field, model_validator

from srae.config.loading import find_config, load_config, parse_section
from srae.config.section import Section
from srae.config.yaml_text import read_text
from srae.errors import ConfigError, did_you_mean
from srae.files import resource_error, write_text
from srae.runs.layout import LONGEST_NAME, csv_text, is_stillborn, name_from
from srae.runs.locks import lock_file
from srae.runs.reader import read_config

FILE = "study.yaml"
"""Name of the copy of a study's YAML in its folder."""
CUT = 24
"""Characters that are kept of a name that is too long: more would crowd plots and tables."""
TABLE = "study.csv"
"""Name of the table of its runs there; see `table_text`."""


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
    varied: dict[str, Any]
    """What the grid sets: dotted key -> value."""


def load_study(path: Path) -> Study:
    """Read a study's YAML.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    return parse_section(Study, read_text(path), str(path))


@contextmanager
def open_study(source: Path, folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Lock a study's folder, and copy its file there for `read_parts`; one process at a time.

    Args:
        shared: do not lock it: others train other runs of it, and each run has a lock of its own.

    Raises:
        RunBusyError: another process runs this study.
        ResourceError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise resource_error(error, folder) from None
    with nullcontext() if shared else lock_file(folder / ".lock"):
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
        ConfigError: all configs that are wrong, and runs that exist with another config.
    """
    combinations = []
    for name, *values in product(study.configs, *study.grid.values()):
        config = find_config(name, beside=source.parent)
        combinations.append(_Combination(config, dict(zip(study.grid, values, strict=True))))
    planned, problems = [], list[ConfigError]()
    for combination, stem in zip(combinations, _names(study, combinations), strict=True):
        for seed in study.seeds:
            settings = {**study.set, **combination.varied, "seed": seed}
            overrides = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
            path = folder / f"{stem}-s{seed}"
            try:
                state = find_state(path, combination.config, overrides)
            except ConfigError as error:
                problems.append(error)
                continue
            planned.append(PlannedRun(path.name, combination.config, overrides, seed, state, path, combination.varied))
    if problems:
        _raise(problems, source)
    names = [p.name for p in planned]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{twice[0]} is planned twice", str(source), "remove the config, value or seed that repeats")
    return planned


class _Combination(NamedTuple):
    """The runs of a study that differ only in their seed."""

    config: Path
    varied: dict[str, Any]
    """Dotted key -> value."""


def _names(study: Study, combinations: list[_Combination]) -> list[str]:
    """Names of the combinations, without seed: what varies; too long or equal ones are cut, and end in a digest.

    The digest depends on the combination alone, so that runs keep their names when the study grows.
    """
    longest = LONGEST_NAME - max(len(f"-s{seed}") for seed in study.seeds)
    full = []
    for config, varied in combinations:
        # With one config and varied keys, its name would be the same in every run.
        stems = [] if len(study.configs) == 1 and varied else [config.stem]
        full.append("-".join([*stems, *(f"{key.rsplit('.', 1)[-1]}_{_word(value)}" for key, value in varied.items())]))
    names = []
    for combination, text in zip(combinations, full, strict=True):
        name = name_from(text, len(text))
        if len(name) > longest or full.count(text) > 1:
            content = json.dumps([combination.config.stem, combination.varied], sort_keys=True)
            digest = hashlib.sha256(content.encode()).hexdigest()[:8]
            name = f"{name[:CUT].rstrip('-_.')}-{digest}"
        names.append(name)
    return names


def _word(value: Any) -> str:
    """A value in the name of a run: 0.001, relu, 16_32, true, null; of a mapping its values."""
    if isinstance(value, dict):
        return "_".join(map(_word, value.values()))
    if isinstance(value, list):
        return "_".join(map(_word, value))
    return value if isinstance(value, str) else json.dumps(value)


def find_planned(planned: Sequence[PlannedRun], name: str, source: Path) -> PlannedRun:
    """Raises: ConfigError when the plan has no run of this name."""
    for run in planned:
        if run.name == name:
            return run
    remedy = did_you_mean(name, [run.name for run in planned]) or "`--dry-run` lists the runs"
    raise ConfigError(f"the study has no run {name!r}", str(source), remedy)


def _raise(problems: list[ConfigError], source: Path) -> NoReturn:
    """Every problem once: seeds of one config have the same."""
    told = list({str(problem): problem for problem in problems}.values())
    if len(told) == 1:
        raise told[0]
    lines = [f"{problem.what}\n{indent(problem.where or '', '  ')}" for problem in told]
    raise ConfigError(f"{len(problems)} runs cannot start", "\n".join(lines), f"mend the configs, or {source}")


def table_text(planned: Sequence[PlannedRun]) -> str:
    """`study.csv`: the name of every run with its config, its seed and the value of every key that varies."""
    keys = list(dict.fromkeys(key for run in planned for key in run.varied))
    rows = [
        {"run": run.name, "config": run.config.stem, "seed": run.seed}
        | {key: value if isinstance(value, str) else json.dumps(value) for key, value in run.varied.items()}
        for run in planned
    ]
    return csv_text(rows, ["run", "config", "seed", *keys], header=True)


def find_state(path: Path, config: Path, overrides: list[str]) -> Literal["new", "resume", "done"]:
    wanted = load_config(config, overrides)
    if not path.exists() or is_stillborn(path):
        return "new"
    there = read_config(path)
    if there != wanted.model_copy(update={"data": wanted.data.settled_as(there.data)}):
        raise ConfigError(
            "a run of this name has another config", str(path), "move it away, or name another --runs-dir"
        )
    return "done" if (path / "DONE").exists() else "resume"
