"""One writer at a time: locks that the system releases with their process, and a file beside them that names it."""

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
    """A lock that is held until `close`; made by `lock_file`."""

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
    """The process that holds a lock; in a separate file, because Windows lets no other process read a locked one."""

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
    """Lock the file `path`, and create it if necessary.

    Where the file system has no locks, a warning is logged and the file of the owner counts: a live process of this
    host and container keeps its lock.

    Raises:
        RunBusyError: another process holds it; the message names its PID and host.
        ResourceError: the file cannot be made.
    """
    if not path.parent.is_dir():  # filelock would create the folder
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
        # FUSE and some network mounts grant a lock to each host: only the owner file shows a second writer.
        logging.getLogger("srae").warning(
            "warning: process %d on %s was writing in %r and recorded no end; if it still runs, stop one of the two",
            before.pid,
            before.host,
            str(path.parent),
        )
    return held


def is_locked(path: Path) -> bool:
    """Whether a process holds this lock."""
    owner = _read_owner(path)
    if owner is None:  # testing the lock itself could disturb a process that is starting
        return False
    lock = _kernel_lock(path)
    try:
        if not _take(lock):
            return True
        lock.release()
    except OSError:  # no locks on this file system, or no permission
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
    # Not `FileLock`: outside Windows it may fall back to a file that outlives its process.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `find_refusals` reports a missing flock
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
        time.sleep(0.02)  # `is_locked` takes the lock for a moment
    return False


def _busy(path: Path) -> RunBusyError:
    owner = _read_owner(path)
    who = f"process {owner.pid} on {owner.host}" if owner else "another process"
    return RunBusyError(f"{who} is writing here", str(path.parent), "wait until it ends, or stop it")


def _owner_file(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.owner")


def _read_owner(lock: Path) -> _Owner | None:
    file = _owner_file(lock)
    try:
        pid, place = file.read_text(encoding="ascii").split()
        return _Owner(int(pid), place, file.stat().st_mtime)
    except (OSError, ValueError):  # no owner file, or one that is being written
        return None
