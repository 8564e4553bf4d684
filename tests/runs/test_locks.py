"""Who writes a file, and who only did: temporary names, orphans, locks, file systems that cannot do everything."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from srae import files
from srae.errors import ResourceError, RunBusyError
from srae.files import ORPHAN_AGE, atomic_write, is_orphan, sweep_orphans, sweep_orphans_of, temporary_name, this_place
from srae.runs.claims import STALE, Owner
from srae.runs.locks import find_refusals, is_locked, lock_file


@pytest.fixture(autouse=True)
def _no_warning_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_warned", set())


def _refuse(code: int) -> Callable[..., None]:
    def refused(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return refused


def _left(path: Path, place: str, pid: int, *, age: float = 0.0) -> Path:
    """What a writer left `age` seconds ago."""
    part = path.with_name(f".{path.name}.tmp.{place}.{pid}.{int(age)}")
    part.write_bytes(b"half")
    os.utime(part, (time.time() - age,) * 2)
    return part


# ------------------------------------------------------------------------- orphans


def test_two_writers_of_one_file_never_share_a_temporary_name(tmp_path: Path) -> None:
    names = {temporary_name(tmp_path / "a.png") for _ in range(100)}
    assert len(names) == 100
    assert all(name.name.startswith(f".a.png.tmp.{this_place()}.{os.getpid()}.") for name in names)


@pytest.mark.parametrize("letter", ["a", "ä", "漢", "😀"])
def test_the_longest_name_of_a_file_leaves_room_for_that_of_its_part(tmp_path: Path, letter: str) -> None:
    path = tmp_path / (letter * (255 // len(letter.encode())))
    with atomic_write(path) as file:
        file.write(b"whole")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name] and path.read_bytes() == b"whole"


def test_what_is_swept_is_of_the_dead_here_and_of_the_long_silent_elsewhere(tmp_path: Path, dead_process: int) -> None:
    path, here = tmp_path / "last.safetensors", this_place()
    orphans = {
        _left(path, here, dead_process),
        _left(path, "other-0", dead_process, age=ORPHAN_AGE + 60),
        _left(path, "other-0", os.getpid(), age=ORPHAN_AGE + 60),
        _left(path, here, os.getppid(), age=10 * 365 * 24 * 3600),  # its number was given again since
        _left(path, here, os.getpid()),  # of a container before, which had this number too
    }
    kept = {
        _left(path, here, os.getppid()),
        _left(path, "other-0", dead_process, age=1),
        _left(path, "other-0", os.getppid(), age=ORPHAN_AGE - 60),
    }
    with atomic_write(path) as file:
        file.write(b"x")
        sweep_orphans(tmp_path)
        assert len(list(tmp_path.iterdir())) == len(kept) + 1
    assert set(tmp_path.iterdir()) == {*kept, path} and not orphans & set(tmp_path.iterdir())


def test_only_parts_of_the_named_files_are_swept(tmp_path: Path, dead_process: int) -> None:
    mine, letter = (_left(tmp_path / name, this_place(), dead_process) for name in ("1.png", "letter.png"))
    sweep_orphans_of([tmp_path / "1.png", tmp_path / "no" / "such.png"])
    assert not mine.exists() and letter.exists()
    assert not is_orphan(mine)  # it is gone: nobody has to remove it


# ------------------------------------------------------- file systems without something


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_without_fsync_a_file_is_written_and_one_warning_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    monkeypatch.setattr(os, "fsync", _refuse(code))
    for name in "ab":
        with atomic_write(tmp_path / name) as file:
            file.write(name.encode())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert find_refusals(tmp_path) == ["fsync"]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_an_fsync_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(os, "fsync", _refuse(code))
    with pytest.raises(ResourceError), atomic_write(tmp_path / "a") as file:
        file.write(b"a")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_listed_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: object, *rest: int, **options: int) -> int:
        if path == tmp_path:
            raise PermissionError(errno.EACCES, "no")
        return real(path, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"a")
    assert (tmp_path / "a").read_bytes() == b"a"


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_without_locks_the_word_of_a_living_owner_counts_and_one_warning_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, dead_process: int, code: int
) -> None:
    monkeypatch.setattr("fcntl.flock", _refuse(code))
    path, owner = tmp_path / ".lock", tmp_path / ".lock.owner"
    with lock_file(path):
        assert is_locked(path)
        with pytest.raises(RunBusyError) as caught:
            lock_file(path)
        assert str(os.getpid()) in caught.value.what and caught.value.exit_code == 8
    assert not is_locked(path) and not owner.exists()
    owner.write_text(f"{dead_process} {this_place()}")  # it was killed
    assert not is_locked(path)
    with lock_file(path):
        assert is_locked(path)
    assert len(caplog.records) == 1
    assert find_refusals(tmp_path) == ["locks"]


# --------------------------------------------------------------------------- locks


def test_a_lock_names_its_owner_and_is_free_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / ".lock"
    assert not is_locked(path) and list(tmp_path.iterdir()) == []  # who looks makes nothing
    for _ in range(3):
        with lock_file(path) as lock:
            assert is_locked(path)
            with pytest.raises(RunBusyError) as caught:
                lock_file(path)
            assert f"process {os.getpid()} on {this_place().rpartition('-')[0]} " in caught.value.what
            lock.close()
            assert not is_locked(path)
    assert not caplog.records and find_refusals(tmp_path) == []


def test_a_lock_of_another_host_that_recorded_no_end_is_taken_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, dead_process: int
) -> None:
    path, owner = tmp_path / ".lock", tmp_path / ".lock.owner"
    host = this_place().rpartition("-")[0]
    for place, age, warned in (
        ("otherhost-12345678", STALE + 60, True),
        ("otherhost-12345678", ORPHAN_AGE + 60, False),  # long silent
        (f"{host}-12345678", STALE + 60, False),  # before this machine was started again
        (this_place(), 60, False),
    ):
        owner.write_text(f"{dead_process} {place}")
        os.utime(owner, (time.time() - age,) * 2)
        caplog.clear()
        lock_file(path).close()
        assert bool(caplog.records) == warned, place


def test_a_lock_that_cannot_be_made_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / ".lock", tmp_path / "no" / "folder" / ".lock"):
        with pytest.raises(ResourceError):
            lock_file(path)


def test_without_psutil_nothing_is_taken_from_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dead_process: int
) -> None:
    part = _left(tmp_path / "a", this_place(), dead_process)
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert not is_orphan(part)
    assert Owner(1, time.time(), dead_process, this_place()).is_alive(time.time())
