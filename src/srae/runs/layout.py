"""Files, names and places of run folders.

A run folder is a contract (version 1): `config.yaml`, `environment.json`,
`metrics.csv`, `images.csv`, `summary.json`, `checkpoints/`, `model.safetensors`,
`samples/`, `curves.png` and `.svg`, `log.txt`, `trained_on.json`, and `DONE` when it is finished.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from srae.config.measures import METRICS
from srae.errors import ConfigError, did_you_mean
from srae.runs.claims import Owner, is_claim
from srae.runs.locks import find_owner

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
    left = {".lock", "checkpoints", "samples", "log.txt", "environment.json"}
    names = [entry.name for entry in path.rglob("*")]
    return path.is_dir() and all(n in left or is_claim(n, ".lock") or ".tmp." in n for n in names)


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


def run_of(weights: Path) -> Path | None:
    """The run folder that a checkpoint lies in; None where it lies elsewhere."""
    return next((folder for folder in weights.parents[:2] if (folder / "config.yaml").is_file()), None)


def is_busy(path: Path) -> bool:
    """Whether a process is writing into this run."""
    return find_writer(path) is not None


def find_writer(path: Path) -> Owner | None:
    """The process that is writing into this run; None when there is none."""
    return find_owner(path / ".lock")


def list_runs(runs_dir: Path) -> list[Path]:
    """Run folders directly under `runs_dir`, by name; numbers in names by their value."""
    return sorted((p.parent for p in runs_dir.glob("*/config.yaml")), key=lambda path: _value_key(path.name))


def _value_key(name: str) -> tuple[list[str | float], str]:
    """Sort key that puts ``rate_1e-05`` before ``rate_0.0003``, and that before ``rate_0.01``.

    `natural_key` knows whole numbers only, and has to stay: the order of image files is part of a data fingerprint.
    """
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", name.casefold())  # text, number, text, ...
    return [float(part) if i % 2 else part for i, part in enumerate(parts)], name


def list_studies(runs_dir: Path) -> dict[Path, list[Path]]:
    """Study folders directly under `runs_dir` -> their runs, both by name."""
    folders = sorted(
        {path.parent.parent for path in runs_dir.glob("*/*/config.yaml")}, key=lambda p: _value_key(p.name)
    )
    return {folder: list_runs(folder) for folder in folders if not (folder / "config.yaml").is_file()}


def known_names(runs_dir: Path) -> list[str]:
    """Names that `find_runs` understands: runs, studies, and the runs of studies."""
    studies = list_studies(runs_dir)
    paths = [*list_runs(runs_dir), *studies, *(path for runs in studies.values() for path in runs)]
    return list(dict.fromkeys(path.name for path in paths))


def find_in_studies(name: str, runs_dir: Path) -> Path | None:
    """The run of this name in the study folders; None if there is none.

    Raises:
        ConfigError: several studies have one.
    """
    found = [path for runs in list_studies(runs_dir).values() for path in runs if path.name == name]
    if len(found) > 1:
        raise ConfigError(f"several runs are called {name}", ", ".join(map(str, found)), "name one with its folder")
    return found[0] if found else None


def find_run(name: str, runs_dir: Path) -> Path:
    """A run by path, by its name under `runs_dir`, or by its name in one of the studies there.

    Raises:
        ConfigError: there is none, or several studies have one.
    """
    for path in (Path(name), runs_dir / name):
        if (path / "config.yaml").is_file():
            return path
    if run := find_in_studies(name, runs_dir):
        return run
    remedy = did_you_mean(name, known_names(runs_dir)) or "`srae runs` lists the runs"
    raise ConfigError(f"no run {name!r}", f"looked at {name}, {runs_dir / name} and in the studies there", remedy)


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
