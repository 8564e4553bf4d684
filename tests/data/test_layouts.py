"""Folders as public data sets have them are read as they are; what is not understood is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builders import write_image
from refusals import refuses
from srae.config.loading import parse_config
from srae.data import Data, open_data
from srae.data.check import check_pairs
from srae.data.fit import Fit, find_fit
from srae.data.layouts import HIGH_ONLY, find_pairs
from srae.data.naming import scale_in, side_in, side_of_file, split_in
from srae.data.trees import SeveralScales
from srae.errors import DataError
from toys import open_named

Sizes = dict[str, tuple[int, int]]


def _write(folder: Path, files: Sizes) -> Path:
    for name, size in files.items():
        write_image(folder / name, size)
    return folder


def _each(pattern: str, size: tuple[int, int], names: str = "abcd") -> Sizes:
    """A file for each letter, which takes the place of the star."""
    return {pattern.replace("*", name): size for name in names}


def _pairs(low: str, high: str, names: str = "abcd", *, scale: int = 2) -> Sizes:
    return _each(low, (8, 6), names) | _each(high, (8 * scale, 6 * scale), names)


def _open(folder: Path, **options: Any) -> Data:
    return open_named("pairs", folder=str(folder), **options)


DIV2K = _pairs("D_train_LR_bicubic/X2/*x2.png", "D_train_HR/*.png") | _pairs(
    "D_valid_LR_bicubic/X2/*x2.png", "D_valid_HR/*.png", "yz"
)
SET5 = _each("HR/*.png", (24, 24)) | {
    f"LR_bicubic/X{scale}/{name}x{scale}.png": (24 // scale, 24 // scale) for name in "abcd" for scale in (2, 3, 4)
}
LAYOUTS: dict[str, tuple[Sizes, dict[str, list[str]]]] = {
    "DIV2K": (DIV2K, {"train": list("abcd"), "val": list("yz")}),
    "DIV2K in a folder": (
        {f"DIV2K/{name}": size for name, size in DIV2K.items()},
        {"train": list("abcd"), "val": ["y", "z"]},
    ),
    "DIV2K with the low images of a test": (
        DIV2K | _each("D_test_LR_bicubic/X2/*x2.png", (8, 6)),
        {"train": list("abcd"), "val": ["y", "z"]},
    ),
    "Flickr2K": (_pairs("F_LR_bicubic/X2/*x2.png", "F_HR/*.png"), {"": list("abcd")}),
    "names in one word": (
        _pairs("trainLR/*.png", "trainHR/*.png") | _pairs("valLR/*.png", "valHR/*.png", "y"),
        {"train": list("abcd"), "val": ["y"]},
    ),
    "gt and lq": (_pairs("lq/*.png", "gt/*.png"), {"": list("abcd")}),
    "hq and lq by split": (
        _pairs("Training/lq/*.png", "Training/hq/*.png") | _pairs("Testing/lq/*.png", "Testing/hq/*.png", "y"),
        {"train": list("abcd"), "test": ["y"]},
    ),
    "_bicLRx4": (_pairs("LR/*_bicLRx4.png", "HR/*.png", scale=4), {"": list("abcd")}),
    "RealSR": (_pairs("*_LR4.png", "*_HR.png", scale=4), {"": [f"{name}_HR" for name in "abcd"]}),
    "RealSR by split": (
        _pairs("Train/4/*_LR4.png", "Train/4/*_HR.png", scale=4)
        | _pairs("Test/4/*_LR4.png", "Test/4/*_HR.png", "y", scale=4),
        {"train": [f"4/{name}_HR" for name in "abcd"], "test": ["4/y_HR"]},
    ),
    "deep": (_pairs("low/region/day/*.png", "high/region/day/*.png"), {"": [f"region/day/{name}" for name in "abcd"]}),
    "two unknown folders": (_pairs("one/*.png", "two/*.png", scale=3), {"": list("abcd")}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_public_data_sets(tmp_path: Path, name: str) -> None:
    files, expected = LAYOUTS[name]
    found = find_pairs(_write(tmp_path, files))
    assert found.problems == []
    names = {split: [pair.name.removesuffix(".png") for pair in pairs] for split, pairs in found.splits.items()}
    assert names == expected
    assert _open(tmp_path, for_scoring=True).in_shape == (3, 8, 6)
    # With the low-resolution images made from the high ones, existing ones are not taken for originals.
    alone = find_pairs(tmp_path, high_only=True)
    assert {
        split: [pair.name.removesuffix(".png") for pair in pairs] for split, pairs in alone.splits.items()
    } == expected


@pytest.mark.parametrize("files", [SET5, {name.replace("LR_bicubic/X", "LRbicx"): s for name, s in SET5.items()}])
def test_the_scale_chooses_the_folder(tmp_path: Path, files: Sizes) -> None:
    _write(tmp_path, files)
    for scale in (2, 3, 4):
        assert _open(tmp_path, scale=scale, for_scoring=True).in_shape == (3, 24 // scale, 24 // scale)
        assert check_pairs(tmp_path, scale=scale).scale == scale
    with refuses(SeveralScales, "2, 3, 4", "data.scale: 2", "--scale 2"):
        _open(tmp_path)
    with refuses(SeveralScales, "2, 3, 4"):
        check_pairs(tmp_path)
    with refuses(SeveralScales, "not 8"):
        _open(tmp_path, scale=8)


def test_a_scale_that_the_pairs_do_not_have_is_refused(tmp_path: Path) -> None:
    with refuses(DataError, "data.scale is 3", "scale 2"):
        _open(_write(tmp_path, _pairs("lq/*.png", "gt/*.png")), scale=3)


def test_two_folders_of_one_split_are_told_apart_by_the_user(tmp_path: Path) -> None:
    _write(tmp_path, DIV2K | _each("D_train_LR_unknown/X2/*x2.png", (8, 6)))
    with refuses(DataError, "D_train_LR_unknown", "D_train_LR_bicubic", "move"):
        _open(tmp_path)


# ------------------------------------------------------------------ sizes that are no multiples


@pytest.mark.parametrize(
    ("low", "high", "fit"),
    [
        ((33, 42), (101, 127), Fit(3, (33, 42), (99, 126))),  # rounded down
        ((51, 61), (101, 121), Fit(2, (50, 60), (100, 120))),  # rounded up
        ((8, 8), (16, 16), Fit(2, (8, 8), (16, 16))),
        ((8, 8), (8, 8), Fit(1, (8, 8), (8, 8))),
        ((8, 8), (8, 9), None),
        ((8, 8), (16, 18), None),  # a low pixel and more
        ((8, 8), (16, 24), None),
        ((8, 8), (4, 4), None),
        ((0, 0), (4, 4), None),
    ],
)
def test_less_than_one_low_pixel_is_cut_off(low: tuple[int, int], high: tuple[int, int], fit: Fit | None) -> None:
    assert find_fit(low, high) == fit


def test_cut_pairs_keep_their_upper_left_and_are_counted(tmp_path: Path) -> None:
    folder = _write(tmp_path, _each("low/*.png", (6, 8), "abcdef") | _each("high/*.png", (20, 25), "abcdef"))
    data = _open(folder)
    assert data.in_shape == (3, 6, 8) and data.out_shape == (3, 18, 24)
    assert any(note.startswith("6 pairs are cut to 3 times") and "25x20 -> 24x18" in note for note in data.notes)
    assert any(note.startswith("6 pairs are cut") for note in check_pairs(folder).notes)


# ------------------------------------------------------------------ val, images alone, lists


def test_val_comes_from_train_and_never_from_test(tmp_path: Path) -> None:
    train = "abcdefghijklmnopqrst"
    folder = _write(
        tmp_path, _pairs("train/lq/*.png", "train/gt/*.png", train) | _pairs("test/lq/*.png", "test/gt/*.png", "yz")
    )
    data = _open(folder)
    assert (len(data.train), len(data.val)) == (18, 2) and data.test is not None
    assert data.test.names == ["y.png", "z.png"] and not set(data.val.names) & set(data.train.names)
    assert any("2 of 20 train images" in note and "val_from_train" in note for note in data.notes)
    assert len(_open(folder, val_from_train=0.5).val) == 10
    assert _open(folder, for_scoring=True).val.names == data.val.names, "a run is scored on its own val"
    with refuses(DataError, "val", "val_from_train"):
        _open(folder, val_from_train=0.0)


def test_an_autoencoder_needs_images_alone(tmp_path: Path) -> None:
    folder = _write(tmp_path / "x", _each("*.png", (8, 8), "abcdefghij"))
    yaml = f"model: {{name: conv_autoencoder, channels: [4]}}\ndata: {{folder: '{folder}'}}\n"
    data = open_data(parse_config(f"task: reconstruction\n{yaml}", "a").data)
    assert data.in_shape == data.out_shape == (3, 8, 8) and len(data.train) + len(data.val) <= 10
    assert data.train.input.image(0).equal(data.train.target.image(0))  # type: ignore[union-attr]
    with refuses(DataError, "data.degrade", "10 images"):
        open_data(parse_config(yaml, "a").data)


def test_what_tells_nothing_apart_is_not_usable(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        for seed, name in enumerate("abcd"):
            write_image(tmp_path / folder / f"{name}.png", (32, 32), seed=seed)
    with refuses(DataError, "x and y", "data.low", "CSV"):
        check_pairs(tmp_path)
    for seed, name in enumerate("abcd"):  # other content: two classes, not pairs
        write_image(tmp_path / "y" / f"{name}.png", (32, 32), seed=seed + 50)
    assert check_pairs(tmp_path).layout == HIGH_ONLY


def test_deeper_images_are_counted(tmp_path: Path) -> None:
    folder = _write(tmp_path, _pairs("lq/*.png", "gt/*.png") | _each("gt/old/*.png", (9, 9)))
    assert "4 images deeper in gt are left out: others lie above them" in find_pairs(folder).notes


@pytest.mark.parametrize(
    "rows",
    [
        "id,hr_path,lr_path,subset,camera\n{n},h/{n}.png,l/{n}.png,{s},x",
        "split;target;input\n{s};h/{n}.png;l/{n}.png",
        "gt,lq,Validation\nh/{n}.png,l/{n}.png,{s}",
    ],
)
def test_columns_of_a_list_are_found_by_name(tmp_path: Path, rows: str) -> None:
    header, row = rows.split("\n")
    _write(tmp_path, _pairs("l/*.png", "h/*.png"))
    splits = {"a": "Training", "b": "train", "c": "validation", "d": "Test"}
    (tmp_path / "p.csv").write_text("\n".join([header, *(row.format(n=n, s=s) for n, s in splits.items())]))
    found = find_pairs(tmp_path / "p.csv")
    assert found.problems == []
    assert {split: len(pairs) for split, pairs in found.splits.items()} == {"train": 2, "val": 1, "test": 1}
    assert found.splits["test"][0].low == tmp_path / "l/d.png"


def test_a_list_of_unknown_columns_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,a,b,c\n1,2,3,4\n")
    with refuses(DataError, "id, a, b, c", "low,high"):
        find_pairs(tmp_path / "p.csv")


# ------------------------------------------------------------------ classes


@pytest.mark.parametrize(
    "pattern",
    [
        "{split}/{label}/*.png",
        "wrap/{split}/{label}/*.png",
        "seg_{split}/seg_{split}/{label}/*.png",
        "{split}/{label}/deep/*.png",
    ],
)
@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "valid", "test"),
        ("Train", "Val", "Test"),
        ("train", "validation", None),
        ("Training", None, "Testing"),
    ],
)
def test_classes_have_the_same_split_names(
    tmp_path: Path, pattern: str, train: str, val: str | None, test: str | None
) -> None:
    counts = {train: "abcdefgh", val: "mn", test: "xyz"}
    for split, names in counts.items():
        for label in ("cat", "dog") if split else ():
            _write(tmp_path, _each(pattern.format(split=split, label=label), (8, 8), names))
    data = open_named("class_folders", folder=str(tmp_path), side=8)
    assert data.classes == ["cat", "dog"]
    assert (len(data.train), len(data.val)) == ((16, 4) if val else (14, 2))
    assert (len(data.test) if data.test else None) == (6 if test else None)
    assert any("val_from_train" in note for note in data.notes) == (val is None)


def test_a_class_may_be_called_as_a_split(tmp_path: Path) -> None:
    _write(tmp_path, _each("valid/*.png", (8, 8), "abcdef") | _each("invalid/*.png", (8, 8), "abcdef"))
    assert open_named("class_folders", folder=str(tmp_path), side=8).classes == ["invalid", "valid"]


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "split", "side", "scale"),
    [
        ("DIV2K_train_HR", "train", "high", None),
        ("DIV2K_valid_LR_bicubic", "val", "low", None),
        ("valLR", "val", "low", None),
        ("LRbicx4", None, "low", 4),
        ("GTmod12", None, "high", None),
        ("X3", None, None, 3),
        ("image_SRF_2", None, None, 2),
        ("low_to_high", None, None, None),
        ("Set5", None, None, None),
        ("2024-03", None, None, None),
        ("constraints", None, None, None),
    ],
)
def test_what_names_of_folders_say(name: str, split: str | None, side: str | None, scale: int | None) -> None:
    said = [found.what if found else None for found in (split_in(name), side_in(name))]
    assert said == [split, side] and scale_in(name) == scale


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("a_HR.png", "high"),
        ("a_LR4.png", "low"),
        ("a_bicLRx4.png", "low"),
        ("a-lq.jpg", "low"),
        ("fahr.png", None),
        ("hr_a.png", None),
    ],
)
def test_what_names_of_files_say(name: str, side: str | None) -> None:
    assert side_of_file(name) == side
