"""What the trainings of a study print, a file per run, and how the last one of a run ended."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import NamedTuple

LOGS = "logs"
"""Folder in that of a study: NAME-OF-THE-RUN.log, all attempts one after the other."""
END = "exit code "
"""Begins the last line of an attempt; a job script writes it too."""
SHOWN = 3
"""Lines of an error: what, where, remedy."""
_TAIL = 64 * 1024
_OF_SLURM = ("srun: ", "slurmstepd")


class Ending(NamedTuple):
    """How the last attempt of a run ended."""

    code: int
    lines: list[str]
    """Why, as it was printed: what, where, remedy."""


def log_of(folder: Path, run: str) -> Path:
    """The log of a run in the study folder; may not exist."""
    return folder / LOGS / f"{run}.log"


def append_attempt(log: Path, said: str, code: int) -> None:
    """Add what an attempt printed, and its exit code.

    Raises:
        OSError: it cannot be written.
    """
    log.parent.mkdir(exist_ok=True)
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"{said.rstrip()}\n{END}{code}\n".lstrip("\n"))


def read_ending(log: Path) -> Ending | None:
    """How the last attempt ended; None when there was none, it goes on, or it left no word."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    lines = [line for line in lines if line.strip()]
    ends = [place for place, line in enumerate(lines) if re.fullmatch(rf"{END}\d+", line)]
    if not ends or ends[-1] != len(lines) - 1:
        return None
    code = int(lines[-1].removeprefix(END))
    return Ending(code, reason_of(lines[(ends[-2] + 1 if len(ends) > 1 else 0) : -1], code))


def reason_of(lines: list[str], code: int) -> list[str]:
    """Why an attempt failed: the error of srae; else the signal, or what Slurm says of it; else the last lines."""
    starts = [place for place, line in enumerate(lines) if line.startswith("srae ") and ": " in line]
    if starts:
        first = lines[starts[-1]].partition(": ")[2]
        more = [line for line in lines[starts[-1] + 1 :] if not line.startswith(_OF_SLURM)]
        return [first, *more][:SHOWN]
    of_slurm = [line for line in lines if line.startswith(_OF_SLURM)]
    if code > 128:
        try:
            name = signal.Signals(code - 128).name
        except ValueError:
            name = f"signal {code - 128}"
        hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return [f"killed by {name}{hint}", *of_slurm[-SHOWN + 1 :]]
    return (lines or of_slurm)[-SHOWN:] or [f"exit code {code}"]
