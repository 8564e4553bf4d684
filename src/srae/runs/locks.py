"""One writer at a time: locks that the system drops with their owner, and a word beside them about who that is."""

from __future__ import annotations

import errno
import logging
import os
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from srae.errors import RunBusyError
from srae.files import CANNOT, ORPHAN_AGE, is_alive, resource_error, this_place, warn_of

if TYPE_CHECKING:
    from filelock import BaseFileLock


class Lock:
    """Held until it is closed; made by `lock_file`."""

    def __init__(self, path: Path, lock: BaseFileLock | None) -> None:
        self._path, self._lock, self._held = path, lock, True

    def close(self) -> None:
        if self._held:
            self._held = False
            with suppress(OSError):
                _owner_file(self._path).unlink()
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Owner(NamedTuple):
    """Who holds a lock. In a file of its own: on Windows nobody else can read the one that is locked."""

    pid: int
    place: str
    since: float
    """Unix time."""

    @property
    def host(self) -> str:
        return self.place.rpartition("-")[0]

    def is_alive_here(self) -> bool:
        return self.place == this_place() and is_alive(self.pid, self.since)


def lock_file(path: Path) -> Lock:
    """A lock on the file `path`, which is made if need be.

    Where the file system has no locks, a warning is given and the word of the owner counts: a process of this host
    and container that lives is respected.

    Raises:
        RunBusyError: another process holds it; its number and host are told.
        ResourceError: the file cannot be made.
    """
    if not path.parent.is_dir():  # filelock would make it
        raise resource_error(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), path)
    lock, before, works = _kernel_lock(path), _read_owner(path), True
    try:
        if not _take(lock):
            raise _busy(path)
    except OSError as error:
        if error.errno not in CANNOT:
            raise resource_error(error, path) from None
        works = False
        if before and before.is_alive_here():
            raise _busy(path) from None
        warn_of("locks", path.parent)
    held = Lock(path, lock if works else None)
    try:
        _owner_file(path).write_text(f"{os.getpid()} {this_place()}\n", encoding="ascii")
    except OSError as error:
        held.close()
        raise resource_error(error, path) from None
    if before and before.host != _Owner(0, this_place(), 0).host and time.time() - before.since < ORPHAN_AGE:
        # FUSE and some network mounts grant a lock to each host: only this tells that there may be two writers.
        logging.getLogger("srae").warning(
            "warning: process %d on %s was writing in %r and did not say that it ended; if it runs, stop one of them",
            before.pid,
            before.host,
            str(path.parent),
        )
    return held


def is_locked(path: Path) -> bool:
    """Whether a process holds this lock."""
    owner = _read_owner(path)
    if owner is None:  # nobody says so; asking the system would keep a starting writer out for a moment
        return False
    lock = _kernel_lock(path)
    try:
        if not _take(lock):
            return True
        lock.release()
    except OSError:  # no locks here, or a folder of somebody else
        return owner.is_alive_here()
    return False


def find_refusals(folder: Path) -> list[str]:
    """Which of "locks" and "fsync" this folder's file system refuses.

    Raises:
        OSError: nothing can be written there.
    """
    refused = []
    with tempfile.TemporaryDirectory(prefix=".srae-doctor-", dir=folder) as name:
        probe = Path(name) / "probe"
        with open(probe, "wb") as file:
            file.write(b"srae")
            file.flush()
            try:
                os.fsync(file.fileno())
            except OSError as error:
                if error.errno not in CANNOT:
                    raise
                refused.append("fsync")
        try:
            if _take(lock := _kernel_lock(probe)):
                lock.release()
        except OSError as error:
            if error.errno not in CANNOT:
                raise
            refused.append("locks")
    return refused


def _kernel_lock(path: Path) -> BaseFileLock:
    # Not `FileLock`, which elsewhere than on Windows may be a file that outlives its owner.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no flock is told by us
        from filelock import UnixFileLock, WindowsFileLock

    kind: type[BaseFileLock] = WindowsFileLock if sys.platform == "win32" else UnixFileLock
    return kind(path, thread_local=False, fallback_to_soft=False)


def _take(lock: BaseFileLock) -> bool:
    """Raises: OSError where there are no locks."""
    from filelock import Timeout

    for _ in range(4):
        with suppress(Timeout):
            lock.acquire(timeout=0)
            return True
        time.sleep(0.02)  # it may only be `is_locked`, which is looking
    return False


def _busy(path: Path) -> RunBusyError:
    owner = _read_owner(path)
    who = f"process {owner.pid} on {owner.host}" if owner else "another process"
    return RunBusyError(f"{who} is writing here", str(path.parent), "wait or stop it")


def _owner_file(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.owner")


def _read_owner(lock: Path) -> _Owner | None:
    file = _owner_file(lock)
    try:
        pid, place = file.read_text(encoding="ascii").split()
        return _Owner(int(pid), place, file.stat().st_mtime)
    except (OSError, ValueError):  # none, or one that is being written
        return None
