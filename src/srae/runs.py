"""The layout of a run folder, its writer and its reader.  No torch.

A run folder is a contract (version 1): `config.yaml`, `environment.json`,
`metrics.csv`, `images.csv`, `summary.json`, `checkpoints/`, `model.safetensors`,
`samples/`, `curves.png` and `.svg`, `log.txt`, and `DONE` when it is finished.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srae.config import Config, dump_config, parse_config
from srae.errors import ConfigError, DataError, ResourceError, RunBusyError, SraeError
from srae.files import resource_error, sweep_orphans, write_text
from srae.yaml_text import parse_yaml

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
    """Make and lock a new folder: `name`, else `name-2`, `name-3`, ...; never an existing one.

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
                continue
            return RunWriter(path)
    except OSError as error:
        raise resource_error(error, runs_dir) from None
    raise ResourceError(f"10,000 runs are called {name}", str(runs_dir), "use --name")


class RunWriter:
    """The one process that writes into a run folder; holds its lock until `close`.

    Raises:
        RunBusyError: another process is writing there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self._lock = open(path / ".lock", "a+")  # noqa: SIM115  held for the life of the writer
        try:
            # The kernel drops the lock with its owner, however that one dies.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise RunBusyError(f"process {owner} is writing into this run", str(path), "wait or stop it") from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        for folder in (self.checkpoints, self.samples):
            folder.mkdir(exist_ok=True)
        for folder in (path, self.checkpoints, self.samples):
            sweep_orphans(folder)

    def write_start(self, config: Config, environment: Mapping[str, Any]) -> None:
        """What is known before the first step."""
        write_text(self.path / "config.yaml", dump_config(config))
        self.write_json("environment.json", environment)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        write_text(self.path / name, json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n")

    def append_row(self, row: Mapping[str, Any]) -> None:
        """One epoch into metrics.csv, on the disk when this returns."""
        path = self.path / "metrics.csv"
        text = csv_text([row], COLUMNS, header=not path.exists())
        try:
            with open(path, "ab") as file:
                start = file.tell()
                try:
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(start)
                    raise
        except OSError as error:
            raise resource_error(error, path) from None

    def keep_rows(self, epochs: int) -> None:
        """Drop rows after `epochs`, and a torn last line: a resumed run writes them again."""
        path = self.path / "metrics.csv"
        if not path.exists():
            return
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines[1:] if (epoch := _epoch(line)) is not None and epoch <= epochs]
        write_text(path, "".join(lines[:1] + kept))

    def write_images(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Per-image metrics of val and test."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        write_text(self.path / "images.csv", csv_text(rows, columns, header=True))

    def log(self, text: str) -> None:
        with open(self.path / "log.txt", "a", encoding="utf-8") as file:
            file.write(text + "\n")

    def finish(self, summary: Mapping[str, Any]) -> None:
        """summary.json, and DONE when the run is done."""
        self.write_json("summary.json", {"version": VERSION, "run": self.path.name, **summary})
        if summary["status"] == "done":
            (self.path / "DONE").touch()

    def reopen(self) -> None:
        """A finished run is to go on."""
        (self.path / "DONE").unlink(missing_ok=True)

    def close(self) -> None:
        self._lock.close()


def _epoch(line: str) -> int | None:
    first, separator, _ = line.partition(",")
    return int(first) if separator and first.isdigit() and line.endswith("\n") else None


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
            config = parse_yaml((path / "config.yaml").read_text(), str(path / "config.yaml"))[0]
        except SraeError:
            config = None
    try:
        summary = json.loads((path / "summary.json").read_text())
    except (OSError, ValueError):
        summary = None
    rows = read_rows(path)
    if is_busy(path):
        status = "running"
    else:
        status = summary["status"] if summary and "status" in summary else "killed"
    return Run(path, config if isinstance(config, dict) else None, summary, rows, status)


def read_rows(path: Path) -> list[dict[str, float | None]]:
    """metrics.csv as numbers; a torn last line is left out."""
    try:
        text = (path / "metrics.csv").read_text()
    except OSError:
        return []
    lines = text.splitlines(keepends=True)
    whole = [lines[0], *(line for line in lines[1:] if _epoch(line) is not None)] if lines else []
    return [{key: float(value) if value else None for key, value in row.items()} for row in csv.DictReader(whole)]


def baseline_of(run: Run) -> str:
    """What a run's `identity` figures measure, in words."""
    protocol = (run.summary or {}).get("protocol") or {}
    return str(protocol.get("baseline", "returning the input"))


def read_images(path: Path) -> list[dict[str, str]]:
    """images.csv as text, or nothing."""
    try:
        with open(path / "images.csv", newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The resolved config of a run, with overrides applied."""
    file = path / "config.yaml"
    if not file.is_file():
        raise DataError("not a run folder: it has no config.yaml", str(path), "`srae runs` lists the runs")
    return parse_config(file.read_text(), str(file), overrides)


def is_busy(path: Path) -> bool:
    """Whether a process is writing into this run."""
    try:
        with open(path / ".lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def list_runs(runs_dir: Path) -> list[Path]:
    """Run folders directly under `runs_dir`, by name."""
    return sorted(p.parent for p in runs_dir.glob("*/config.yaml"))


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
