"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from srae.errors import ConfigError, ResourceError, RunBusyError

# The only path relative to a source file: it breaks when that file moves.
PACKAGE = Path(__file__).parent
"""Folder of srae itself: `checkpoints/` with the shipped models and, in a wheel, `configs/`."""
CHECKOUT = PACKAGE.parents[1]
"""Root of the checkout with `configs/` and `.git`; of an installed srae a folder that has neither."""


def json_text(value: Any, *, ascii_only: bool = False) -> str:
    """JSON, with null for what is not finite: the words that Python's `dumps` writes for it no other reader knows."""
    return json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None), indent=2, ensure_ascii=ascii_only)


@contextmanager
def atomic_write(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends well and its bytes are on the disk.

    Raises:
        FileExistsError: `overwrite` is false and `path` exists (also when it appeared meanwhile).
        ResourceError: disk full, no permission, no such folder.
    """
    temporary = path.with_name(f".{path.name[:200]}.tmp.{os.getpid()}")
    try:
        with open(temporary, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            _claim(temporary, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise resource_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _claim(temporary: Path, path: Path) -> None:
    """Give a finished file a name that is free; of two writers only one gets it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.replace(temporary, path)


def check_writable(folder: Path) -> None:
    """Say at once what making this folder would say later; makes nothing.

    Raises:
        ResourceError: it cannot be made, or not be written into.
    """
    above = folder.absolute()
    while not above.exists() and above != above.parent:
        above = above.parent
    code = 0 if above.is_dir() else errno.ENOTDIR
    if not code and not os.access(above, os.W_OK | os.X_OK):
        code = errno.EROFS if os.statvfs(above).f_flag & os.ST_RDONLY else errno.EACCES
    if code:
        raise resource_error(OSError(code, os.strerror(code)), folder)


def copy_file(source: Path, path: Path) -> None:
    """The same bytes under a second name, without taking their space twice where the file system can."""
    path.unlink(missing_ok=True)
    try:
        os.link(source, path)
    except OSError:
        with atomic_write(path) as file, open(source, "rb") as old:
            shutil.copyfileobj(old, file)


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step."""
    with atomic_write(path) as file:
        file.write(text.encode())


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep_orphans(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; for a folder with one writer at a time."""
    for orphan in folder.glob(".*.tmp.*"):
        orphan.unlink(missing_ok=True)


def sweep_orphans_of(paths: Iterable[Path]) -> None:
    """Remove what writers of these files left when they were killed; those that live are left alone."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(f".{path.name[:200]}")
    for folder in names:
        with suppress(OSError):  # no such folder: nothing to sweep
            for entry in os.listdir(folder):
                name, _, owner = entry.rpartition(".tmp.")
                if name in names[folder] and owner.isdecimal() and not _is_alive(int(owner)):
                    (folder / entry).unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    except OverflowError:  # no number of a process
        return False
    return True


def lock_file(path: Path) -> TextIO:
    """An open file that holds a lock until it is closed; the kernel drops the lock with its owner, however that dies.

    Raises:
        RunBusyError: another process holds it; its number is told.
        ResourceError: the file cannot be made.
    """
    try:
        lock = open(path, "a+")  # noqa: SIM115  held as long as the caller wants
    except OSError as error:
        raise resource_error(error, path) from None
    try:
        if not _take_lock(lock):
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise RunBusyError(f"process {owner} is writing here", str(path.parent), "wait or stop it")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
    except OSError as error:
        with suppress(OSError):
            lock.close()
        raise resource_error(error, path) from None
    return lock


def _take_lock(file: TextIO) -> bool:
    for _ in range(4):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.02)  # it may only be `is_locked`, which is looking
    return False


def is_locked(path: Path) -> bool:
    """Whether a process holds this lock."""
    try:
        with open(path) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such file, or one that cannot be locked
        return False
    return False


def resource_error(error: OSError, path: Path) -> ResourceError:
    """The plain words for an operating system's refusal."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError("the disk is full", str(path), "free some space; nothing written before is lost")
    return ResourceError(f"cannot write: {error.strerror or error}", str(path), "check the folder and its permissions")


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that puts ``2.png`` before ``10.png``."""
    parts = re.split("([0-9]+)", name.casefold())  # text, digits, text, ...
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def check_new_folder(folder: Path) -> None:
    """Raises: ConfigError when output into this folder would mix with what is there already."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError("the output folder is a file", str(folder), "name a new folder; nothing is overwritten")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("the output folder is not empty", str(folder), "name a new folder; nothing is overwritten")
