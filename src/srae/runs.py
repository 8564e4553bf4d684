"""The layout of a run folder and its reader (`run_writer` writes it).  No torch.

A run folder is a contract (version 1): `config.yaml`, `environment.json`,
`metrics.csv`, `images.csv`, `summary.json`, `checkpoints/`, `model.safetensors`,
`samples/`, `curves.png` and `.svg`, `log.txt`, and `DONE` when it is finished.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from srae.config import Config, parse_config
from srae.errors import ConfigError, DataError, SraeError
from srae.files import is_locked, natural_key
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


def check_name(name: str) -> str:
    """A run's name, or ConfigError: letters, digits, dot, underscore, hyphen; at most 80, no leading dot."""
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise ConfigError(f"{name!r} cannot name a run", None, "use letters, digits, '.', '_' and '-', at most 80")
    return name


def is_stillborn(path: Path) -> bool:
    """Whether a folder is empty, or holds no more than a start leaves that was killed before its config was written."""
    left = {".lock", "checkpoints", "samples", "log.txt", "environment.json"}
    return path.is_dir() and all(entry.name in left or ".tmp." in entry.name for entry in path.rglob("*"))


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, header: bool) -> str:
    """Rows as CSV: dot decimals, full precision, nothing for None."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if row.get(key) is None else row[key] for key in columns})
    return buffer.getvalue()


def epoch_of(line: str) -> int | None:
    """The epoch of a line of metrics.csv; None for its header and for a torn line."""
    first, separator, _ = line.partition(",")
    return int(first) if separator and first.isdecimal() and line.endswith("\n") else None


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
    whole = [lines[0], *(line for line in lines[1:] if epoch_of(line) is not None)] if lines else []
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


_OF_OWN_DATA = ("train", "val", "test", "identity", "output")


def scored_on(run: Run, label: str) -> Run | None:
    """The run with the figures that `srae eval` took of it elsewhere, the newest of several, in place of its own.

    It has no curves and no outputs there.  Figures of weights that a longer training replaced do not count.
    """
    numbered = re.compile(rf"images-{re.escape(label)}(?:-(\d+))?\.json")
    found = {int(match[1] or 1): path for path in run.path.glob("*.json") if (match := numbered.fullmatch(path.name))}
    if not found or not run.summary:
        return None
    newest = found[max(found)]
    try:
        scores = json.loads(newest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    best_epoch = run.summary.get("best_epoch")
    if not isinstance(scores, dict) or scores.get("best_epoch", best_epoch) != best_epoch:
        return None
    own = {key: value for key, value in run.summary.items() if key not in _OF_OWN_DATA}
    return replace(run, summary=own | scores, rows=[], images=newest.with_suffix(".csv").name)


def all_scored_on(runs: Sequence[Run], label: str, say: Callable[[str], None]) -> list[Run]:
    """The runs that have figures of that name, with those; it is said which others are left out.

    Raises:
        ConfigError: none has any.
    """
    scored = [(run, scored_on(run, label)) for run in runs]
    found = [there for _, there in scored if there]
    missing = [run for run, there in scored if not there]
    if missing and not found:
        path = missing[0].path
        names = [file.stem.removeprefix("images-") for file in sorted(path.glob("images-*.json"))]
        remedy = f"there are: {', '.join(names) or 'none'}; `srae eval --model {path} --data FOLDER` makes them"
        raise ConfigError(f"no figures called {label!r} of the run's last weights", str(path), remedy)
    if missing:
        say(f"left out, without figures called {label!r} of their last weights: {', '.join(r.name for r in missing)}")
    return found


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
    return study_runs(name, runs_dir) or [find_run(name, runs_dir)]


def study_runs(name: str, runs_dir: Path) -> list[Path]:
    """The runs of a study folder, by path or name; none when it is something else."""
    for path in (Path(name), runs_dir / name):
        if not (path / "config.yaml").is_file() and (found := list_runs(path)):
            return found
    return []
