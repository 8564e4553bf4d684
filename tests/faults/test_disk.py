"""F6 to F8: disks that are full or cannot be written, and run folders that are taken.

A disk is filled for real where a small one can be mounted, and everywhere else
by files that refuse every byte, as the system would.
"""

from __future__ import annotations

import errno
import io
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from warm_parent import WarmParent

import srae.report.curves
import srae.training.prepare
import srae.training.run
from builders import write_pairs
from refusals import refuses
from srae.cli import main
from srae.errors import ResourceError, RunBusyError
from srae.files import atomic_write, this_place
from srae.images.image import TaggedImage, write_image
from srae.runs.layout import is_busy
from srae.runs.reader import read_rows, read_run
from srae.runs.writer import RunWriter, claim_run
from srae.training.checkpointer import Checkpointer
from toy_training import (
    assert_same_run,
    assert_whole,
    begin,
    resume,
    rows_of,
    save_bicubic,
    standing,
    toy,
    toy_text,
    until,
)

pytestmark = pytest.mark.timeout(600)
HOST = this_place().rpartition("-")[0]


class Disk:
    """A folder on a disk that can be filled and freed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """To the last byte; blocks that files have begun are full too, but for the tail of the newest."""
        with suppress(OSError), open(self.folder / ".filler", "ab", buffering=0) as file:
            for size in (2**16, 2**12, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free(self) -> None:
        (self.folder / ".filler").unlink(missing_ok=True)


class RefusingDisk(Disk):
    """A disk of which srae's files learn that it is full."""

    full = False

    def fill(self) -> None:
        self.full = True

    def free(self) -> None:
        self.full = False

    def open(self, path: str | Path, mode: str = "r", *others: Any, **options: Any) -> Any:
        if "b" in mode and mode != "rb":
            return _RefusingFile(self, path, mode)
        return open(path, mode, *others, **options)


class _RefusingFile(io.FileIO):
    def __init__(self, disk: RefusingDisk, path: str | Path, mode: str) -> None:
        super().__init__(path, mode)
        self.disk = disk

    def write(self, data: Any) -> int:
        if self.disk.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


@pytest.fixture(params=["mounted", "refusing"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "refusing":
        refusing = RefusingDisk(folder)
        monkeypatch.setattr("srae.files.open", refusing.open, raising=False)
        monkeypatch.setattr("srae.runs.writer.open", refusing.open, raising=False)
        yield refusing
        return
    mount(folder, "size=1m")
    yield Disk(folder)
    subprocess.run(["umount", folder], check=True)


def mount(folder: Path, options: str) -> None:
    """A small disk in memory, or a skip that says why there is none."""
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs")


def filled_at(disk: Disk, function: Callable[..., Any], call: int) -> Callable[..., Any]:
    """The function, before whose so many-th call the disk is filled."""
    calls = 0

    def filling(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            disk.fill()
        return function(*arguments, **options)

    return filling


def no_parts(folder: Path) -> bool:
    return not [path for path in folder.rglob("*") if ".tmp." in path.name]


# ------------------------------------------------------------------------------ F6


@pytest.mark.parametrize("step", ["save_best", "save_last"])
def test_f6_disk_full_at_a_checkpoint(
    disk: Disk, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = begin(toy(pairs), tmp_path, "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Checkpointer, step, filled_at(disk, getattr(Checkpointer, step), 2))
        with refuses(ResourceError, disk.folder / "toy"):
            begin(toy(pairs), disk.folder)
    run = disk.folder / "toy"
    assert no_parts(disk.folder)
    assert_whole(run)
    assert standing(run / "checkpoints" / "last.safetensors")["epoch"] == 1
    disk.free()
    resume(toy(pairs), run)
    assert_same_run(run, whole)


@pytest.mark.parametrize("epoch", [1, 2])
def test_f6_disk_full_at_a_metrics_row(
    disk: Disk, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    whole = begin(toy(pairs), tmp_path, "whole")
    real = RunWriter.append_row

    def append(run: RunWriter, row: dict[str, Any]) -> None:
        if row["epoch"] == epoch:
            disk.fill()
            if epoch > 1 and not isinstance(disk, RefusingDisk):  # its block has room for rows: let it end there
                path = run.path / "metrics.csv"
                rest = 4096 - path.stat().st_size % 4096 - 100
                path.write_bytes(path.read_bytes() + b"1" * rest + b"\n")
        real(run, row)

    monkeypatch.setattr(RunWriter, "append_row", append)
    with refuses(ResourceError, disk.folder / "toy" / "metrics.csv"):
        begin(toy(pairs), disk.folder)
    run = disk.folder / "toy"
    assert [row["epoch"] for row in read_rows(run)] == [1, 2][: epoch - 1]
    text = (run / "metrics.csv").read_bytes()
    assert text == b"" or text.endswith(b"\n")
    assert_whole(run)
    disk.free()
    monkeypatch.setattr(RunWriter, "append_row", real)
    resume(toy(pairs), run)
    assert_same_run(run, whole)


def test_f6_a_device_that_is_always_full(tmp_path: Path) -> None:
    writer = claim_run(tmp_path, "toy")
    (writer.path / "metrics.csv").symlink_to("/dev/full")
    (writer.path / "log.txt").symlink_to("/dev/full")
    with refuses(ResourceError, writer.path / "metrics.csv"):
        writer.append_row({"epoch": 1})
    writer.log("no reason to stop")
    writer.close()


def test_f6_disk_full_at_a_sample_image_is_only_a_warning(
    disk: Disk, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = srae.training.run.save_samples

    def save(*arguments: Any, **options: Any) -> None:
        disk.fill()
        try:
            real(*arguments, **options)
        finally:
            disk.free()

    monkeypatch.setattr(srae.training.run, "save_samples", save)
    said: list[str] = []
    begin(toy(pairs), disk.folder, say=said.append)
    assert len([line for line in said if "warning" in line]) == 1
    assert read_run(disk.folder / "toy").status == "done"
    assert list((disk.folder / "toy" / "samples").iterdir()) == []
    assert len(rows_of(disk.folder / "toy")) == 3


def test_f6_disk_full_at_the_curves_is_only_a_warning(
    disk: Disk, pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (disk.folder / "toy.yaml").write_text(toy_text(pairs))
    monkeypatch.setattr(srae.report.curves, "draw_run", filled_at(disk, srae.report.curves.draw_run, 1))
    runs = str(disk.folder / "runs")
    config = str(disk.folder / "toy.yaml")
    assert main(["train", "--config", config, "--runs-dir", runs, "--device", "cpu"]) == 0
    assert "warning" in capsys.readouterr().err
    found = {path.name for path in (disk.folder / "runs" / "toy").iterdir()}
    assert {"DONE", "model.safetensors", "summary.json"} <= found
    assert not found & {"curves.png", "curves.svg"}
    assert no_parts(disk.folder)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp"])
def test_f6_disk_full_at_an_upscaled_image(
    disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.{suffix}", TaggedImage(pixels))
    model = save_bicubic(tmp_path / "model.safetensors")
    (disk.folder / f"a_x2.{suffix}").write_bytes(b"precious")
    disk.fill()
    for arguments, failed in (([f"a.{suffix}"], "a"), ([f"a.{suffix}", f"b.{suffix}"], "b")):
        inputs = [str(tmp_path / name) for name in arguments]
        more = ["--overwrite"] if failed == "a" else []
        assert main(["upscale", *inputs, "--model", str(model), "-o", str(disk.folder), *more]) == 4
        assert f"{failed}_x2.{suffix}" in capsys.readouterr().err
        assert sorted(path.name for path in disk.folder.iterdir() if path.name != ".filler") == [f"a_x2.{suffix}"]
        assert (disk.folder / f"a_x2.{suffix}").read_bytes() == b"precious"
    disk.free()
    assert main(["upscale", str(tmp_path / f"b.{suffix}"), "--model", str(model), "-o", str(disk.folder)]) == 0


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp"])
def test_f6_a_file_that_cannot_grow_is_a_matter_of_resources(tmp_path: Path, suffix: str) -> None:
    """In the middle of writing, not at its end; and nothing is left behind."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, hard))
    try:
        with refuses(ResourceError, f"a.{suffix}", os.strerror(errno.EFBIG)):
            write_image(tmp_path / f"a.{suffix}", TaggedImage(noise))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_f6_a_full_disk_never_takes_what_was_there(disk: Disk) -> None:
    path = disk.folder / "last.safetensors"
    for name in ("first", "second"):
        with atomic_write(path) as file:
            file.write(name.encode() * 1000)
    disk.fill()
    for length in (1, 4000, 9000):
        with refuses(ResourceError, path), atomic_write(path) as file:
            file.write(b"x" * length)
        assert path.read_bytes() == b"second" * 1000
        assert no_parts(disk.folder)


# ------------------------------------------------------------------------------ F7


def test_f7_a_runs_folder_that_cannot_be_made_is_told_before_the_data_are_opened(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(srae.training.prepare, "prepare", lambda *_, **__: pytest.fail("too late"))
    (tmp_path / "toy.yaml").write_text(toy_text(pairs))
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    for runs in ("file", "file/runs", "file/a/b"):
        arguments = ["--config", str(tmp_path / "toy.yaml"), "--runs-dir", str(tmp_path / runs)]
        assert main(["train", *arguments]) == 5
        lines = capsys.readouterr().err.splitlines()
        assert "Traceback" not in lines[0] and lines[1] == str(tmp_path / runs)
    assert sorted(tmp_path.rglob("*")) == before


def test_f7_a_disk_for_reading_only(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(pairs))
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, "size=1m")
    try:
        begin(toy(pairs), folder, "old")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        before = sorted(folder.rglob("*"))
        for runs in (folder, folder / "runs"):
            assert main(["train", "--config", str(tmp_path / "toy.yaml"), "--runs-dir", str(runs)]) == 5
            assert os.strerror(errno.EROFS) in capsys.readouterr().err
        assert main(["train", "--resume", str(folder / "old")]) == 5
        assert os.strerror(errno.EROFS) in capsys.readouterr().err
        (tmp_path / "seeds.yaml").write_text("configs: [toy.yaml]\n")
        assert main(["study", str(tmp_path / "seeds.yaml"), "--runs-dir", str(folder)]) == 5
        assert os.strerror(errno.EROFS) in capsys.readouterr().err
        assert sorted(folder.rglob("*")) == before
    finally:
        subprocess.run(["umount", folder], check=True)


def test_f7_a_folder_without_permission(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so the system's answer is given for it."""
    (tmp_path / "toy.yaml").write_text(toy_text(pairs))
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        assert main(["train", "--config", str(tmp_path / "toy.yaml"), "--runs-dir", str(tmp_path / "runs")]) == 5
    assert not (tmp_path / "runs").exists()


# ------------------------------------------------------------------------------ F8


def test_f8_a_busy_run_is_refused_naming_its_process(
    parent: WarmParent, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = pairs.parent / "runs"
    run = begin(toy(pairs, epochs=1), runs)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and ".lock" not in path.name}
    pid = parent.start("hold", run=str(run))
    until(lambda: "held" in parent.said())
    with refuses(RunBusyError, pid, HOST):
        RunWriter(run)
    assert main(["train", "--resume", str(run)]) == 8
    told = capsys.readouterr().err
    assert str(pid) in told and HOST in told
    assert read_run(run).status == "running"
    os.kill(pid, signal.SIGKILL)
    parent.wait(pid)
    assert not is_busy(run)
    RunWriter(run).close()  # the lock died with its owner
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and ".lock" not in path.name} == before


def test_f8_who_only_looks_does_not_lock_out_a_writer(tmp_path: Path) -> None:
    """A reader asks for a moment whether a run is busy; a start in that moment is no second writer."""
    run = claim_run(tmp_path, "toy")
    run.close()
    look = FileLock(run.path / ".lock", thread_local=False)
    look.acquire()
    threading.Timer(0.03, look.release).start()
    RunWriter(run.path).close()


@pytest.mark.parametrize("stillborn", [False, True])
def test_f8_twenty_starts_in_one_second(parent: WarmParent, tmp_path: Path, stillborn: bool) -> None:
    runs, start = tmp_path / "runs", tmp_path / "go"
    if stillborn:
        (runs / "toy").mkdir(parents=True)
    hurry = partial(parent.start, "claim", runs=str(runs), name="toy", start=str(start), claimed=20)
    victims = [hurry() for _ in range(20)]
    start.touch()
    assert [parent.wait(pid) for pid in victims] == [0] * 20, parent.said()
    names = ["toy", *(f"toy-{number}" for number in range(2, 21))]
    assert sorted(parent.said().split()) == sorted(names)
    assert sorted(path.name for path in runs.iterdir()) == sorted(names)
