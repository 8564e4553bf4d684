"""A cache of decoded images in a mapped file, for data sets that do not fit into memory; later runs use it too.

The file contains the pixels of all stores, then a table with the offset and
shape of every image, then a checksum.  Its name is a hash of everything that
decides its bytes.  It is written atomically and mapped read-only.  While one
process makes it, others that need the same file wait.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from srae.data.store import Store
from srae.errors import ResourceError, RunBusyError
from srae.files import atomic_write, cache_folder, is_orphan, sweep_orphans, temporary_name
from srae.runs.locks import Lock, lock_file

FORMAT = 1
"""Raise it when the file format, or the decoding of images, changes."""
SHARE = 0.25
"""Share of the memory that decoded images may take."""
KEPT = 50e9
"""Bytes that files of earlier trainings may take in a folder; the longest unused are removed first."""
USE_AGE = 30 * 24 * 3600.0
"""Seconds for which a process of another host is assumed to use a file that it opened: reading leaves no trace."""
_USED = ".used"  # of the files that mark a use: `.<key>.used.tmp.<place>.<pid>.<random>`
_SEAL, _ROW = 64, 4  # bytes of the checksum; numbers of a row: offset, height, width, channels
_PIECES, _PIECE = 1024, 4096  # the checksum covers 1024 pieces of the pixels, 4096 bytes each


@dataclass(frozen=True)
class Room:
    """Expected size of one store, from the headers of the image files."""

    count: int
    nbytes: int
    one_size: bool
    """Whether all images have one size; EXIF may still rotate some."""
    sample: int = 1
    """Bytes of a sample: 1 or 2."""


def largest_in_memory() -> float:
    """Largest number of bytes of decoded images that is kept in memory; respects the limit of a container."""
    found = [float("inf")]
    with suppress(ImportError, OSError):
        import psutil

        found.append(psutil.virtual_memory().total)
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # no such file, or "max"
            found.append(int(Path(file).read_text(encoding="utf-8")))
    return SHARE * min(found)


def make_key(parts: Sequence[str]) -> str:
    """32 hex digits over `parts` and the versions of what decodes and shrinks."""
    libraries = [version(name) for name in ("srae", "pillow", "numpy", "torch")]
    return hashlib.sha256("\0".join((str(FORMAT), *libraries, *parts)).encode()).hexdigest()[:32]


def open_mapped(key: str, rooms: Sequence[Room], fill: Callable[[list[FileShelf]], None]) -> tuple[list[Store], Path]:
    """The stores of this key, one for each of `rooms`, and their file; `fill` is called when there is none yet.

    Raises:
        ResourceError: the disk is full, or no folder can be written.
    """
    for folder in _folders():
        path = folder / f"{key}.pixels"
        if stores := _load(path, key, rooms):
            return stores, path
    for folder in _folders():
        path = folder / f"{key}.pixels"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sweep_orphans(folder, "*.pixels")
            lock = _wait_for_lock(folder / f".{key}.lock")
        except (OSError, ResourceError):
            continue
        with lock:
            stores = _load(path, key, rooms)  # another process may have made it meanwhile
            if not stores:
                with suppress(OSError):  # damaged; a process that has mapped it can still read it
                    path.unlink()
                evict(folder, KEPT - sum(room.nbytes for room in rooms))
                _make(path, key, rooms, fill)
                stores = _load(path, key, rooms)
        if not stores:
            raise ResourceError("decoded images differ after they were written", str(path), "check the disk")
        return stores, path
    need = sum(room.nbytes for room in rooms)
    raise ResourceError(
        f"{need / 1e9:.1f} GB of decoded images do not fit into memory, and no folder for them can be written",
        ", ".join(str(folder) for folder in _folders()),
        "set XDG_CACHE_HOME to a folder on a larger disk, or set data.limit",
    )


class FileShelf:
    """Like `Shelf`, but writes the images into a file."""

    def __init__(self, room: Room, file: _Growing) -> None:
        self.places = np.zeros((room.count, _ROW), np.int64)
        self._room, self._file = room, file
        self._block: tuple[int, tuple[int, ...]] | None = None
        self._allocating = threading.Lock()

    def put(self, index: int, pixels: np.ndarray) -> None:
        """uint8 (H, W, C), or uint16 where samples have 2 bytes"""
        with self._allocating:
            if self._block is None and self._room.one_size:
                self._block = self._file.take(self._room.count * pixels.nbytes), pixels.shape
            if self._block and self._block[1] == pixels.shape:
                offset = self._block[0] + index * pixels.nbytes
            else:
                offset = self._file.take(pixels.nbytes)
        self._file.write(offset, pixels)
        self.places[index] = offset, *pixels.shape

    def pixels(self, index: int) -> np.ndarray:
        """What was put there."""
        offset, *shape = self.places[index].tolist()
        kept = self._file.read(offset, int(np.prod(shape)) * self._room.sample)
        return kept.view(f"u{self._room.sample}").reshape(shape)


class _Growing:
    """A file that several threads write; unlike a mapped file, a write reports a full disk and does not kill us."""

    def __init__(self, handle: int) -> None:
        self.handle, self.size = handle, 0
        self._allocating, self._moving = threading.Lock(), threading.Lock()

    def take(self, count: int) -> int:
        with self._allocating:
            offset, self.size = self.size, self.size + count
        return offset

    def write(self, offset: int, array: np.ndarray) -> None:
        data = memoryview(np.ascontiguousarray(array).tobytes())
        while data:
            with self._moving:  # Windows has no pwrite
                os.lseek(self.handle, offset, os.SEEK_SET)
                written = os.write(self.handle, data)
            data, offset = data[written:], offset + written

    def read(self, offset: int, count: int) -> np.ndarray:
        data = bytearray()
        while len(data) < count:
            piece = self.read_once(offset + len(data), count - len(data))
            if not piece:
                raise OSError(0, "the file of decoded images was cut")
            data += piece
        return np.frombuffer(data, np.uint8)

    def read_once(self, offset: int, count: int) -> bytes:
        """At most `count` bytes."""
        with self._moving:
            os.lseek(self.handle, offset, os.SEEK_SET)
            return os.read(self.handle, count)


def _folders() -> list[Path]:
    """Folders for these files, best first."""
    home = cache_folder()
    found = [home / "decoded"] if home.is_absolute() else []
    if not hasattr(os, "getuid"):  # Windows has one temporary folder per user
        return [*found, Path(tempfile.gettempdir()) / "srae"]
    shared = Path(tempfile.gettempdir()) / f"srae-{os.getuid()}"
    with suppress(OSError):
        if shared.lstat().st_uid != os.getuid() or shared.is_symlink():  # of another user, who could put anything there
            return found
    return [*found, shared]


def _make(path: Path, key: str, rooms: Sequence[Room], fill: Callable[[list[FileShelf]], None]) -> None:
    need, have = sum(room.nbytes for room in rooms), shutil.disk_usage(path.parent).free
    if need > have and evict(path.parent):
        have = shutil.disk_usage(path.parent).free
    if need > have:
        raise ResourceError(
            f"{need / 1e9:.1f} GB of decoded images do not fit into memory; the disk has {have / 1e9:.1f} GB free",
            str(path.parent),
            "free some space, set data.limit, or XDG_CACHE_HOME to a larger disk",
        )
    with atomic_write(path) as file:
        growing = _Growing(file.fileno())
        shelves = [FileShelf(room, growing) for room in rooms]
        fill(shelves)
        pixels = growing.size
        for shelf in shelves:
            growing.write(growing.take(shelf.places.nbytes), shelf.places)
        growing.write(growing.size, np.frombuffer(_seal(growing, key, pixels, growing.size), np.uint8))


def _seal(file: _Growing, key: str, pixels: int, size: int) -> bytes:
    """Checksum over the table and a sample of the pixels: hashing all pixels takes as long as decoding."""
    digest = hashlib.sha256(f"{key} {pixels} {size}".encode())
    step = max(_PIECE, pixels // _PIECES)
    for offset in [*range(0, pixels, step), *range(pixels, size, _PIECE)]:
        digest.update(file.read_once(offset, min(_PIECE, size - offset)))
    return digest.hexdigest().encode()


def _load(path: Path, key: str, rooms: Sequence[Room]) -> list[Store] | None:
    """The stores of a file; None when there is no such file, or it is damaged."""
    counts = [room.count for room in rooms]
    table = 8 * _ROW * sum(counts)
    mark = temporary_name(path.with_suffix(_USED))  # before the file is opened, because `evict` checks the marks first
    try:
        with open(path, "rb") as file:
            with suppress(OSError):  # a read-only folder, from which nothing can be removed
                mark.touch()
            content = _Growing(file.fileno())
            size = os.fstat(file.fileno()).st_size - _SEAL
            pixels = size - table
            if pixels <= 0 or content.read_once(size, _SEAL) != _seal(content, key, pixels, size):
                _unmark(mark)
                return None
            places = content.read(pixels, table).view(np.int64).reshape(-1, _ROW)
            mapped = mmap.mmap(file.fileno(), pixels, access=mmap.ACCESS_READ)
    except OSError:
        _unmark(mark)
        return None
    weakref.finalize(mapped, _unmark, mark)
    with suppress(OSError):
        os.utime(path)  # time of last use
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given buffer is not writable")  # it is read-only on purpose
        flat = torch.frombuffer(mapped, dtype=torch.uint8)
    parts = np.split(places, np.cumsum(counts)[:-1])
    return [_to_store(flat, rows, room.sample) for rows, room in zip(parts, rooms, strict=True)]


def _to_store(flat: torch.Tensor, places: np.ndarray, sample: int) -> Store:
    """One tensor if the images are contiguous and of one size, else a view for each image."""
    if sample == 2:  # every offset is even: all stores of a file have samples of one size
        flat, places = flat[: len(flat) // 2 * 2].view(torch.int16), places // (2, 1, 1, 1)
    (first, *shape), count = places[0].tolist(), len(places)
    each = int(np.prod(shape))
    if (places[:, 1:] == shape).all() and (places[:, 0] == first + each * np.arange(count)).all():
        return Store(flat[first : first + count * each].view(count, *shape))
    return Store([flat[o : o + h * w * c].view(h, w, c) for o, h, w, c in places.tolist()])


def _unmark(mark: Path) -> None:
    """Remove the mark of a use; called at the end of the process at the latest."""
    with suppress(OSError):
        mark.unlink()


def _wait_for_lock(path: Path) -> Lock:
    """Wait for the lock; it is released when it is closed or the process ends."""
    told = False
    while True:
        try:
            return lock_file(path)
        except RunBusyError as error:
            if not told:
                print(
                    f"waiting for the same images: {error.what}",
                    file=sys.stderr,
                    flush=True,
                )
            told = True
            time.sleep(0.2)


def evict(folder: Path, kept: float = 0) -> int:
    """Remove files of decoded images, the longest unused first, until the rest takes at most `kept` bytes.

    Files in use stay: removing a mapped file on another host kills the process that reads it.

    Returns:
        Bytes that were freed.
    """
    found, used = [], set()
    for path in folder.glob("*.pixels"):
        with suppress(OSError):
            about = path.stat()
            found.append((about.st_mtime, about.st_size, path))
    for mark in folder.glob(f".*{_USED}.tmp.*"):
        if is_orphan(mark, USE_AGE):
            _unmark(mark)
        else:
            used.add(mark.name[1:].partition(".")[0])
    total, freed = sum(size for _, size, _ in found), 0
    for _, size, path in sorted(found):
        if total - freed > kept and path.stem not in used:
            with suppress(OSError):  # Windows does not remove a mapped file
                path.unlink()
                freed += size
    return freed


def clean_cache() -> tuple[int, int]:
    """Remove unused files; returns the bytes removed and the bytes still in use."""
    freed = sum(evict(folder) for folder in _folders())
    return freed, cache_size()


def cache_size() -> int:
    """Bytes of decoded images in the cache folders."""
    return sum(path.stat().st_size for folder in _folders() for path in folder.glob("*.pixels"))
