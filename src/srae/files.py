"""Atomic file writing: a file appears complete or not at all.  Also JSON text, temporary names and orphans."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import platform
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from srae.errors import ConfigError, ResourceError

# The only paths relative to a source file; they break silently when this file moves.
PACKAGE = Path(__file__).parent
"""Folder of srae itself: `checkpoints/` with the shipped models and, in a wheel, `configs/`."""
CHECKOUT = PACKAGE.parents[1]
"""Root of the checkout with `configs/` and `.git`; of an installed srae a folder that has neither."""

ORPHAN_AGE = 24 * 3600.0
"""Seconds after which an unchanged temporary file of another host is an orphan; longer than a time zone."""
_CLOCKS = 60.0  # seconds by which the clock of a file server may differ
CANNOT = {getattr(errno, name, -1) for name in ("EINVAL", "ENOLCK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP")}
"""Error numbers of an unsupported operation: FUSE, SMB, NFS without its lock service, Google Drive in Colab."""
_living: set[str] = set()  # names of the temporary files of this process


def json_text(value: Any, *, ascii_only: bool = False) -> str:
    """JSON text with null for numbers that are not finite; `NaN`, which `json.dumps` writes, is no JSON."""
    return json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None), indent=2, ensure_ascii=ascii_only)


@contextmanager
def atomic_write(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends well and its bytes are on the disk.

    Raises:
        FileExistsError: `overwrite` is false and `path` exists (also when it appeared meanwhile).
        ResourceError: disk full, no permission, no such folder.
    """
    temporary = temporary_name(path)
    try:
        with open(temporary, "w+b") as file:
            yield file
            file.flush()
            sync_file(file.fileno(), path)
        if overwrite:
            replace_file(temporary, path)
        else:
            claim_name(temporary, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise resource_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
        _living.discard(temporary.name)


def temporary_name(path: Path) -> Path:
    """A free name beside `path` that names its writer: `.<name>.tmp.<place>.<pid>.<random>`.

    A PID alone is not enough: two containers that share a folder both have a process 1.
    """
    temporary = path.with_name(f"{_stem(path)}.tmp.{this_place()}.{os.getpid()}.{secrets.token_hex(4)}")
    _living.add(temporary.name)
    return temporary


def _stem(path: Path) -> str:
    """Prefix of the names of its temporary files; file names are limited to 255 bytes."""
    return "." + os.fsencode(path.name)[:150].decode(errors="ignore")


@cache
def this_place() -> str:
    """The scope in which a PID is unique: `<host>-<8 hex digits>`.

    The digits stand for the start of the machine and, on Linux, the PID namespace: containers may share a host's name.
    """
    marks = []
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    with suppress(OSError):
        marks.append(os.readlink("/proc/self/ns/pid"))
    host = re.sub(r"[^A-Za-z0-9]+", "-", platform.node())[:40].strip("-") or "host"
    return f"{host}-{hashlib.sha256(' '.join(marks).encode()).hexdigest()[:8]}"


def replace_file(old: Path, new: Path) -> None:
    """`os.replace` with retries on Windows, which refuses it while a virus scanner or a reader has the file open."""
    for _ in range(20 if sys.platform == "win32" else 0):
        with suppress(PermissionError):
            return os.replace(old, new)
        time.sleep(0.05)
    os.replace(old, new)


def claim_name(temporary: Path, path: Path) -> None:
    """Move a finished file to a free name; of two writers only one succeeds.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        replace_file(temporary, path)


def check_writable(folder: Path) -> None:
    """Check that a folder can be made and written, without making it.

    Raises:
        ResourceError: it cannot be made, or not written.
    """
    above = folder.absolute()
    while not above.exists() and above != above.parent:
        above = above.parent
    code = 0 if above.is_dir() else errno.ENOTDIR
    if not code and not os.access(above, os.W_OK | os.X_OK):
        code = errno.EROFS if _is_read_only(above) else errno.EACCES
    if code:
        raise resource_error(OSError(code, os.strerror(code)), folder)


def _is_read_only(folder: Path) -> bool:
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file; a hard link, which needs no space, where the file system supports it."""
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


def sync_file(handle: int, path: Path) -> None:
    """Flush an open file to disk; logs a warning where the file system cannot."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in CANNOT:
            raise
        warn_of("fsync", path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut, where the system can."""
    if sys.platform == "win32":  # folders cannot be opened there
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # writable, but not readable
        return
    try:
        sync_file(handle, folder / "any")
    finally:
        os.close(handle)


_warned: set[str] = set()  # empty, or the subject of the first warning


def warn_of(what: str, folder: Path) -> None:
    """Log a warning once per process; without a `logging` configuration it goes to stderr."""
    if not _warned:
        _warned.add(what)
        logging.getLogger("srae").warning(
            "warning: the file system of %r refuses %s; `srae doctor --runs-dir` explains the consequences",
            str(folder),
            what,
        )


def sweep_orphans(folder: Path, name: str = "*") -> None:
    """Remove temporary files of processes that have ended, of files whose name matches a glob."""
    for path in folder.glob(f".{name}.tmp.*"):
        if is_orphan(path):
            path.unlink(missing_ok=True)


def sweep_orphans_of(paths: Iterable[Path]) -> None:
    """Remove temporary files that killed writers of these files left; live writers keep theirs."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(_stem(path))
    for folder in names:
        with suppress(OSError):  # no such folder, so no orphans
            for entry in os.listdir(folder):
                if entry.rpartition(".tmp.")[0] in names[folder] and is_orphan(folder / entry):
                    (folder / entry).unlink(missing_ok=True)


def is_orphan(path: Path, age: float = ORPHAN_AGE) -> bool:
    """Whether the writer of a temporary file has ended; false if the file is gone too.

    For a process of this host and container the system knows.  For others only the age of the file tells: no write
    lasts `age` seconds without a change of its file.  A lock would not help, because many shared file systems (FUSE,
    SMB, some NFS) grant the same lock to several hosts.
    """
    if path.name in _living:
        return False
    try:
        written = path.stat().st_mtime
    except OSError:
        return False
    place, _, rest = path.name.rpartition(".tmp.")[2].partition(".")
    number = rest.partition(".")[0]
    if place == this_place() and number.isdecimal():
        return int(number) == os.getpid() or not is_alive(int(number), written)
    return time.time() - written > age


def is_alive(pid: int, wrote: float) -> bool:
    """Whether the process that wrote at that Unix time still runs, and its PID was not given to another one since."""
    try:
        import psutil

        process = psutil.Process(pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.create_time() < wrote + _CLOCKS)
    except ImportError:  # without psutil no writer counts as gone
        return True
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def resource_error(error: OSError, path: Path) -> ResourceError:
    """A ResourceError for an error of the operating system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError("the disk is full", str(path), "free some space; nothing written before is lost")
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return ResourceError("cannot write: there is a file where a folder has to be", str(path), "name another folder")
    remedy = "choose a shorter name" if error.errno == errno.ENAMETOOLONG else "check the folder and its permissions"
    return ResourceError(f"cannot write: {error.strerror or error}", str(path), remedy)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that puts ``2.png`` before ``10.png``."""
    parts = re.split("([0-9]+)", name.casefold())  # text, digits, text, ...
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def check_new_folder(folder: Path) -> None:
    """Raises: ConfigError when the folder exists and is not empty, or is a file."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError("the output folder is a file", str(folder), "name a new folder; nothing is overwritten")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("the output folder is not empty", str(folder), "name a new folder; nothing is overwritten")


def cache_folder() -> Path:
    """What srae keeps for this user between commands, and makes again when it is gone."""
    from platformdirs import user_cache_path

    return user_cache_path("srae", appauthor=False)
