"""F23 to F25: pairs that do not belong together are all told before training, by name and by rule."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import write_image, write_pairs
from one_process import Done, assert_told, run_here
from refusals import refuses
from srae.data import Data
from srae.data.matching import Entry, match
from srae.errors import DataError
from toys import open_named

# A start of torch takes seconds, and on a busy machine a minute.
pytestmark = pytest.mark.timeout(300)


def _open(folder: Path, **options: Any) -> Data:
    return open_named("pairs", folder=str(folder), **options)


# ---------------------------------------------------------------- through the command


def _empty(folder: Path, *parts: str) -> None:
    for side in ("low_res", "high_res"):
        shutil.rmtree(folder.joinpath(*parts, side))
        folder.joinpath(*parts, side).mkdir()


def _swap(folder: Path) -> None:
    for split in ("train", "val"):
        (folder / split / "low_res").rename(folder / split / "x")
        (folder / split / "high_res").rename(folder / split / "low_res")
        (folder / split / "x").rename(folder / split / "high_res")


def _unmatch(folder: Path) -> None:
    (folder / "train" / "high_res" / "1.png").unlink()
    (folder / "val" / "low_res" / "0.png").unlink()
    shutil.copy(folder / "train" / "low_res" / "2.png", folder / "train" / "low_res" / "2.bmp")
    (folder / "train" / "high_res" / "3.png").rename(folder / "train" / "high_res" / "4.PNG")


SPOILERS: dict[str, Callable[[Path], object]] = {
    "good": lambda folder: (folder / "train" / "low_res" / "notes.txt").touch(),
    "size": lambda folder: write_image(folder / "train" / "high_res" / "1.png", (16, 19)),
    "swapped": _swap,
    "unmatched": _unmatch,
    "empty": lambda folder: [shutil.rmtree(folder / split) for split in ("train", "val")],
    "no_val": lambda folder: _empty(folder, "val"),
    "leak": lambda folder: shutil.copy(folder / "train/high_res/3.png", folder / "val/high_res/1.png"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What `srae train` says of a folder spoilt in each of these ways."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, spoil in SPOILERS.items():
        write_pairs(folder / name, train=4, size=(8, 8), scale=2)
        spoil(folder / name)
    model = "model: {name: residual, width: 4, blocks: 1, shrink: 1}"
    (folder / "a.yaml").write_text(f"{model}\ntrain: {{epochs: 1, batch_size: 64}}\n")
    command = ["train", "--config", "a.yaml", "--device", "cpu", "--data"]
    done = run_here([[*command, name, "--name", name] for name in SPOILERS], folder)
    assert sorted(os.listdir(folder / "runs")) == ["good", "leak"], "a run that cannot start leaves no folder"
    return dict(zip(SPOILERS, done, strict=True))


def test_f23_wrong_sizes_and_swapped_folders_stop_training(told: dict[str, Done]) -> None:
    assert_told(told["size"], 3, "1.png", "8x8", "19x16")
    assert_told(told["swapped"], 3, "swapped", "4 pairs", "2 pairs")


def test_f24_what_has_no_partner_is_named_with_the_rule(told: dict[str, Done]) -> None:
    assert_told(
        told["unmatched"],
        3,
        "5 ",
        "train/low_res/2.",
        *(f"train: train/{file}: " for file in ("low_res/1.png", "low_res/3.png", "high_res/4.PNG")),
        "val: val/high_res/0.png: ",
        "matched by name",
    )


def test_f25_empty_folders_stop_and_leaks_and_small_sets_are_told(told: dict[str, Done]) -> None:
    assert_told(told["empty"], 3, "empty")
    assert_told(told["no_val"], 3, "no_val: val")
    assert_told(told["leak"], 0, "1 val images are also train images", "4 instead of 64")
    assert_told(told["good"], 0, "1 entries", "4 instead of 64")
    assert "also train images" not in told["good"].err


# ---------------------------------------------------------------------- F23, from inside


def test_f23_sizes_that_do_not_fit(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(train=4, val=2, scale=2)
    write_image(folder / "train" / "high_res" / "1.png", (32, 39))
    write_image(folder / "train" / "high_res" / "2.png", (48, 48))
    write_image(folder / "val" / "high_res" / "0.png", (8, 8))
    named = ("train/high_res/1.png: ", "16x16", "39x32", "train/high_res/2.png: ", "scale 3", "val/high_res/0.png: ")
    with refuses(DataError, "3 ", *named):
        _open(folder)


def test_f23_only_the_first_20_problems_are_shown(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(train=30, size=(4, 4))
    for path in (folder / "train" / "low_res").iterdir():
        path.write_bytes(b"x")
    with refuses(DataError, "30 ", "10 more") as caught:
        _open(folder)
    assert str(caught.value).count("train/low_res/") == 20


# ---------------------------------------------------------------------- F24, from inside


def test_f24_a_side_that_is_missing_in_one_split(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder()
    shutil.rmtree(folder / "val" / "low_res")
    with refuses(DataError, "val"):
        _open(folder)


def test_f24_two_folders_for_one_split(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder()
    shutil.copytree(folder / "val", folder / "valid")
    with refuses(DataError, "valid", "val"):
        _open(folder)


# Stems that stay apart under the rule, and how each rule lets the two sides spell them differently.
STEMS = st.lists(
    st.text("abcdefghij0123456789", min_size=1, max_size=6).filter(lambda stem: stem[-1] not in "2345678"),
    min_size=1,
    max_size=12,
    unique=True,
)
SPELLINGS: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "name": (str, str),
    "name, ignoring case": (str.upper, str),
    "name without scale suffix": (lambda stem: f"{stem}x2", str),
}


def _entries(side: str, stems: list[str], suffix: str) -> list[Entry]:
    return [Entry("", Path(side) / f"{stem}{suffix}") for stem in stems]


@given(STEMS, st.sampled_from(sorted(SPELLINGS)), st.data())
def test_f24_every_image_is_in_one_pair_or_one_problem(stems: list[str], rule: str, data: st.DataObject) -> None:
    low_spelling, high_spelling = SPELLINGS[rule]
    orphans = data.draw(st.sets(st.sampled_from(stems), max_size=max(0, (len(stems) - 1) // 2)))
    of_high = data.draw(st.sets(st.sampled_from(sorted(orphans)))) if orphans else set()
    lows = _entries("low", [low_spelling(stem) for stem in stems if stem not in orphans - of_high], ".png")
    highs = _entries("high", [high_spelling(stem) for stem in stems if stem not in of_high], ".jpg")
    lows, highs = data.draw(st.permutations(lows)), data.draw(st.permutations(highs))
    pairs, problems, found = match("train", lows, highs, None)

    assert {pair.name for pair in pairs} == {f"{high_spelling(stem)}.jpg" for stem in stems if stem not in orphans}
    for pair in pairs:
        assert pair.low is not None
        assert pair.low.stem == low_spelling(pair.high.stem)
    named = {Path(problem.file) for problem in problems}
    paired = {path for pair in pairs for path in (pair.low, pair.high)}
    assert named | paired == {entry.path for entry in (*lows, *highs)}
    assert not named & paired
    assert len(problems) == len(named) == len(orphans)
    assert all(f"(matched by {found})" in problem.what for problem in problems)
    if rule != found:  # all digits: upper case changes nothing
        assert (rule, found) == ("name, ignoring case", "name")
    assert match("train", lows[::-1], highs[::-1], None) == (pairs, problems, found), "the order of the disk is nothing"


@given(STEMS, st.data())
def test_f24_names_that_mean_the_same_twice_are_told_once(stems: list[str], data: st.DataObject) -> None:
    twice = data.draw(st.sampled_from(stems))
    lows = _entries("low", stems, ".png") + _entries("low", [twice], ".bmp")
    pairs, problems, rule = match("val", lows, _entries("high", stems, ".png"), None)
    assert rule == "name"
    assert {pair.high.stem for pair in pairs} == set(stems) - {twice}
    (problem,) = problems
    assert f"{twice}." in problem.file and "same name as" in problem.what and problem.split == "val"


# ---------------------------------------------------------------------- F25, from inside


@pytest.mark.parametrize("empty", ["train", "val"])
def test_f25_an_empty_split(pair_folder: Callable[..., Path], empty: str) -> None:
    folder = pair_folder()
    _empty(folder, empty)
    for share in (0.1, 0.0):
        with refuses(DataError, f"{folder}: {empty}"):
            _open(folder, val_from_train=share)
        shutil.rmtree(folder / empty, ignore_errors=True)
