"""Files, names and places of run folders.

A run folder is a contract (version 1): `config.yaml`, `environment.json`,
`metrics.csv`, `images.csv`, `summary.json`, `checkpoints/`, `model.safetensors`,
`samples/`, `curves.png` and `.svg`, `log.txt`, and `DONE` when it is finished.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from srae.config.measures import METRICS
from srae.errors import ConfigError
from srae.runs.locks import is_locked

VERSION = 1
_ALWAYS = (
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
    # new columns go to the end, so that scripts keep working
    "vram_reserved_mb",
    "train_loss",
    "val_channel_argmax_accuracy",
    "val_cross_entropy",
    "val_accuracy",
    "train_accuracy",
)
_VALIDATED = tuple(f"val_{name}" for name, metric in METRICS.items() if metric.tasks)
COLUMNS = (*_ALWAYS, *(column for column in _VALIDATED if column not in _ALWAYS), "vram_data_mb")
"""Of metrics.csv."""
LONGEST_NAME = 80
_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{LONGEST_NAME}}}")


def check_name(name: str) -> str:
    """A run's name, or ConfigError: letters, digits, dot, underscore, hyphen; at most 80, no leading dot."""
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise ConfigError(f"{name!r} cannot name a run", None, "use letters, digits, '.', '_' and '-', at most 80")
    return name


def name_from(text: str, longest: int = LONGEST_NAME) -> str:
    """A valid name of a run that resembles `text`, such as the name of a file; different texts may give one name."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".")
    return name[:longest] or "run"


def is_stillborn(path: Path) -> bool:
    """Whether a folder is empty, or holds only what a start leaves that was killed before it wrote its config."""
    left = {".lock", ".lock.owner", "checkpoints", "samples", "log.txt", "environment.json"}
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


def is_busy(path: Path) -> bool:
    """Whether a process is writing into this run."""
    return is_locked(path / ".lock")


def list_runs(runs_dir: Path) -> list[Path]:
    """Run folders directly under `runs_dir`, by name; numbers in names by their value."""
    return sorted((p.parent for p in runs_dir.glob("*/config.yaml")), key=lambda path: _value_key(path.name))


def _value_key(name: str) -> tuple[list[str | float], str]:
    """Sort key that puts ``rate_1e-05`` before ``rate_0.0003``, and that before ``rate_0.01``.

    `natural_key` knows whole numbers only, and has to stay: the order of image files is part of a data fingerprint.
    """
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", name.casefold())  # text, number, text, ...
    return [float(part) if i % 2 else part for i, part in enumerate(parts)], name


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
