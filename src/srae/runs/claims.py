"""Who writes in a folder, also between machines: a file that names the process, and whose time is its sign of life.

A process of this machine is asked for; one of another machine counts as gone when its file was not touched for
`STALE` seconds.  Claims of one lock are numbered, and the highest counts: to take over a stale claim N is to create
N + 1, which of any number of takers only one can.  Nothing is removed or replaced that somebody else might hold.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from srae.errors import RunBusyError
from srae.files import claim_name, is_alive, resource_error, temporary_name, this_place

BEAT = 15.0
"""Seconds between two signs of life."""
STALE = 90.0
"""Seconds without one after which a process of another machine counts as gone; Slurm starts a requeued job later."""


class Owner(NamedTuple):
    """The process that made a claim."""

    number: int
    """Of the claim; the highest counts."""
    seen: float
    """Unix time of the last sign of life, by the clock of the file system."""
    pid: int = 0
    place: str = "unknown-0"
    started: str = ""
    """What tells the process from a later one with its number; empty where the system does not know."""
    since: float = 0.0
    """Unix time of the claim."""
    mount: str = ""
    """See `mount_of`."""

    @property
    def host(self) -> str:
        return self.place.rpartition("-")[0]

    def is_alive(self, now: float) -> bool:
        """Whether it still runs; `now` is the Unix time that `seen` is compared with."""
        if self.place != this_place():
            return now - self.seen < STALE
        if self.started and (started := start_of(self.pid)):
            return started == self.started
        return is_alive(self.pid, self.since or self.seen)

    def words(self) -> str:
        return f"{self.pid} {self.place} {self.started or '-'} {self.since:.3f} {self.mount or '-'}\n"


class Claim:
    """A claim of this process: it gives signs of life until `close`."""

    def __init__(self, lock: Path, owner: Owner) -> None:
        self._lock, self._owner, self._file = lock, owner, _file_of(lock, owner.number)
        self._ended = threading.Event()
        threading.Thread(target=self._beat, name="srae claim", daemon=True).start()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(OSError):
                os.utime(self._file)

    def check(self) -> None:
        """Raises: RunBusyError when another process took over, because this one was silent for too long."""
        newest = read_owner(self._lock)
        if newest is not None and newest.words() == self._owner.words():
            return
        who = f"process {newest.pid} on {newest.host} writes" if newest else "another process wrote"
        what = f"this process was suspended for more than {STALE:.0f} s, and {who} here since"
        raise RunBusyError(what, str(self._lock.parent), "nothing to do: the other one goes on from what was saved")

    def close(self) -> None:
        self._ended.set()
        with suppress(OSError):
            if self._file.read_text(encoding="ascii") == self._owner.words():
                self._file.unlink()


def make_claim(lock: Path, *, kernel: bool) -> tuple[Claim, Owner | None]:
    """Claim what a lock protects; also returns the owner that recorded no end, if there was one.

    Args:
        kernel: whether this process holds the lock of the kernel, so that another owner on the same mount is gone.

    Raises:
        RunBusyError: another process has a claim, and is alive.
        OSError: the file cannot be written.
    """
    mine = Owner(0, 0.0, os.getpid(), this_place(), start_of(os.getpid()), time.time(), mount_of(lock.parent))
    temporary = temporary_name(lock)
    try:
        temporary.write_text(mine.words(), encoding="ascii")
        now = temporary.stat().st_mtime  # by the clock that stamps the signs of life, which may be a file server's
        before = read_owner(lock)
        is_gone = before is None or (kernel and before.mount == mine.mount != "") or not before.is_alive(now)
        mine = mine._replace(number=before.number + 1 if before else 1)
        if not is_gone or not _create(temporary, _file_of(lock, mine.number)):
            raise busy(lock)
    finally:
        temporary.unlink(missing_ok=True)
    claim = Claim(lock, mine)
    if max(_numbers(lock), default=0) > mine.number:  # who was slow may create a number that is past
        claim.close()
        raise busy(lock)
    for number in _numbers(lock):
        if number < mine.number:
            with suppress(OSError):  # of another user, in a folder with the sticky bit; the highest counts anyhow
                _file_of(lock, number).unlink()
    return claim, before


def busy(lock: Path) -> RunBusyError:
    """The error that names who writes there."""
    owner = read_owner(lock)
    if owner is None or not owner.pid:
        return RunBusyError("another process is writing here", str(lock.parent), "wait until it ends, or stop it")
    what, remedy = f"process {owner.pid} on {owner.host} is writing here", "wait until it ends, or stop it"
    if owner.place != this_place():
        what += f"; its last sign of life is {max(0.0, time.time() - owner.seen):.0f} s old"
        remedy += f"; {STALE:.0f} s after the last one, its claim is void"
    return RunBusyError(what, str(lock.parent), remedy)


def read_owner(lock: Path) -> Owner | None:
    """Who has the claim that counts; None when nobody has.  One that is being written has no pid yet."""
    for number in sorted(_numbers(lock), reverse=True):
        file = _file_of(lock, number)
        try:
            words, seen = file.read_text(encoding="ascii", errors="replace").split(), file.stat().st_mtime
        except OSError:  # gone since
            continue
        with suppress(ValueError):
            if len(words) == 2:  # of an srae without signs of life
                return Owner(number, seen, int(words[0]), words[1], since=seen)
            pid, place, started, since, mount = words
            return Owner(number, seen, int(pid), place, started.strip("-"), float(since), mount.strip("-"))
        return Owner(number, seen)
    return None


def is_claim(name: str, lock: str) -> bool:
    """Whether a file of this name is a claim of the lock of that name."""
    return re.fullmatch(rf"{re.escape(lock)}\.owner(\.\d+)?", name) is not None


def _file_of(lock: Path, number: int) -> Path:
    return lock.with_name(f"{lock.name}.owner" + (f".{number}" if number > 1 else ""))


def _numbers(lock: Path) -> list[int]:
    try:
        names = [name for name in os.listdir(lock.parent) if is_claim(name, lock.name)]
    except OSError:
        return []
    return [int(name.removeprefix(f"{lock.name}.owner")[1:] or 1) for name in names]


def _create(temporary: Path, path: Path) -> bool:
    try:
        claim_name(temporary, path)
    except FileExistsError:
        return False
    return True


def start_of(pid: int) -> str:
    """What tells a process from a later one with its number; empty when it has ended, or the system does not say."""
    try:  # Linux: ticks since the machine started, which no change of the clock moves
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        pass
    with suppress(Exception):  # no psutil, no such process, no permission
        import psutil

        return f"{psutil.Process(pid).create_time():.2f}"
    return ""


@cache
def _boot() -> str:
    with suppress(OSError):
        return hashlib.sha256(Path("/proc/sys/kernel/random/boot_id").read_bytes()).hexdigest()[:8]
    return ""


def mount_of(folder: Path) -> str:
    """The start of the machine and the mounted file system: within both, a lock of the kernel excludes everybody.

    Empty where the system does not name its start.  Containers of one machine may see one file system by two mounts,
    each with locks of its own (FUSE).
    """
    try:
        return f"{_boot()}.{folder.stat().st_dev:x}" if _boot() else ""
    except OSError as error:
        raise resource_error(error, folder) from None
