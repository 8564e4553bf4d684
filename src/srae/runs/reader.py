"""Read a run folder in any state: finished, running, killed or damaged; `writer` writes it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from srae.config.experiment import Config
from srae.config.loading import parse_config
from srae.config.stored import resolve_stored
from srae.config.yaml_text import parse_yaml, read_text
from srae.errors import ConfigError, DataError, SraeError
from srae.runs.layout import epoch_of, find_run, is_busy


@dataclass(frozen=True)
class Run:
    """The content of a run folder; missing parts are empty."""

    path: Path
    config: dict[str, Any] | None
    summary: dict[str, Any] | None
    rows: list[dict[str, float | None]]
    status: str
    """done, stopped, diverged; running while a process holds its lock; killed otherwise."""
    images: str = "images.csv"
    """Name of the file with the metrics per image."""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def metrics(self) -> list[dict[str, float | None]]:
        """A dictionary per epoch, the columns of metrics.csv: ``pandas.DataFrame(run.metrics)``."""
        return self.rows


def read_run(path: Path) -> Run:
    """Read a run folder in any state.

    Raises:
        DataError: it is no run folder.
    """
    if not (path / "config.yaml").is_file() and not (path / "metrics.csv").is_file():
        raise DataError("not a run folder: it has no config.yaml", str(path), "`srae runs` lists the runs")
    config = None
    if (path / "config.yaml").is_file():
        try:
            stored = parse_yaml(read_text(path / "config.yaml"), str(path / "config.yaml"))[0]
            config = resolve_stored(stored)
            if "train" not in stored:  # scored, but not trained by srae: no default of a training is a fact
                config = {key: value for key, value in config.items() if key in stored}
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


def load_run(run: str | Path, runs_dir: str | Path = "runs") -> Run:
    """`srae.load_run`: a run by its folder, or by its name below `runs_dir`, in whatever state it is.

    Raises:
        ConfigError: there is none.
    """
    return read_run(find_run(str(run), Path(runs_dir)))


def describe_run(run: Run) -> dict[str, Any]:
    """One run as `srae runs` lists it; without a summary the values are those of its last complete epoch.

    `val_mse` and `val_psnr` (dB) are of the best epoch, images in [0, 1]; `identity_psnr` is of the identity baseline.
    """
    summary, config = run.summary or {}, run.config or {}
    last = run.rows[-1] if run.rows else {}
    val, data = summary.get("val") or {}, config.get("data") or {}
    epochs = summary.get("epochs", last.get("epoch"))
    return {
        "name": run.name,
        "status": run.status,
        "task": summary.get("task", config.get("task")),
        "epochs": None if epochs is None else int(epochs),
        "val_mse": val.get("mse", last.get("val_mse")),
        "val_psnr": val.get("psnr", last.get("val_psnr")),
        "identity_psnr": (summary.get("identity") or {}).get("psnr"),
        "seconds": summary.get("seconds", last.get("wall_seconds")),
        "data": (summary.get("data") or {}).get("name", data.get("folder") or data.get("name")),
        "path": str(run.path),
    }


def read_rows(path: Path) -> list[dict[str, float | None]]:
    """metrics.csv as numbers, with any columns; an incomplete last line is left out."""
    try:
        text = (path / "metrics.csv").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = text.replace("\0", "\ufffd").splitlines(keepends=True)  # Python 3.10 refuses a line with NUL
    complete = [lines[0], *(line for line in lines[1:] if epoch_of(line) is not None)] if lines else []
    return [{key: _number(value) for key, value in row.items() if key} for row in csv.DictReader(complete)]


def _number(text: str | None) -> float | None:
    """The number in a cell; None when the cell is empty or damaged."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def baseline_of(run: Run) -> str:
    """Name of the baseline whose metrics are a run's `identity`, in words."""
    protocol = (run.summary or {}).get("protocol") or {}
    return str(protocol.get("baseline", "returning the input"))


_OF_OWN_DATA = (
    "train",
    "val",
    "test",
    "identity",
    "test_identity",
    "gain_db",
    "gain_test",
    "exact",
    "output",
    "answers",
)


def scored_on(run: Run, label: str) -> Run | None:
    """The run with the newest metrics that `srae eval` stored under a label, in place of its own.

    The result has no curves and no outputs.  None: there are no such metrics, or a longer training has replaced
    the weights that they were measured with.
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
    """The runs that have metrics under a label, with these metrics; `say` is told which runs are left out.

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
        raise ConfigError(f"no metrics called {label!r} of the run's last weights", str(path), remedy)
    if missing:
        say(f"left out, without metrics called {label!r} of their last weights: {', '.join(r.name for r in missing)}")
    return found


def read_images(run: Run) -> list[dict[str, str]]:
    """Its metrics per image as text; empty where there are none."""
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
    return parse_config(read_text(file), str(file), overrides, stored=True)
