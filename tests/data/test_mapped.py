"""Decoded images in a mapped file: the pixels that memory would hold, made once, never trusted when not whole."""

from __future__ import annotations

import errno
import gc
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torch import Tensor

import srae.data.intake
import srae.data.scan
from one_process import run_python
from refusals import refuses
from srae.cli import main
from srae.data import Data, Split, Store, eval_batches, mapped, train_batches
from srae.data.mapped import FileShelf, largest_in_memory
from srae.data.scan import in_threads
from srae.diagnostics.machine import check_cache
from srae.errors import DataError, ResourceError
from srae.files import this_place
from toy_training import HANG, assert_same_run, begin, toy
from toys import open_named

PHOTO = {"kernel": "photo", "scale": 2, "copies": 2, "sizes": [0.7, 0.5]}
RAM = mapped.SHARE


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files go; from here on nothing is small enough for memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(mapped, "SHARE", 0)
    return tmp_path / "cache" / "srae" / "decoded"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the images that were decoded."""
    names: list[str] = []
    read = srae.data.intake.read_flat_pixels

    def count(data: bytes, channels: Any, *, name: str) -> tuple[np.ndarray, bool]:
        names.append(name)
        return read(data, channels, name=name)

    monkeypatch.setattr(srae.data.intake, "read_flat_pixels", count)
    return names


def _open(folder: Path, **options: Any) -> Data:
    return open_named("pairs", folder=str(folder), **options)


def _in_memory(monkeypatch: pytest.MonkeyPatch, folder: Path, **options: Any) -> Data:
    with monkeypatch.context() as patch:
        patch.setattr(mapped, "SHARE", RAM)
        return _open(folder, **options)


def _files(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.pixels"))


def _left_over(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if ".pixels.tmp." in path.name]


def _stores(split: Split | None) -> Iterator[Store]:
    if split:
        assert isinstance(split.target, Store)
        yield from (*split.inputs, split.target)


def _assert_same(found: Data, expected: Data) -> None:
    """Every pixel, in the same kind of store; and all that is told about them, but for the file."""
    for split in ("train", "val", "test"):
        ours, theirs = getattr(found, split), getattr(expected, split)
        assert (ours and ours.names) == (theirs and theirs.names)
        for a, b in zip(_stores(ours), _stores(theirs), strict=True):
            assert type(a.pixels) is type(b.pixels) and a.shape == b.shape and len(a) == len(b)
            assert all(torch.equal(a.image(i), b.image(i)) for i in range(len(b)))
    for name in ("name", "in_shape", "out_shape", "fingerprint", "classes"):
        assert getattr(found, name) == getattr(expected, name), name
    assert found.notes[:-1] == expected.notes and "decoded images: " in found.notes[-1]


# ------------------------------------------------------------------------- the same pixels


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"channels": "L"},
        {"channels": "RGBA", "test_from_val": 0.5},
        {"degrade": {"kernel": "bicubic", "scale": 2}},
        {"degrade": {"kernel": "area", "scale": 5}, "enlarge": "bilinear"},
        {"degrade": PHOTO, "crop": 4},
        {"degrade": PHOTO, "for_scoring": True},
        {"limit": 1},
    ],
    ids=str,
)
def test_what_is_mapped_equals_what_is_kept_in_memory(
    pair_folder: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    folder = pair_folder(train=5, size=(16, 18), scale=2)
    expected = _in_memory(monkeypatch, folder, **options)
    assert not cache.exists()
    first, again = _open(folder, **options), _open(folder, **options)
    _assert_same(first, expected)
    _assert_same(again, expected)
    (file,) = _files(cache)
    assert str(file) in first.notes[-1] and first.notes == again.notes and not _left_over(cache)


def test_mixed_sizes_and_turned_images_are_mapped_too(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    turned = Image.Exif()
    turned[0x0112] = 6
    shapes = {
        "mixed": [(8, 8), (12, 10), (8, 8), (9, 30)],
        "turned": [(8, 12), (8, 12), (12, 8), (8, 12)],  # the second one by its EXIF
        "cut": [(9, 12), (8, 13), (9, 13), (8, 12)],  # one size when cut to multiples of 2
    }
    for name, sizes in shapes.items():
        for split in ("train", "val"):
            (tmp_path / name / split).mkdir(parents=True)
            for i, size in enumerate(sizes):
                image = Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8))
                exif = {"exif": turned} if name == "turned" and i == 1 else {}
                image.save(tmp_path / name / split / f"{i}.png", **exif)
        options: dict[str, Any] = {"degrade": {"kernel": "bicubic", "scale": 2}, "for_scoring": True}
        expected = _in_memory(monkeypatch, tmp_path / name, **options)
        assert isinstance(expected.train.target.pixels, Tensor if name == "cut" else list)
        for _ in range(2):
            _assert_same(_open(tmp_path / name, **options), expected)


def test_a_training_from_the_map_is_bit_identical(
    pair_folder: Callable[..., Path], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pair_folder(train=5, val=3, size=(24, 24))
    config = toy(folder, "data.crop=16", "data.augment=[flip, rotate]", "data.test_from_val=0.34")
    with monkeypatch.context() as patch:
        patch.setattr(mapped, "SHARE", RAM)
        kept = begin(config, tmp_path / "runs", "kept")
    assert not cache.exists()
    told: list[str] = []
    runs = [begin(config, tmp_path / "runs", name, told.append) for name in ("first", "second")]
    (file,) = _files(cache)
    assert sum(str(file) in line for line in told) == 2
    for run in runs:
        assert_same_run(run, kept)


def test_images_are_read_only_and_survive_the_file(pair_folder: Callable[..., Path], cache: Path) -> None:
    data = _open(pair_folder(train=6))
    (file,) = _files(cache)
    before = file.read_bytes()
    expected = [batch.target.clone() for batch in eval_batches(data.train, 4)]
    list(train_batches(data.train, batch_size=4, seed=0, epoch=0, augment=["flip", "rotate"]))
    assert file.read_bytes() == before
    shutil.rmtree(cache)
    assert all(torch.equal(a.target, b) for a, b in zip(eval_batches(data.train, 4), expected, strict=True))


# ------------------------------------------------------------------------ when it is used


def test_small_sets_stay_in_memory_and_touch_no_disk(
    pair_folder: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pair_folder(train=4, val=2, size=(16, 16))
    need = (4 + 2) * 2 * 16 * 16 * 3
    for limit, is_mapped in ((need, False), (need - 1, True)):
        monkeypatch.setattr(srae.data.intake, "largest_in_memory", lambda limit=limit: limit)
        data = _open(folder)
        assert cache.exists() == is_mapped == bool(data.notes)


def test_the_limit_is_a_quarter_of_the_memory_of_the_machine_or_of_the_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = psutil.virtual_memory().total
    assert 0 < largest_in_memory() <= machine / 4
    for text, expected in ((str(2**20), 2**18), ("max\n", machine / 4)):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", lambda self, encoding, text=text: text)
            assert largest_in_memory() == expected


def test_a_later_run_decodes_nothing_wherever_the_images_lie_by_then(
    pair_folder: Callable[..., Path], cache: Path, decoded: list[str]
) -> None:
    folder = pair_folder(train=4, val=3)
    _open(folder)
    assert len(decoded) == 14
    decoded.clear()
    moved = folder.rename(folder.with_name("elsewhere"))
    for options in ({}, {"crop": 8, "crops_per_picture": 2}, {"augment": ["flip"]}):
        _open(moved, **options)
    assert not decoded and len(_files(cache)) == 1


def test_whatever_changes_the_pixels_makes_a_new_file(pair_folder: Callable[..., Path], cache: Path) -> None:
    folder = pair_folder(train=4, size=(16, 16))
    bicubic = {"kernel": "bicubic", "scale": 2}
    changes: list[dict[str, Any]] = [
        {},
        {"channels": "L"},
        {"limit": 2},
        {"test_from_val": 0.5},
        {"degrade": bicubic},
        {"degrade": bicubic, "enlarge": "bilinear"},
        {"degrade": bicubic | {"kernel": "area"}},
        {"degrade": bicubic | {"scale": 4}},
        {"degrade": bicubic | {"sizes": [0.5]}, "crop": 4},
        {"degrade": bicubic | {"sizes": [0.25]}, "crop": 4},
        {"degrade": PHOTO, "crop": 4},
        {"degrade": PHOTO | {"copies": 3}, "crop": 4},
        {"degrade": PHOTO, "for_scoring": True},
    ]
    for count, options in enumerate(changes, 1):
        _open(folder, **options)
        assert len(_files(cache)) == count, options
    file = folder / "train" / "high_res" / "2.png"
    before = _open(folder).train.target.image(2).clone()
    pixels = np.array(Image.open(file))
    pixels[3, 5, 1] ^= 1
    Image.fromarray(pixels).save(file)
    after = _open(folder).train.target.image(2)
    assert (before != after).sum() == 1 and len(_files(cache)) == len(changes) + 1
    file.rename(file.with_name("9.png"))
    (folder / "train" / "low_res" / "2.png").rename(folder / "train" / "low_res" / "9.png")
    assert _open(folder).train.names[-1] == "9.png" and len(_files(cache)) == len(changes) + 2


def test_what_is_wrong_with_images_is_told_as_ever_and_leaves_nothing(
    pair_folder: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pair_folder(train=6)
    for name, content in (("1", b"broken"), ("3", (folder / "train/low_res/3.png").read_bytes()[:400])):
        (folder / "train" / "low_res" / f"{name}.png").write_bytes(content)
    with pytest.raises(DataError) as kept:
        _in_memory(monkeypatch, folder)
    with pytest.raises(DataError) as found:
        _open(folder)
    assert str(found.value) == str(kept.value) and "2 problems" in str(found.value)
    assert not _files(cache) and not _left_over(cache)


def test_images_that_change_while_they_are_read_are_refused(
    pair_folder: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pair_folder()
    digest = srae.data.intake._digest
    monkeypatch.setattr(srae.data.intake, "_digest", lambda path, **how: digest(path, **how)[::-1])
    with refuses(DataError, folder):
        _open(folder)
    assert not _files(cache) and not _left_over(cache)


# ------------------------------------------------------------------------- what can go wrong


def _cut_half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(place: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        position = place % len(data)
        return data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :]

    return change


@pytest.mark.parametrize(
    "damage",
    [
        _cut_half,
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: bytes(len(data)),
        lambda data: data[:5000] + bytes(4096) + data[9096:],
        *(_flip(place) for place in (0, 7001, -1, -65, -64 - 20 * 32)),
    ],
)
def test_a_damaged_file_is_found_and_made_again(
    pair_folder: Callable[..., Path],
    cache: Path,
    decoded: list[str],
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[bytes], bytes],
) -> None:
    folder = pair_folder(train=8)
    expected = _in_memory(monkeypatch, folder)
    _open(folder)
    (file,) = _files(cache)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert file.read_bytes() != whole
    decoded.clear()
    _assert_same(_open(folder), expected)
    assert len(decoded) == 20 and _files(cache) == [file]
    decoded.clear()
    _assert_same(_open(folder), expected)
    assert not decoded


_KILLED = """
import json, os, signal, sys
import torch
import srae.files
from srae.config.data_sets import PairsConfig
from srae.data import mapped, open_data

torch.set_num_threads(1)
mapped.SHARE = 0
put = mapped.FileShelf.put

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def count(self, *arguments):
    global left
    if not left:
        die()
    left -= 1
    put(self, *arguments)

folder, cache, *places = sys.argv[1:]
for place in places:
    if pid := os.fork():
        _, status = os.waitpid(pid, 0)
        print(json.dumps([os.WTERMSIG(status), sorted(os.listdir(cache))]), flush=True)
        continue
    if place.isdecimal():
        left, mapped.FileShelf.put = int(place), count
    elif place == "seal":
        mapped._seal = die
    else:
        setattr(srae.files.os, place, die)
    open_data(PairsConfig(folder=folder))
    os._exit(0)
"""


def test_killed_at_any_moment_it_leaves_nothing_that_is_taken_for_whole(
    pair_folder: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    folder, places = pair_folder(), ("0", "7", "seal", "fsync", "replace")
    done = run_python(_KILLED, folder, cache, *places, XDG_CACHE_HOME=os.environ["XDG_CACHE_HOME"])
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(seen) == len(places)
    for signal_number, left in seen:  # what the one before left was swept
        lock, owner = sorted(name for name in left if ".lock" in name)
        (half,) = (name for name in left if ".lock" not in name)
        assert signal_number == signal.SIGKILL and owner.startswith(f"{lock}.owner") and ".pixels.tmp." in half
    expected = _in_memory(monkeypatch, folder)
    decoded.clear()
    _assert_same(_open(folder), expected)
    assert len(decoded) == 12 and len(_files(cache)) == 1 and not _left_over(cache)


def test_what_the_killed_left_of_other_images_is_swept_and_what_is_being_made_is_not(
    pair_folder: Callable[..., Path], cache: Path, dead_process: int
) -> None:
    cache.mkdir(parents=True)
    dead, alive, elsewhere = (
        cache / f".{key * 32}.pixels.tmp.{writer}.0"
        for key, writer in (
            ("d", f"{this_place()}.{dead_process}"), ("a", f"{this_place()}.{os.getppid()}"), ("e", "other-0.1"),
        )
    )  # fmt: skip
    for path in (dead, alive, elsewhere):
        path.write_bytes(b"half")
    _open(pair_folder())
    assert sorted(_left_over(cache)) == [alive, elsewhere]


def test_of_two_at_once_the_second_waits_and_decodes_nothing(
    pair_folder: Callable[..., Path],
    cache: Path,
    decoded: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = pair_folder()
    expected = _in_memory(monkeypatch, folder)
    decoded.clear()
    begun, waiting, put, sleep = threading.Event(), threading.Event(), FileShelf.put, mapped.time.sleep

    def slow_put(self: FileShelf, index: int, pixels: np.ndarray) -> None:
        begun.set()
        assert waiting.wait(HANG)
        put(self, index, pixels)

    def sleep_and_tell(seconds: float) -> None:
        if seconds > 0.1:  # shorter are the attempts at the lock
            waiting.set()
        sleep(seconds)

    monkeypatch.setattr(FileShelf, "put", slow_put)
    monkeypatch.setattr(mapped.time, "sleep", sleep_and_tell)
    found: list[Data] = []
    first = threading.Thread(target=lambda: found.append(_open(folder)))
    first.start()
    assert begun.wait(HANG)
    found.append(_open(folder))
    first.join(HANG)
    assert len(found) == 2 and len(decoded) == 12 and len(_files(cache)) == 1 and not _left_over(cache)
    host = this_place().rpartition("-")[0]
    (line,) = capsys.readouterr().err.splitlines()
    assert str(os.getpid()) in line and host in line
    for data in found:
        _assert_same(data, expected)


def test_without_a_cache_folder_it_is_the_temporary_one_and_without_that_an_error(
    pair_folder: Callable[..., Path], cache: Path, tmp_path: Path, decoded: list[str]
) -> None:
    folder = pair_folder()
    (tmp_path / "cache").write_text("a file: nothing can be made below it")
    for _ in range(2):
        data = _open(folder)
    (file,) = _files(tmp_path / "temporary" / f"srae-{os.getuid()}")
    assert str(file) in data.notes[-1] and len(decoded) == 12
    assert file.parent.stat().st_mode & 0o77 == 0
    shutil.rmtree(file.parent)
    (tmp_path / "mine").mkdir()
    file.parent.symlink_to(tmp_path / "mine")  # as somebody else might, before us
    with refuses(ResourceError, "XDG_CACHE_HOME"):
        _open(folder)
    assert not list((tmp_path / "mine").iterdir())


def test_a_relative_cache_home_is_none(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert mapped._folders()[0] == tmp_path / "home" / ".cache" / "srae" / "decoded"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/path")
    assert all(folder.is_absolute() for folder in mapped._folders())


def test_a_disk_without_room_is_told_before_anything_is_decoded(
    pair_folder: Callable[..., Path], cache: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pair_folder(size=(100, 100))
    need = 6 * 2 * 100 * 100 * 3
    real = shutil.disk_usage(folder)
    monkeypatch.setattr(mapped.shutil, "disk_usage", lambda path: real._replace(free=need - 1))
    with refuses(ResourceError, cache, "0.0 GB", "data.limit", "XDG_CACHE_HOME"):
        _open(folder)
    assert not decoded and not _files(cache) and not _left_over(cache)
    monkeypatch.setattr(mapped.shutil, "disk_usage", lambda path: real._replace(free=need))
    _open(folder)


@pytest.mark.parametrize("number", [1, 5, 13])
def test_a_disk_that_fills_up_meanwhile_is_told_and_leaves_nothing(
    pair_folder: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder, write, calls = pair_folder(), os.write, []

    def refuse(handle: int, data: Any) -> int:
        calls.append(handle)
        if len(calls) >= number:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, bytes(data)[:700])  # a part, as it may

    with monkeypatch.context() as patch:
        patch.setattr(mapped.os, "write", refuse)
        with refuses(ResourceError, cache):
            _open(folder)
    assert not _files(cache) and not _left_over(cache)
    number = 10**9
    expected = _in_memory(monkeypatch, folder)
    monkeypatch.setattr(mapped.os, "write", refuse)
    _assert_same(_open(folder), expected)


# ---------------------------------------------------------------------- what is kept of it


def _make(cache: Path, pair_folder: Callable[..., Path], *names: str) -> dict[str, Path]:
    """Files of sets of images that nobody uses any more, the first unused for the longest."""
    made: dict[str, Path] = {}
    for age, name in enumerate(reversed(names)):
        before = set(_files(cache))
        _open(pair_folder(name=name, seed=ord(name)))
        (made[name],) = set(_files(cache)) - before
        os.utime(made[name], (1e9 - age,) * 2)
    gc.collect()
    return made


def test_what_was_unused_for_the_longest_goes_first_and_what_is_used_stays(
    pair_folder: Callable[..., Path], cache: Path
) -> None:
    made = _make(cache, pair_folder, *"abcd")
    size = made["a"].stat().st_size
    data = _open(cache.parents[2] / "a")  # now the newest, and in use
    assert mapped.evict(cache, 2 * size) == 2 * size
    assert set(_files(cache)) == {made["a"], made["d"]}
    os.utime(made["a"], (1, 1))
    assert mapped.evict(cache, size) == size and _files(cache) == [made["a"]]
    assert mapped.clean_cache() == (0, size)
    expected = [data.train.target.image(i).clone() for i in range(4)]
    del data
    gc.collect()
    assert len(expected) == 4 and mapped.clean_cache() == (size, 0) and not _files(cache)
    assert not [path for path in cache.iterdir() if ".used." in path.name]


def test_a_use_by_another_process_counts_as_long_as_it_lives(
    pair_folder: Callable[..., Path], cache: Path, dead_process: int
) -> None:
    (file,) = _make(cache, pair_folder, "a").values()
    for writer, age, used in (
        (f"{this_place()}.{os.getppid()}", 0, True),
        ("other-0.1", mapped.USE_AGE - 60, True),
        ("other-0.1", mapped.USE_AGE + 60, False),
        (f"{this_place()}.{dead_process}", 0, False),
    ):
        mark = cache / f".{file.stem}.used.tmp.{writer}.0"
        mark.touch()
        os.utime(mark, (time.time() - age,) * 2)
        mapped.evict(cache)
        assert file.exists() == mark.exists() == used, (writer, age)
        mark.unlink(missing_ok=True)
        file.write_bytes(b"pixels")


@pytest.mark.parametrize("reason", ["limit", "disk"])
def test_old_images_make_room_for_new_ones(
    pair_folder: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    made = _make(cache, pair_folder, *"ab")
    size = made["a"].stat().st_size
    if reason == "limit":
        monkeypatch.setattr(mapped, "KEPT", 2 * size)
    else:
        real = shutil.disk_usage(cache)
        monkeypatch.setattr(
            mapped.shutil, "disk_usage", lambda _: real._replace(free=3 * size - 2 * size * len(_files(cache)))
        )
    _open(pair_folder(name="new", seed=7))
    assert made["b"].exists() == (reason == "limit") and not made["a"].exists()
    assert len(_files(cache)) == (2 if reason == "limit" else 1)


def test_doctor_tells_of_the_cache_and_cleans_it(
    pair_folder: Callable[..., Path], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = _make(cache, pair_folder, "a").values()
    size = file.stat().st_size
    assert [check.name for check in check_cache()] == ["cache"]
    assert main(["doctor", "--clean-cache", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"freed_bytes": size, "in_use_bytes": 0}
    assert not file.exists() and not list(check_cache())


# ------------------------------------------------------------------------- GPU and bar


def test_what_does_not_fit_on_the_device_stays_and_its_batches_go_there(
    pair_folder: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _open(pair_folder(train=6, val=2))  # "meta" stands for a GPU: images there have a shape only
    need = 8 * 2 * 16 * 16 * 3
    monkeypatch.setattr("srae.data.contract.free_memory", lambda device: 2 * need)
    assert data.to("meta").train.input.device.type == "meta"
    monkeypatch.setattr("srae.data.contract.free_memory", lambda device: 2 * need - 1)
    stays = data.to("meta")
    assert stays.train.input.device.type == stays.val.target.device.type == "cpu"
    assert "stay in memory" in stays.notes[-1] and len(stays.notes) == len(data.notes) + 1
    for options in ({"crop": 8}, {}):
        batches = list(train_batches(stays.train, batch_size=4, seed=0, epoch=0, **options))
        batches += eval_batches(stays.val, 2)
        assert {side.device.type for batch in batches for side in (batch.input, batch.target)} == {"meta"}
    assert data.to("cpu").train.batches_go_to is None


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_moves_on_a_terminal_when_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    pause = threading.Event()
    for after, term, shown in ((HANG, "xterm", False), (0.1, "xterm", True), (0.1, "dumb", False)):
        terminal = _Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", term)
        monkeypatch.setattr(srae.data.scan, "BAR_AFTER", after)
        found = list(in_threads(lambda i: (pause.wait(0.05), i)[1], range(24), "decoding images"))
        assert found == list(range(24))
        assert ("decoding images" in terminal.getvalue()) == shown == bool(terminal.getvalue()), terminal.getvalue()
