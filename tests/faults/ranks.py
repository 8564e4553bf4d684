"""Trainings of several real processes: forks of the warm parent that a launcher's variables make one training."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warm_parent import WarmParent

from toy_training import HANG


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Ranks:
    """The processes of one `srae train`, by rank."""

    parent: WarmParent
    pids: list[int] = field(default_factory=list)

    def start(self, size: int, folder: Path, *arguments: str, spoil: dict[int, list[Any]] | None = None) -> Ranks:
        """Args: spoil: rank -> [a function of victims.py that is called in it first, its arguments]."""
        port = free_port()
        argv = ["train", "--device", "cpu", "--runs-dir", ".", *arguments]
        for rank in range(size):
            more = {"spoil": (spoil or {}).get(rank, [])}
            place = {"rank": rank, "size": size, "port": port}
            self.pids.append(self.parent.start("one_of_many", argv=argv, folder=str(folder), place=place, **more))
        return self

    def kill(self, rank: int, number: int = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pids[rank], number)

    def wait(self) -> list[int]:
        """Exit codes, or minus the signals that ended them; the test fails where one hangs."""
        began = time.monotonic()
        codes = [self.parent.wait(pid) for pid in self.pids]
        assert time.monotonic() - began < HANG, codes
        return codes

    def run(self, size: int, folder: Path, *arguments: str, **more: Any) -> list[int]:
        return self.start(size, folder, *arguments, **more).wait()
