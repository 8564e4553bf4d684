"""Several commands in one process: in a child, where a crash is a failed test, or in that of the tests.

Python and torch start once, or not at all.  `run_python` is for code that must have a process of its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import clean_environment

PEAK = """
def peak_mb():  # ru_maxrss begins with what the parent had, this does not (Linux)
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
"""
_CHILD = """
import contextlib, io, json, sys, time, traceback
{before}
from srae.cli import main

for arguments in json.load(sys.stdin):
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True) for _ in range(2)]
    start = time.process_time()
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException:
            traceback.print_exc()  # as the interpreter would
            code = 1
    seconds = time.process_time() - start
    out, err = (stream.buffer.getvalue().decode("utf-8", "backslashreplace") for stream in streams)
    print(json.dumps([code, out, err, seconds, peak_mb(), "torch" in sys.modules]), flush=True)
"""


class Done(NamedTuple):
    """What a command did; `peak_mb` is the largest the process has been so far (Linux)."""

    code: int
    out: str
    err: str
    cpu_seconds: float = math.nan
    peak_mb: float = math.nan
    has_torch: bool = True


def run_python(
    code: str, *arguments: object, cwd: Path | None = None, timeout: float = 120, **env: str
) -> subprocess.CompletedProcess[str]:
    """Code that must end well, in a child process of this checkout."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd, env=clean_environment(**env), capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def run_all(
    commands: Sequence[Sequence[object]], folder: Path, *, before: str = "", env: dict[str, str] | None = None
) -> list[Done]:
    """Every command as ``srae ...`` in `folder`, one after the other; `before` is Python that runs first."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK + _CHILD.replace("{before}", before)],
        input=json.dumps([[str(word) for word in command] for command in commands]),
        cwd=folder,
        env=clean_environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=280,
    )
    told = [Done(*json.loads(line)) for line in done.stdout.splitlines()]
    assert (done.returncode, len(told)) == (0, len(commands)), f"died at command {len(told)}: {done.stderr}"
    return told


def run_here(commands: Sequence[Sequence[object]], folder: Path) -> list[Done]:
    """The same in this process, where nothing is measured."""
    from srae.cli import main

    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in commands:
            out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True) for _ in "12")
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    code = main([str(word) for word in command])
                except SystemExit as stop:  # argparse
                    code = int(stop.code or 0)
            told.append(Done(code, *(stream.buffer.getvalue().decode() for stream in (out, err))))  # type: ignore[attr-defined]
    return told


def assert_told(done: Done, code: int, *fragments: str, quiet: bool = True) -> None:
    """A user's mistake in plain words: its exit code, no traceback, nothing on stdout, and what it says."""
    assert done.code == code, (done.code, done.err)
    assert "Traceback" not in done.err + done.out
    assert not quiet or done.out == ""
    for fragment in fragments:
        assert fragment in done.err + done.out
    assert all(line.isprintable() and len(line) < 400 for line in done.err.splitlines()), done.err
