"""A process that has imported torch and forks victims: thirty kills take seconds, not the thirty starts of Python.

The parent runs with one thread and has trained nothing itself, so that a fork
of it is a whole, fresh process.  It reads requests from its standard input and
answers in JSON, a line each; `WarmParent` is the side of the tests.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

HERE = Path(__file__).parent


class WarmParent:
    """Starts victims: functions of victims.py, each in a process of its own that a signal can end."""

    def __init__(self, output: Path) -> None:
        from conftest import clean_environment

        self.output = output
        """What the victims print."""
        self._running: set[int] = set()
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment(PYTHONPATH=os.pathsep.join((str(HERE), str(HERE.parent))), COLUMNS="120"),
            text=True,
        )
        self._ask({"ready": True})

    def __enter__(self) -> WarmParent:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pid in self._running:  # of a test that failed
            os.kill(pid, signal.SIGKILL)
        self._process.communicate()  # the end of its input is its end

    def start(self, function: str, **arguments: Any) -> int:
        """The process that runs `function(**arguments)`; its exit code is what that returns."""
        if not self._running:
            self.output.unlink(missing_ok=True)
        pid = self._ask({"function": function, "arguments": arguments, "output": str(self.output)})
        assert pid > 1  # what is sent a signal is one process, never a group
        self._running.add(pid)
        return pid

    def wait(self, pid: int) -> int:
        """Its exit code, or minus the signal that ended it."""
        self._running.discard(pid)
        return self._ask({"wait": pid})

    def run(self, function: str, *, kill_after: float | None = None, **arguments: Any) -> int:
        """Start and wait; SIGKILL after so many seconds, unless it ended before."""
        pid = self.start(function, **arguments)
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(pid, signal.SIGKILL)  # the parent has not waited yet: the number is still the victim's
        return self.wait(pid)

    def said(self) -> str:
        """What the victims printed, since none was running."""
        return self.output.read_text() if self.output.exists() else ""

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(json.loads(self._process.stdout.readline()))


def _fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _be_victim(request)
    return pid


def _be_victim(request: dict[str, Any]) -> NoReturn:
    import victims

    code = 1
    try:
        output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        code = getattr(victims, request["function"])(**request["arguments"])
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def main() -> None:
    """Answer requests: fork a victim (its process number), or wait for one (its exit code)."""
    import torch
    import victims  # noqa: F401  what every victim is spared

    assert torch.get_num_threads() == 1
    gc.freeze()  # no victim goes through torch's million objects
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            answer = _fork(request) if "function" in request else 0
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)  # without the long goodbye of torch's libraries


if __name__ == "__main__":
    main()
