"""Slices of one patient and tiles of one image stay in one split, and names that suggest such groups are told."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from builders import write_image, write_images
from refusals import refuses
from srae.config.loading import parse_config
from srae.data import Data
from srae.data.groups import find_torn, read_groups, suspect_groups
from srae.data.make import make_pairs
from srae.data.splits import split_by_class
from srae.errors import ConfigError, DataError
from toys import open_named

ROOT = Path("set")
TILES = [f"{image:04}_s{tile:03}.png" for image in range(1, 21) for tile in range(4)]
FOLDERS = [f"p{patient:02}/{tile}.png" for patient in range(20) for tile in range(4)]


def _splits(data: Data) -> dict[str, set[str]]:
    parts = {"train": data.train, "val": data.val, "test": data.test}
    return {split: set(part.names) for split, part in parts.items() if part}


def _holders(splits: dict[str, set[str]], letters: slice) -> list[int]:
    """How many splits hold each group, which is what those letters of a name say."""
    found: dict[str, set[str]] = {}
    for split, names in splits.items():
        for name in names:
            found.setdefault(name[letters], set()).add(split)
    return [len(holders) for holders in found.values()]


@pytest.mark.parametrize(
    ("names", "group_by", "letters"),
    [(TILES, "([0-9]+)_s", slice(4)), (TILES, "^[0-9]+", slice(4)), (FOLDERS, "folder", slice(3))],
)
def test_no_group_of_pairs_is_in_two_splits(tmp_path: Path, names: list[str], group_by: str, letters: slice) -> None:
    write_images(tmp_path / "photos", names, (8, 8))
    options: dict[str, Any] = {"folder": str(tmp_path / "photos"), "degrade": {"scale": 2}}
    by_name, grouped = (_splits(open_named("pairs", **options, **more)) for more in ({}, {"group_by": group_by}))
    assert max(_holders(by_name, letters)) > 1, "otherwise this shows nothing"
    assert set(_holders(grouped, letters)) == {1} and set().union(*grouped.values()) == set(names)
    val = open_named("pairs", **options, group_by=group_by).val
    assert list(val.groups) == [name[letters] for name in val.names], "metrics are tested over them"
    assert open_named("pairs", **options).val.groups == ()
    write_images(tmp_path / "photos", ["9999_s1.png"] if "_" in names[0] else ["q/0.png"], (8, 8), seed=9)
    more = _splits(open_named("pairs", **options, group_by=group_by))
    assert all(grouped[split] <= more[split] for split in grouped), "a group's place depends on its name alone"
    make_pairs(tmp_path / "photos", tmp_path / "made", scale=2, group_by=group_by)
    made = {p.name: {f.name for f in (p / "high_res").iterdir()} for p in (tmp_path / "made").iterdir()}
    assert set(_holders(made, letters)) == {1}


@pytest.mark.parametrize("missing", [("val",), ("val", "test")])
def test_val_and_test_that_are_set_aside_take_entire_groups(tmp_path: Path, missing: tuple[str, ...]) -> None:
    for side in ("low", "high"):
        write_images(tmp_path / "train" / side, TILES, (8, 8))
        if missing != ("val",):
            write_images(tmp_path / "val" / side, [f"9{name}" for name in TILES], (8, 8), seed=3)
    share = {"val_from_train": 0.2} if missing == ("val",) else {"test_from_val": 0.2}
    data = _splits(open_named("pairs", folder=str(tmp_path), group_by="([0-9]+)_", **share))
    assert set(_holders(data, slice(5))) == {1}
    assert len(data[missing[-1]]) == 16, "a fifth of 80, in groups of four"


def test_no_group_of_classes_is_in_two_splits(tmp_path: Path) -> None:
    for number, kind in enumerate(("ill", "well")):
        for patient in range(8):
            for image in range(5):
                # Patients 6 and 7 are in both classes.
                name = f"patient{patient + 8 * number * (patient < 6)}_slice{image}.png"
                write_image(tmp_path / kind / name, (8, 8))
    options = {"folder": str(tmp_path), "side": 8, "group_by": r"patient(\d+)_"}
    grouped = _splits(open_named("class_folders", **options))
    patients = {split: {name.partition("_")[0].partition("t")[2] for name in names} for split, names in grouped.items()}
    assert not (patients["train"] & patients["val"] or patients["val"] & patients["test"])
    assert all({name.partition("/")[0] for name in names} == {"ill", "well"} for names in grouped.values())
    val = open_named("class_folders", **options).val
    assert list(val.groups) == [name.partition("_")[0].partition("t")[2].removeprefix("ient") for name in val.names]


def test_splits_on_disk_that_part_a_group_of_classes_are_told(tmp_path: Path) -> None:
    for number, kind in enumerate(("ill", "well")):
        write_images(tmp_path / "train" / kind, [f"{kind}{i}_1.png" for i in range(4)], (8, 8), seed=number)
        write_images(tmp_path / "val" / kind, [f"{kind}{i}_2.png" for i in range(3, 6)], (8, 8), seed=2 + number)
    data = open_named("class_folders", folder=str(tmp_path), side=8, group_by="(.*)_")
    assert [note for note in data.notes if "ill3 (train, val)" in note and note.startswith("2 groups")]
    shutil.rmtree(tmp_path / "val")
    for number, kind in enumerate(("ill", "well")):
        write_images(tmp_path / "test" / kind, [f"{kind}9_1.png"], (8, 8), seed=4 + number)
        write_images(tmp_path / "train" / kind, [f"{kind}{i}_2.png" for i in range(4)], (8, 8), seed=6 + number)
    splits = _splits(open_named("class_folders", folder=str(tmp_path), side=8, group_by="(.*)_", val_from_train=0.3))
    assert not {name[:-5] for name in splits["train"]} & {name[:-5] for name in splits["val"]}
    assert len(splits["val"]) == 4, "a group of two images of each class"


def test_a_split_of_classes_has_every_class_and_small_classes_are_in_train() -> None:
    groups = [f"{label}{number // 5}" for label, count in enumerate((50, 10, 100)) for number in range(count)]
    labels = [int(group[0]) for group in groups]
    names = [str(number) for number in range(len(groups))]
    found = split_by_class(labels, names, groups)
    assert sorted(index for part in found.values() for index in part) == list(range(160))
    for split, expected in (("train", (40, 10, 80)), ("val", (5, 0, 10)), ("test", (5, 0, 10))):
        assert tuple([labels[index] for index in found[split]].count(label) for label in range(3)) == expected
    huge = split_by_class([0] * 52, [str(number) for number in range(52)], ["a"] * 50 + ["b", "c"])
    assert all(huge.values()), "one group in each split, however large one is"


@pytest.mark.parametrize("group_by", ["(", "[a", "a{99999999999999}", ""])
def test_a_pattern_that_does_not_compile_is_refused_with_the_config(group_by: str) -> None:
    for name in ("pairs", "class_folders"):
        with refuses(ConfigError, "data.group_by"):
            parse_config(f"model: {{name: residual}}\ndata: {{name: {name}, group_by: '{group_by}'}}", "toy")


@pytest.mark.parametrize("group_by", ["nowhere", "folder", "(s)"])
def test_a_pattern_that_tells_nothing_apart_is_refused(group_by: str) -> None:
    with refuses(DataError, "set", "data.group_by"):
        read_groups(TILES, group_by, ROOT)


def test_names_that_do_not_match_are_groups_of_their_own_and_torn_groups_are_told() -> None:
    groups = read_groups([*TILES, "a.png", "b.png"], "([0-9]+)_", ROOT)
    assert groups.of(["0001_s001.png", "0001_s002.png"]) == ["0001", "0001"]
    assert len(set(groups.of(["a.png", "b.png"]) or [])) == 2 and "a.png, b.png" in groups.notes[0]
    torn = find_torn({"train": ["0001_s000.png", "0002_s000.png"], "val": ["0001_s001.png", "a.png"]}, groups)
    assert torn == ["0001 (train, val)"]


def _halved(names: Iterable[str]) -> dict[str, list[str]]:
    names = list(names)
    return {"train": names[::2], "val": names[1::2]}


@pytest.mark.parametrize(
    ("names", "group_by"),
    [
        (TILES, "([0-9]+)_"),
        (FOLDERS, "folder"),
        ([f"ill/patient{i // 4:02}_slice{i % 4}.png" for i in range(40)], "(patient[0-9]+)_"),
        ([f"case-{i // 4}-{i % 4}.tif" for i in range(40)], r"(case\-[0-9]+)\-"),
        ([f"{i // 4}_x{i % 4}_y0.png" for i in range(40)], "([0-9]+)_"),
        ([f"{i:04}.png" for i in range(40)], None),
        ([f"{'cat' if i % 3 else 'dog'}_{i}.png" for i in range(40)], None),
        ([f"{'cats' if i % 3 else 'dogs'}/{i}.png" for i in range(40)], None),
        ([f"img_{i}_x2.png" for i in range(40)], None),
        ([f"{i:032x}.jpg" for i in range(40)], None),
        (["baby_GT.png", "bird_GT.png", "1_1.png", "1_2.png"], None),
    ],
)
def test_names_suggest_groups(names: list[str], group_by: str | None) -> None:
    found = suspect_groups(_halved(names))
    assert (found and found.group_by) == group_by
    if group_by:
        groups = read_groups(names, group_by, ROOT)
        assert find_torn(_halved(names), groups) and len(set(groups.of(names) or [])) in (10, 20)
        whole = {"train": names[: len(names) // 2], "val": names[len(names) // 2 :]}
        assert suspect_groups(whole) is None, "nothing is torn"


def test_a_training_says_once_that_a_split_by_name_parts_what_looks_like_one_thing(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", TILES, (8, 8))
    options: dict[str, Any] = {"folder": str(tmp_path / "photos"), "degrade": {"scale": 2}}
    assert len([note for note in open_named("pairs", **options).notes if "data.group_by: ([0-9]+)_" in note]) == 1
    assert not any("group_by" in note for note in open_named("pairs", **options, for_scoring=True).notes)
