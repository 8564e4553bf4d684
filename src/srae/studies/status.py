"""How the runs of a study stand: done, running where and since when, queued, failed and why, and when it will end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from srae.config.loading import load_config
from srae.errors import SraeError
from srae.runs.claims import Owner
from srae.runs.layout import find_writer
from srae.runs.messages import describe_seconds
from srae.runs.reader import Run, read_run
from srae.studies.logs import LOGS, log_of, read_ending
from srae.studies.plan import PlannedRun

State = Literal["done", "running", "queued", "failed", "stopped", "new"]
STATES: tuple[State, ...] = ("done", "running", "queued", "failed", "stopped", "new")
_STOPPED = (129, 130, 143)  # by a signal, after saving


@dataclass(frozen=True)
class RunStatus:
    """One run of a study."""

    name: str
    state: State
    epoch: int
    """Epochs completed."""
    epochs: int
    """That its config asks for."""
    host: str | None = None
    pid: int | None = None
    since: float | None = None
    """Unix time of the start of what runs now."""
    task: str | None = None
    """Its task in Slurm's queue."""
    code: int | None = None
    """Exit code of the last attempt, when it failed."""
    why: list[str] = field(default_factory=list)
    """Why it failed: the first lines."""
    seconds_per_epoch: float | None = None
    seconds_left: float | None = None
    """Estimated; of a run that has not begun, after others of the study."""


def read_statuses(planned: Sequence[PlannedRun], queued: Mapping[str, str]) -> list[RunStatus]:
    """Every run of a plan in its order.

    Args:
        queued: run -> its task in Slurm's queue.
    """
    found = [_read(run, queued.get(run.name)) for run in planned]
    known = {run.name: status.seconds_per_epoch for run, status in zip(planned, found, strict=True)}
    return [_with_estimate(run, status, planned, known) for run, status in zip(planned, found, strict=True)]


def _read(planned: PlannedRun, task: str | None) -> RunStatus:
    epochs = load_config(planned.config, planned.overrides).train.epochs
    try:
        run = read_run(planned.folder)
    except SraeError:  # no such folder yet, or none that can be read
        run = None
    rows = run.rows if run else []
    epoch = int(rows[-1].get("epoch") or 0) if rows else 0
    wall = (rows[-1].get("wall_seconds") if rows else None) or 0.0
    status: dict[str, Any] = {"name": planned.name, "epoch": epoch, "epochs": epochs}
    status["seconds_per_epoch"] = wall / epoch if epoch and wall else None
    writer = find_writer(planned.folder)
    if writer is not None:
        return RunStatus(**status, **_of_writer(writer, planned.folder), state="running", task=task)
    if planned.state == "done":
        return RunStatus(**status, state="done")
    if task:
        return RunStatus(**status, state="queued", task=task)
    return RunStatus(**status, **_ended(planned, run))


def _of_writer(writer: Owner, folder: Path) -> dict[str, Any]:
    return {"host": writer.host, "pid": writer.pid, "since": writer.since or None}


def _ended(planned: PlannedRun, run: Run | None) -> dict[str, Any]:
    """State, code and reason of a run that is neither done nor under way."""
    ending = read_ending(log_of(planned.folder.parent, planned.name))
    if ending and ending.code and ending.code not in _STOPPED:
        return {"state": "failed", "code": ending.code, "why": ending.lines}
    if run and run.status == "diverged":
        return {"state": "failed", "why": [str((run.summary or {}).get("error") or "the training diverged")]}
    return {"state": "stopped" if run else "new"}


def _with_estimate(
    run: PlannedRun, status: RunStatus, planned: Sequence[PlannedRun], known: Mapping[str, float | None]
) -> RunStatus:
    """With the seconds left: by its own epochs, else by runs that differ in the seed alone, else by all of them."""
    if status.state in ("done", "failed"):
        return status
    alike = [p.name for p in planned if (p.config, p.varied) == (run.config, run.varied)]
    for names in ([run.name], alike, list(known)):
        each = [seconds for name in names if (seconds := known[name])]
        if each:
            left = max(0, status.epochs - status.epoch) * sum(each) / len(each)
            if status.state == "running" and run.folder.joinpath("metrics.csv").exists():
                left -= min(sum(each) / len(each), time.time() - run.folder.joinpath("metrics.csv").stat().st_mtime)
            return RunStatus(**{**vars(status), "seconds_left": max(0.0, left)})
    return status


def status_lines(statuses: Sequence[RunStatus], folder: Path, now: float | None = None) -> list[str]:
    """A line per run, the reasons of those that failed, and a summary with the expected end."""
    now = time.time() if now is None else now
    width = max((len(status.name) for status in statuses), default=0)
    lines = []
    for status in statuses:
        lines.append(f"{status.state:<8} {status.name:<{width}}  {_describe(status, now)}".rstrip())
        lines += [f"{'':<8} {line}" for line in status.why]
    if any(status.state == "failed" for status in statuses):
        lines.append(f"what they printed is in {folder / LOGS}; start the study again to try them again")
    return [*lines, _total(statuses, now)]


def is_over(statuses: Sequence[RunStatus]) -> bool:
    """Whether nothing runs, waits in a queue, or is left that has not failed."""
    return all(status.state in ("done", "failed") for status in statuses)


def _describe(status: RunStatus, now: float) -> str:
    epochs = f"epoch {status.epoch}/{status.epochs}"
    left = f", about {describe_seconds(status.seconds_left)} left" if status.seconds_left is not None else ""
    if status.state == "running":
        since = f" since {clock(status.since, now)}" if status.since else ""
        return f"on {status.host}, process {status.pid}{since}: {epochs}{left}"
    if status.state == "queued":
        return f"Slurm task {status.task}: {epochs if status.epoch else 'not begun'}{left}"
    if status.state == "failed":
        return f"exit code {status.code}" if status.code else ""
    if status.state == "stopped":
        return f"{epochs}, will be resumed{left}"
    return f"{status.epoch} epochs" if status.state == "done" else left.removeprefix(", ")


def clock(when: float, now: float) -> str:
    """14:05; with the date when it is another day."""
    there, today = datetime.fromtimestamp(when), datetime.fromtimestamp(now)
    return there.strftime("%H:%M" if there.date() == today.date() else "%Y-%m-%d %H:%M")


def _total(statuses: Sequence[RunStatus], now: float) -> str:
    counts = [f"{count} {state}" for state in STATES if (count := sum(s.state == state for s in statuses))]
    line = f"{len(statuses)} runs: {', '.join(counts) or 'none'}"
    todo = [status for status in statuses if status.state not in ("done", "failed")]
    running = sum(status.state == "running" for status in statuses)
    if not todo:
        return line
    if not running:
        return f"{line}; nothing is running"
    if any(status.seconds_left is None for status in todo):
        return f"{line}; no end is known before a first epoch"
    seconds = max(
        sum(status.seconds_left or 0.0 for status in todo) / running,
        max(status.seconds_left or 0.0 for status in todo),
    )
    return f"{line}; {running} at a time, expected end {clock(now + seconds, now)}"
