"""F23 to F25: pairs that do not belong together are all told before training, by name and by rule."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_process import Done, assert_told, run_all
from PIL import Image

from srae.data import Data
from srae.data.matching import Entry, match
from srae.errors import DataError
from toys import open_named

# A start of torch takes seconds, and on a busy machine a minute.
pytestmark = pytest.mark.timeout(300)


def _image(path: Path, size: tuple[int, int] = (8, 8)) -> Path:
    random = np.random.default_rng(zlib.crc32(path.as_posix().encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return path


def _open(folder: Path, **options: Any) -> Data:
    return open_named("pairs", folder=str(folder), **options)


def _refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        _open(folder, **options)
    assert caught.value.exit_code == 3 and caught.value.where and caught.value.remedy
    return str(caught.value)


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
    "size": lambda folder: _image(folder / "train" / "high_res" / "1.png", (16, 17)),
    "swapped": _swap,
    "unmatched": _unmatch,
    "empty": lambda folder: [shutil.rmtree(folder / split) for split in ("train", "val")],
    "no_val": lambda folder: _empty(folder, "val"),
    "leak": lambda folder: shutil.copy(folder / "train/high_res/3.png", folder / "val/high_res/1.png"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What `srae train` says of a folder spoilt in each of these ways, in one process."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, spoil in SPOILERS.items():
        for split, count in (("train", 4), ("val", 2)):
            for i in range(count):
                _image(folder / name / split / "low_res" / f"{i}.png")
                _image(folder / name / split / "high_res" / f"{i}.png", (16, 16))
        spoil(folder / name)
    model = "model: {name: residual, width: 4, blocks: 1, shrink: 1}"
    (folder / "a.yaml").write_text(f"{model}\ntrain: {{epochs: 1, batch_size: 64}}\n")
    command = ["train", "--config", "a.yaml", "--device", "cpu", "--data"]
    done = run_all([[*command, name, "--name", name] for name in SPOILERS], folder)
    assert sorted(os.listdir(folder / "runs")) == ["good", "leak"], "a run that cannot start leaves no folder"
    return dict(zip(SPOILERS, done, strict=True))


def test_f23_wrong_sizes_and_swapped_folders_stop_training(told: dict[str, Done]) -> None:
    assert_told(told["size"], 3, "1.png", "sizes do not differ by an integer scale: low 8x8, high 17x16")
    assert_told(told["swapped"], 3, "2 problems", "in all 4 pairs: the two folders", "in all 2 pairs: the two folders")


def test_f24_what_has_no_partner_is_named_with_the_rule(told: dict[str, Done]) -> None:
    assert_told(
        told["unmatched"],
        3,
        "5 problems",
        "train: train/low_res/1.png: no high-resolution counterpart (matched by name)",
        "train: train/low_res/3.png: no high-resolution counterpart (matched by name)",
        "train: train/high_res/4.PNG: no low-resolution counterpart (matched by name)",
        "same name as 2.",
        "val: val/high_res/0.png: no low-resolution counterpart (matched by name)",
    )


def test_f25_empty_folders_stop_and_leaks_and_small_sets_are_told(told: dict[str, Done]) -> None:
    assert_told(told["empty"], 3, "no images", "empty")
    assert_told(told["no_val"], 3, "no images", "no_val: val", "srae then splits by file name")
    assert_told(told["leak"], 0, "1 val images are also train images, so val metrics are too good")
    assert_told(told["good"], 0, "1 entries passed over, they are no images")
    for name in ("good", "leak"):
        assert "batch     4 instead of 64: an epoch has no more samples" in told[name].err


# ---------------------------------------------------------------------- F23, from inside


def test_f23_sizes_that_do_not_fit(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(train=4, val=2, scale=2)
    _image(folder / "train" / "high_res" / "1.png", (32, 33))
    _image(folder / "train" / "high_res" / "2.png", (48, 48))
    _image(folder / "val" / "high_res" / "0.png", (8, 8))
    message = _refusal(folder)
    assert "3 problems" in message
    assert "train/high_res/1.png: sizes do not differ by an integer scale: low 16x16, high 33x32" in message
    assert "train/high_res/2.png: scale 3" in message and "val/high_res/0.png: low is larger" in message


def test_f23_only_the_first_20_problems_are_shown(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(train=30, size=(4, 4))
    for path in (folder / "train" / "low_res").iterdir():
        path.write_bytes(b"x")
    message = _refusal(folder)
    assert message.startswith("30 problems") and message.count("train/low_res/") == 20 and "and 10 more" in message


# ---------------------------------------------------------------------- F24, from inside


def test_f24_a_side_that_is_missing_in_one_split(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder()
    shutil.rmtree(folder / "val" / "low_res")
    assert "no folder of low-resolution images beside it" in _refusal(folder)


def test_f24_two_folders_for_one_split(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder()
    shutil.copytree(folder / "val", folder / "valid")
    assert "means the same as val" in _refusal(folder)


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
    assert f"no images\n{folder}: {empty}" in _refusal(folder)
    shutil.rmtree(folder / empty)
    assert f"no images\n{folder}: {empty}" in _refusal(folder)


def test_f25_a_train_image_in_val_is_told(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder()
    assert _open(folder).notes == []
    shutil.copy(folder / "train" / "high_res" / "3.png", folder / "val" / "high_res" / "1.png")
    assert "1 val images are also train images" in _open(folder).notes[0]
