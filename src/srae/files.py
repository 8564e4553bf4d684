"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from srae.errors import ResourceError


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
    """Remove the temporary files of writers that were killed."""
    for orphan in folder.glob(".*.tmp.*"):
        orphan.unlink(missing_ok=True)


def resource_error(error: OSError, path: Path) -> ResourceError:
    """The plain words for an operating system's refusal."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError("the disk is full", str(path), "free some space; nothing written before is lost")
    return ResourceError(f"cannot write: {error.strerror or error}", str(path), "check the folder and its permissions")
