"""One writer at a time: locks that the system releases with their process, and a claim beside them that names it."""

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
from typing import TYPE_CHECKING

from srae.errors import SraeError
from srae.files import CANNOT, ORPHAN_AGE, resource_error, this_place, warn_of
from srae.runs.claims import Claim, Owner, busy, make_claim, mount_of, read_owner

if TYPE_CHECKING:
    from filelock import BaseFileLock


class Lock:
    """A lock that is held until `close`; made by `lock_file`."""

    def __init__(self, claim: Claim, lock: BaseFileLock | None) -> None:
        self._claim, self._lock, self._held = claim, lock, True

    def check(self) -> None:
        """Raises: RunBusyError when a process of another machine took over, because this one gave no sign of life."""
        self._claim.check()

    def close(self) -> None:
        if self._held:
            self._held = False
            self._claim.close()
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lock_file(path: Path) -> Lock:
    """Lock the file `path`, and create it if necessary.

    Beside the lock of the kernel, which not every file system has, and which some grant to every machine, a claim is
    made: see `claims`.  Without the lock of the kernel a warning is logged, and the claim alone counts.

    Raises:
        RunBusyError: another process holds it; the message names its PID and host.
        ResourceError: the file cannot be made.
    """
    if not path.parent.is_dir():  # filelock would create the folder
        raise resource_error(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), path)
    kernel = _kernel_lock(path)
    lock: BaseFileLock | None = kernel
    try:
        if not _take(kernel):
            raise busy(path)
    except OSError as error:
        if error.errno not in CANNOT:
            raise resource_error(error, path) from None
        lock = None
    try:
        claim, before = make_claim(path, kernel=lock is not None)
    except (OSError, SraeError) as error:
        if lock is not None:
            lock.release()
        if isinstance(error, OSError):
            raise resource_error(error, path) from None
        raise
    if lock is None:
        warn_of("locks", path.parent)
    if before and before.host != this_place().rpartition("-")[0] and time.time() - before.seen < ORPHAN_AGE:
        logging.getLogger("srae").warning(
            "warning: process %d on %s was writing in %r and recorded no end; if it still runs, it will stop",
            before.pid,
            before.host,
            str(path.parent),
        )
    return Lock(claim, lock)


def is_locked(path: Path) -> bool:
    """Whether a process holds this lock."""
    return find_owner(path) is not None


def find_owner(path: Path) -> Owner | None:
    """The process that holds this lock; None when nobody does."""
    owner = read_owner(path)
    if owner is None:  # testing the lock itself could disturb a process that is starting
        return None
    lock = _kernel_lock(path)
    try:
        if not _take(lock):
            return owner
        lock.release()
        if owner.mount and owner.mount == mount_of(path.parent):
            return None
    except OSError:  # no locks on this file system, or no permission
        pass
    return owner if owner.is_alive(time.time()) else None


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
