"""The layout of a run folder, its writer and its reader.  No torch.

A run folder is a contract (version 1): `config.yaml`, `environment.json`,
`metrics.csv`, `images.csv`, `summary.json`, `checkpoints/`, `model.safetensors`,
`samples/`, `curves.png` and `.svg`, `log.txt`, and `DONE` when it is finished.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from srae.config import Config, dump_config, parse_config
from srae.errors import ConfigError, DataError, ResourceError, RunBusyError, SraeError
from srae.files import is_locked, lock_file, natural_key, resource_error, sweep_orphans, write_text
from srae.yaml_text import parse_yaml, read_text

VERSION = 1
COLUMNS = (
    "epoch",
    "step",
    "train_mse",
    "val_mse",
    "val_psnr",
    "val_ssim",
    "identity_mse",
    "learning_rate",
    "epoch_seconds",
    "wall_seconds",
    "images_per_second",
    "vram_peak_mb",
    "rss_peak_mb",
    # later columns go to the end, so that scripts keep working
    "vram_reserved_mb",
    "train_loss",
    "val_channel_argmax_accuracy",
    "val_cross_entropy",
    "val_accuracy",
    "train_accuracy",
)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,80}")


# -------------------------------------------------------------------------- writing


def check_name(name: str) -> str:
    """A run's name, or ConfigError: letters, digits, dot, underscore, hyphen; at most 80, no leading dot."""
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise ConfigError(f"{name!r} cannot name a run", None, "use letters, digits, '.', '_' and '-', at most 80")
    return name


def claim_run(runs_dir: Path, name: str) -> RunWriter:
    """Make and lock a new folder: `name`, else `name-2`, `name-3`, ...; never one that holds a run.

    Raises:
        ResourceError: the folder cannot be made.
    """
    check_name(name)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            path = runs_dir / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir()  # atomic: of many starts in one second, each gets its own
            except FileExistsError:
                if not is_stillborn(path):
                    continue
            with suppress(RunBusyError):  # somebody else is just claiming it
                run = RunWriter(path)
                if is_stillborn(path):
                    return run
                run.close()
    except OSError as error:
        raise resource_error(error, runs_dir) from None
    raise ResourceError(f"10,000 runs are called {name}", str(runs_dir), "use --name")


def is_stillborn(path: Path) -> bool:
    """Whether a folder is empty, or holds no more than a start leaves that was killed before its config was written."""
    left = {".lock", "checkpoints", "samples", "log.txt", "environment.json"}
    return path.is_dir() and all(entry.name in left or ".tmp." in entry.name for entry in path.rglob("*"))


class RunWriter:
    """The one process that writes into a run folder; holds its lock until `close`.

    Raises:
        RunBusyError: another process is writing there.
        ResourceError: disk full or not writable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self._lock = lock_file(path / ".lock")
        try:
            for folder in (self.checkpoints, self.samples):
                folder.mkdir(exist_ok=True)
            for folder in (path, self.checkpoints, self.samples):
                sweep_orphans(folder)
        except OSError as error:
            self._lock.close()
            raise resource_error(error, path) from None

    def write_start(self, config: Config, environment: Mapping[str, Any]) -> None:
        """What is known before the first step; with its config the folder becomes a run."""
        self.write_json("environment.json", environment)
        self.write_config(config)

    def write_config(self, config: Config) -> None:
        write_text(self.path / "config.yaml", dump_config(config))

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        write_text(self.path / name, json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n")

    def append_row(self, row: Mapping[str, Any]) -> None:
        """One epoch into metrics.csv, on the disk when this returns."""
        path = self.path / "metrics.csv"
        try:
            with open(path, "ab", buffering=0) as file:  # what is not written now is not written by `truncate` either
                start = file.tell()
                rest = csv_text([row], COLUMNS, header=start == 0).encode()
                try:
                    while rest:
                        rest = rest[file.write(rest) :]
                    os.fsync(file.fileno())
                except OSError:
                    with suppress(OSError):
                        file.truncate(start)
                    raise
        except OSError as error:
            raise resource_error(error, path) from None

    def keep_rows(self, epochs: int) -> None:
        """Drop rows after `epochs`, and a torn last line: a resumed run writes them again."""
        path = self.path / "metrics.csv"
        if not path.exists():
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        own = csv_text([], COLUMNS, header=True)
        # Columns are only added at the end: ours fits the rows of an older srae, that of a newer one fits ours.
        header = next((line for line in lines[:1] if line.startswith(own.strip()) and line.endswith("\n")), own)
        kept = [line for line in lines if (epoch := _epoch(line)) is not None and epoch <= epochs]
        write_text(path, "".join([header, *kept]))

    def write_images(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Per-image metrics of val and test."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        write_text(self.path / "images.csv", csv_text(rows, columns, header=True))

    def log(self, text: str) -> None:
        """A line for log.txt; a full disk is told by the files that matter."""
        with suppress(OSError), open(self.path / "log.txt", "a", encoding="utf-8") as file:
            file.write(text + "\n")

    def finish(self, summary: Mapping[str, Any]) -> None:
        """summary.json, and DONE when the run is done."""
        self.write_json("summary.json", {"version": VERSION, "run": self.path.name, **summary})
        if summary["status"] == "done":
            write_text(self.path / "DONE", "")

    def reopen(self) -> None:
        """A finished run is to go on."""
        (self.path / "DONE").unlink(missing_ok=True)

    def close(self) -> None:
        self._lock.close()


def _epoch(line: str) -> int | None:
    first, separator, _ = line.partition(",")
    return int(first) if separator and first.isdecimal() and line.endswith("\n") else None


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, header: bool) -> str:
    """Rows as CSV: dot decimals, full precision, nothing for None."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if row.get(key) is None else row[key] for key in columns})
    return buffer.getvalue()


def _finite(value: Any) -> Any:
    """JSON has no infinity: such a number becomes null."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# -------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class Run:
    """What lies in a run folder; parts that are not there (yet) are empty."""

    path: Path
    config: dict[str, Any] | None
    summary: dict[str, Any] | None
    rows: list[dict[str, float | None]]
    status: str
    """done, stopped, diverged; running while a process holds its lock; killed otherwise."""
    images: str = "images.csv"
    """File of the figures per picture."""

    @property
    def name(self) -> str:
        return self.path.name


def read_run(path: Path) -> Run:
    """Read a run folder in whatever state it is.

    Raises:
        DataError: it is no run folder.
    """
    if not (path / "config.yaml").is_file() and not (path / "metrics.csv").is_file():
        raise DataError("not a run folder: it has no config.yaml", str(path), "`srae runs` lists the runs")
    config = None
    if (path / "config.yaml").is_file():
        try:
            config = parse_yaml(read_text(path / "config.yaml"), str(path / "config.yaml"))[0]
        except SraeError:
            config = None
    try:
        summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        summary = None
    if not isinstance(summary, dict):
        summary = None
    rows = read_rows(path)
    if is_busy(path):
        status = "running"
    else:
        status = summary["status"] if summary and "status" in summary else "killed"
    return Run(path, config if isinstance(config, dict) else None, summary, rows, status)


def read_rows(path: Path) -> list[dict[str, float | None]]:
    """metrics.csv as numbers, whatever its columns are; a torn last line is left out."""
    try:
        text = (path / "metrics.csv").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = text.splitlines(keepends=True)
    whole = [lines[0], *(line for line in lines[1:] if _epoch(line) is not None)] if lines else []
    return [{key: _number(value) for key, value in row.items() if key} for row in csv.DictReader(whole)]


def _number(text: str | None) -> float | None:
    """A cell; None where nothing was measured, or it is damaged."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def baseline_of(run: Run) -> str:
    """What a run's `identity` figures measure, in words."""
    protocol = (run.summary or {}).get("protocol") or {}
    return str(protocol.get("baseline", "returning the input"))


def scored_on(run: Run, label: str) -> Run:
    """The run with the figures that `srae eval` took of it elsewhere, in place of its own; it has no curves there.

    Raises:
        ConfigError: there are none.
    """
    images = f"images-{label}.csv"
    try:
        scores = json.loads((run.path / images).with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        scores = None
    if not isinstance(scores, dict) or not run.summary:
        there = [path.stem.removeprefix("images-") for path in sorted(run.path.glob("images-*.json"))]
        remedy = f"there are: {', '.join(there) or 'none'}; `srae eval --model {run.path} --data FOLDER` makes them"
        raise ConfigError(f"no figures called {label!r}", str(run.path), remedy)
    own = {key: value for key, value in run.summary.items() if key not in ("train", "val", "test", "identity")}
    return replace(run, summary=own | scores, rows=[], images=images)


def read_images(run: Run) -> list[dict[str, str]]:
    """Its figures per picture as text, or nothing."""
    try:
        with open(run.path / run.images, newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if row.get("split") and row.get("name")]
    except (OSError, ValueError, csv.Error):
        return []


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The resolved config of a run, with overrides applied."""
    file = path / "config.yaml"
    if not file.is_file():
        raise DataError("not a run folder: it has no config.yaml", str(path), "`srae runs` lists the runs")
    return parse_config(read_text(file), str(file), overrides)


def is_busy(path: Path) -> bool:
    """Whether a process is writing into this run."""
    return is_locked(path / ".lock")


def list_runs(runs_dir: Path) -> list[Path]:
    """Run folders directly under `runs_dir`, by name."""
    return sorted((p.parent for p in runs_dir.glob("*/config.yaml")), key=lambda path: natural_key(path.name))


def find_run(name: str, runs_dir: Path) -> Path:
    """A run by path or by its name under `runs_dir`.

    Raises:
        ConfigError: there is none.
    """
    for path in (Path(name), runs_dir / name):
        if (path / "config.yaml").is_file():
            return path
    raise ConfigError(f"no run {name!r}", f"looked at {name} and {runs_dir / name}", "`srae runs` lists the runs")


def find_runs(name: str, runs_dir: Path) -> list[Path]:
    """A run, or all runs of a study folder, by path or name.

    Raises:
        ConfigError: there is neither.
    """
    for path in (Path(name), runs_dir / name):
        if not (path / "config.yaml").is_file() and (found := list_runs(path)):
            return found
    return [find_run(name, runs_dir)]
