"""Pairs on disk: every layout, every rule of matching, every way to be wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from builders import write_image
from refusals import refuses
from srae.data import Data
from srae.data.degrade import make_low
from srae.data.layouts import find_pairs
from srae.data.matching import Pair
from srae.data.splits import set_aside, split_by_name
from srae.errors import DataError
from toys import open_named

SIDE = (8, 8)


def _fill(pattern: str, low: str, high: str, names: tuple[str, ...] = ("1.png", "2.png", "10.png")) -> None:
    """`pattern` holds {side} and {name}."""
    for name in names:
        write_image(Path(pattern.format(side=low, name=name)), (4, 4))
        write_image(Path(pattern.format(side=high, name=name)), SIDE)


def _open(folder: Path, **options: Any) -> Data:
    return open_named("pairs", folder=str(folder), **options)


# ------------------------------------------------------------------------ layouts


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
@pytest.mark.parametrize(
    "sides", [("low_res", "high_res"), ("low", "high"), ("lr", "hr"), ("LR", "HR"), ("input", "target")]
)
def test_split_then_side(tmp_path: Path, val: str, sides: tuple[str, str]) -> None:
    for split, names in (("train", ("1.png", "2.png", "10.png")), (val, ("7.png",)), ("test", ("8.png", "9.png"))):
        _fill(f"{tmp_path}/{split}/{{side}}/{{name}}", *sides, names)
    data = _open(tmp_path)
    assert data.train.names == ["1.png", "2.png", "10.png"] and data.val.names == ["7.png"]
    assert data.test is not None and data.test.names == ["8.png", "9.png"]
    assert data.in_shape == (3, 4, 4) and data.out_shape == (3, 8, 8) and data.notes == []


@pytest.mark.parametrize("sides", [("dataset_low", "dataset_high"), ("low_res", "high_res")])
@pytest.mark.parametrize("inner", ["", "anything/"])
def test_side_then_split(tmp_path: Path, sides: tuple[str, str], inner: str) -> None:
    for split in ("train", "valid"):
        _fill(f"{tmp_path}/{{side}}/{split}/{inner}{{name}}", *sides)
    data = _open(tmp_path)
    assert len(data.train) == len(data.val) == 3 and data.test is None


def test_folders_between_split_and_file_may_be_called_differently(tmp_path: Path) -> None:
    for side, group, size in (("dataset_low", "small", (4, 4)), ("dataset_high", "large", SIDE)):
        for split in ("train", "val"):
            write_image(tmp_path / side / split / group / "1.png", size)
    assert _open(tmp_path).train.names == ["1.png"]


def test_equal_names_in_different_class_folders_are_different_images(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for group in ("cat", "dog"):
            _fill(f"{tmp_path}/{{side}}/{split}/{group}/{{name}}", "low", "high", ("1.png",))
    assert _open(tmp_path).train.names == ["cat/1.png", "dog/1.png"]


def test_two_folders_given_one_by_one(tmp_path: Path) -> None:
    names = tuple(f"{i}.png" for i in range(12))
    _fill(f"{tmp_path}/{{side}}/{{name}}", "coarse", "fine", names)
    data = open_named("pairs", low=str(tmp_path / "coarse"), high=str(tmp_path / "fine"))
    assert data.test is not None
    assert sorted(data.train.names + data.val.names + data.test.names) == sorted(names)
    assert "no split on disk" in data.notes[0]


@pytest.mark.parametrize("header", ["", "low,high,split\n", "a;b;c\n"])
def test_list_with_split(tmp_path: Path, header: str) -> None:
    _fill(f"{tmp_path}/x/{{side}} y/{{name}}", "some", "other")
    comma = ";" if ";" in header else ","
    rows = zip(("1.png", "2.png", "10.png"), ("train", "validation", "train"), strict=True)
    text = header + "".join(comma.join((f"x/some y/{name}", f"x/other y/{name}", s)) + "\n" for name, s in rows)
    (tmp_path / "pairs.csv").write_text("\ufeff" + text, encoding="utf-8")
    data = _open(tmp_path / "pairs.csv")
    assert data.train.names == ["x/other y/1.png", "x/other y/10.png"] and data.val.names == ["x/other y/2.png"]
    assert data.out_shape == (3, 8, 8) and data.name == "pairs"


def test_list_without_split_and_with_the_high_side_first(tmp_path: Path) -> None:
    _fill(f"{tmp_path}/{{side}}/{{name}}", "a", "b")
    (tmp_path / "p.csv").write_text("high,low\n" + "".join(f"b/{n}.png,a/{n}.png\n" for n in (1, 2, 10)))
    data = _open(tmp_path / "p.csv")
    assert data.in_shape == (3, 4, 4) and len(data.train) + len(data.val) >= 2


def test_a_list_tells_all_its_faults_with_their_lines(tmp_path: Path) -> None:
    _fill(f"{tmp_path}/{{side}}/{{name}}", "a", "b")
    rows = ["a/1.png,b/1.png,train", "a/2.png,b/9.png,val", "a/2.png,b/2.png,dev", "a/1.png,b/1.png,val"]
    (tmp_path / "p.csv").write_text("\n".join(rows))
    with refuses(DataError, "p.csv:2: b/9.png", "p.csv:3: ", "'dev'", "p.csv:4: ", "line 1"):
        _open(tmp_path / "p.csv")
    for content in (b"a/1.png\n", b"\xff\xfe\x00"):
        (tmp_path / "p.csv").write_bytes(content)
        with refuses(DataError, "p.csv"):
            _open(tmp_path / "p.csv")


@pytest.mark.parametrize("folders", [("",), ("train/", "val/")])
def test_high_side_alone_with_degradation(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        for i in range(12):
            write_image(tmp_path / f"{folder}{i}.png", (9, 12))
    degrade = {"kernel": "bicubic", "scale": 2}
    data = _open(tmp_path, degrade=degrade)
    assert data.in_shape == (3, 4, 6) and data.out_shape == (3, 8, 12)  # cropped to a multiple of 2
    high = data.train.target.image(3).permute(1, 2, 0).numpy()
    assert np.array_equal(data.train.input.image(3).permute(1, 2, 0).numpy(), make_low(high, "bicubic", 2))
    same = _open(tmp_path, degrade=degrade, enlarge="bilinear")
    assert same.in_shape == same.out_shape == (3, 8, 12)
    area = _open(tmp_path, degrade={"kernel": "area", "scale": 2})
    assert len({data.fingerprint, same.fingerprint, area.fingerprint}) == 3


def test_with_degradation_an_existing_low_side_is_not_read(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(size=(8, 8))
    (folder / "train" / "low_res" / "0.png").write_bytes(b"broken")
    assert _open(folder, degrade={"kernel": "area", "scale": 4}).in_shape == (3, 2, 2)
    with refuses(DataError, "train/low_res/0.png"):
        _open(folder)


def test_images_alone_without_degradation_are_explained(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png", SIDE)
    with refuses(DataError, tmp_path, "data.degrade"):
        _open(tmp_path)


# ------------------------------------------------------------------------ matching


@pytest.mark.parametrize(
    ("low", "high", "rule"),
    [
        ("0001.png", "0001.jpg", "name"),
        ("Cat.PNG", "cat.png", "name, ignoring case"),
        ("0001x2.png", "0001.png", "name without scale suffix"),
        ("a_X4.png", "A.png", "name without scale suffix"),
        ("caf\u00e9.png", "cafe\u0301.png", "name"),
        ("it's 2 \U0001f600.png", "it's 2 \U0001f600.png", "name"),
        ("-rf.png", "-rf.png", "name"),
    ],
)
def test_names_are_matched(tmp_path: Path, low: str, high: str, rule: str) -> None:
    for split in ("train", "val"):
        write_image(tmp_path / split / "low" / low, (4, 4))
        write_image(tmp_path / split / "high" / high, SIDE)
    found = find_pairs(tmp_path)
    assert found.rules == [rule] and found.problems == []
    assert _open(tmp_path).train.names == [high]


def test_names_that_differ_only_in_case_are_kept_apart(tmp_path: Path) -> None:
    for split in ("train", "val"):
        _fill(f"{tmp_path}/{split}/{{side}}/{{name}}", "low", "high", ("a.png", "A.png"))
    assert sorted(_open(tmp_path).train.names) == ["A.png", "a.png"]


# ------------------------------------------------------------------ what can be wrong


def test_a_missing_folder(tmp_path: Path) -> None:
    with refuses(DataError, tmp_path / "gone"):
        _open(tmp_path / "gone")
    with refuses(DataError, "data.folder"):
        open_named("pairs")


def test_otherwise_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = open_named("pairs", folder="data/isr855", otherwise="demo", limit=1)
    assert data.name == "demo"
    assert data.notes == ["data/isr855 is not there: training on the built-in demo images"]
    for split in ("train", "val"):
        _fill(f"data/isr855/{split}/{{side}}/{{name}}", "low", "high")
    assert open_named("pairs", folder="data/isr855", otherwise="demo").name == "isr855"


# ---------------------------------------------------------------- shapes and crops


def test_mixed_sizes_need_a_crop(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(scale=2)
    write_image(folder / "train" / "low_res" / "3.png", (10, 20))
    write_image(folder / "train" / "high_res" / "3.png", (20, 40))
    with refuses(DataError, 2, "data.crop", 20):
        _open(folder)
    data = _open(folder, crop=20)
    assert data.in_shape == (3, 10, 10) and data.out_shape == (3, 20, 20)
    assert data.train.target.shape is None
    assert _open(folder, for_scoring=True).in_shape == (3, 16, 16)
    for crop, named in ((24, "3.png"), (15, "2")):
        with refuses(DataError, "data.crop", named):
            _open(folder, crop=crop)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("channels", ["L", "RGB", "RGBA"])
def test_channels(pair_folder: Callable[..., Path], mode: str, channels: str) -> None:
    data = _open(pair_folder(mode=mode), channels=channels)
    assert data.in_shape == data.out_shape == (len(channels), 16, 16)


def test_rgb_of_opaque_rgba_is_its_colour(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(mode="RGBA")
    for path in folder.rglob("*.png"):
        pixels = np.array(Image.open(path))
        pixels[:, :, 3] = 255
        Image.fromarray(pixels).save(path)
    pixels = np.asarray(Image.open(folder / "train" / "low_res" / "0.png"))
    assert np.array_equal(_open(folder).train.input.image(0).permute(1, 2, 0).numpy(), pixels[:, :, :3])


# ------------------------------------------------------------------------- splits


def _pairs(count: int, prefix: str = "") -> list[Pair]:
    return [Pair(f"{prefix}{i}.png", None, Path(f"{i}.png")) for i in range(count)]


def test_split_by_name_has_the_right_shares_and_does_not_depend_on_other_files() -> None:
    pairs = _pairs(1000)
    splits = split_by_name(pairs)
    counts = {split: len(chosen) for split, chosen in splits.items()}
    assert 770 < counts["train"] < 830 and 80 < counts["val"] < 120 and sum(counts.values()) == 1000
    fewer = split_by_name(pairs[:700])
    assert all(set(fewer[split]) <= set(splits[split]) for split in splits)
    renamed = [pair._replace(name=pair.name.replace(".png", ".jpg")) for pair in pairs]
    assert [len(chosen) for chosen in split_by_name(renamed).values()] == list(counts.values())


@pytest.mark.parametrize("count", [2, 3, 5])
def test_train_and_val_of_few_images_are_never_empty(count: int) -> None:
    for prefix in map(str, range(60)):
        splits = split_by_name(_pairs(count, prefix))
        assert splits["train"] and splits["val"] and sum(map(len, splits.values())) == count


def test_setting_aside_is_fixed_rounded_and_leaves_something() -> None:
    kept, aside = set_aside(list(range(170)), 0.3)
    assert (len(kept), len(aside)) == (119, 51) and sorted(kept + aside) == list(range(170))
    assert kept == sorted(kept) and aside == sorted(aside) and aside != list(range(119, 170))
    assert set_aside(list(range(170)), 0.3) == (kept, aside)
    assert aside != list(range(51))
    assert set_aside([1, 2], 0.99)[0] and set_aside([1], 0.99) == ([1], [])


def test_test_from_val(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(train=2, val=10, size=(4, 4))
    data = _open(folder, test_from_val=0.3)
    assert data.test is not None and (len(data.val), len(data.test)) == (7, 3)
    assert not set(data.val.names) & set(data.test.names)
    assert _open(folder, test_from_val=0.3).val.names == data.val.names
    shutil.copytree(folder / "train", folder / "test")
    own = _open(folder, test_from_val=0.3)
    assert own.test is not None and (len(own.val), len(own.test)) == (10, 2) and "ignored" in own.notes[0]


def test_limit_takes_the_first_of_each_split_and_reads_no_other(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(train=12, val=3, size=(4, 4))
    (folder / "train" / "low_res" / "11.png").write_bytes(b"broken")
    data = _open(folder, limit=2)
    assert data.train.names == data.val.names == ["0.png", "1.png"]


def test_to_score_sizes_may_differ_and_a_folder_of_others_is_not_divided(
    tmp_path: Path, pair_folder: Callable[..., Path]
) -> None:
    for i in range(5):
        write_image(tmp_path / "set5" / f"{i}.png", (8 + 2 * i, 8))
    degrade = {"kernel": "bicubic", "scale": 2}
    data = _open(tmp_path / "set5", degrade=degrade, for_scoring=True, undivided=True)
    assert len(data.val) == 5 and data.test is None
    own, trained = (_open(tmp_path / "set5", degrade=degrade, **how) for how in ({"for_scoring": True}, {"crop": 8}))
    assert (own.train.names, own.val.names) == (trained.train.names, trained.val.names)
    assert own.fingerprint == trained.fingerprint != data.fingerprint
    folder = pair_folder()
    shutil.rmtree(folder / "train")
    assert len(_open(folder, for_scoring=True).val) == 2


# -------------------------------------------------------------- fingerprint and notes


def test_fingerprint_follows_contents_names_and_splits_only(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(train=4, val=3)
    first = _open(folder).fingerprint
    assert len(first) == 16 and int(first, 16) >= 0
    moved = folder.rename(folder.with_name("elsewhere"))
    for options in ({}, {"channels": "L"}, {"crop": 8, "crops_per_picture": 3}, {"augment": ["flip"]}):
        assert _open(moved, **options).fingerprint == first
    others = [_open(moved, limit=2).fingerprint, _open(moved, test_from_val=0.4).fingerprint]
    write_image(moved / "val" / "low_res" / "2.png", (16, 16), seed=77)
    others.append(_open(moved).fingerprint)
    for side in ("low_res", "high_res"):
        (moved / "train" / side / "3.png").rename(moved / "train" / side / "33.png")
    others.append(_open(moved).fingerprint)
    assert len({first, *others}) == 5


def test_pixels_arrive_unchanged(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(train=11, size=(5, 7), scale=3)
    data = _open(folder)
    assert data.train.names[2:4] == ["2.png", "3.png"]
    for index, name in enumerate(data.train.names):
        for store, side in ((data.train.input, "low_res"), (data.train.target, "high_res")):
            pixels = torch.from_numpy(np.array(Image.open(folder / "train" / side / name)))
            assert torch.equal(store.image(index), pixels.permute(2, 0, 1))
