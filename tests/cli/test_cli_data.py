"""`srae data`: what it says about a folder, and the folders it makes."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from builders import write_images
from refusals import refuses
from srae.cli import data as verb
from srae.errors import ConfigError, DataError, SraeError
from toys import open_named


def _run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    return verb.run(parser.parse_args([str(argument) for argument in arguments]))


def _photos(folder: Path, count: int = 12, size: tuple[int, int] = (13, 10), mode: str = "RGB") -> Path:
    return write_images(folder, count, size, mode)


def test_a_clean_folder(pair_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = pair_folder(scale=2, val=10)
    for low in folder.glob("*/low_res/*.png"):
        high = Image.open(low.parent.parent / "high_res" / low.name)
        high.resize((16, 16), Image.Resampling.BOX).save(low)
    assert _run("check", folder) == 0
    out = capsys.readouterr().out
    assert "split/side, matched by name, scale 2" in out
    assert "train     4 images; sizes 16x16 -> 32x32; colour RGB" in out
    assert "usable: 0 problems, 0 warnings" in out


def test_all_problems_are_listed_with_remedies(
    pair_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pair_folder(train=30, size=(4, 4))
    for i in range(25):
        (folder / "train" / "low_res" / f"{i}.png").unlink()
    (folder / "val" / "high_res" / "0.png").write_bytes(b"x")
    assert _run("check", folder, "--json") == 3
    found = json.loads(capsys.readouterr().out)
    assert len(found["problems"]) == 26 and found["layout"] == "split/side" and found["splits"]["train"]["pairs"] == 5
    assert all(problem[key] for problem in found["problems"] for key in ("split", "file", "what", "how_to_mend"))
    assert _run("check", folder) == 3
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("problem") for line in lines) == 26 and "NOT usable: 26 problems" in lines[-1]


def test_duplicates_leaks_and_mixed_modes_are_warnings(
    pair_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pair_folder()
    high = folder / "train" / "high_res"
    shutil.copy(high / "0.png", high / "1.png")
    # The same pixels in another file: found by what they show.
    Image.open(high / "2.png").save(folder / "val" / "high_res" / "1.png", compress_level=0)
    Image.open(high / "3.png").convert("L").save(high / "3.png")
    shutil.copy(folder / "val" / "high_res" / "0.png", folder / "val" / "low_res" / "0.png")
    assert _run("check", folder, "--json") == 0
    warnings = {w["file"]: w["what"] for w in json.loads(capsys.readouterr().out)["warnings"]}
    assert warnings["train/high_res/1.png"] == "same image as train/high_res/0.png"
    assert warnings["val/high_res/1.png"] == "leak: also in train, as train/high_res/2.png"
    assert warnings["val/high_res/0.png"] == "low and high are the same image"
    assert "mixed colour modes: 11 RGB, 1 L" in warnings["all"]
    assert all("something else" in warnings.pop(f"{split}/high_res") for split in ("train", "val"))
    assert len(warnings) == 4


def test_images_alone_are_usable_with_a_word_of_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("check", _photos(tmp_path / "photos")) == 0
    out = capsys.readouterr().out
    assert "high-resolution images only" in out and "data.degrade" in out and "class_folders" not in out
    for seed, name in enumerate(("cat", "dog")):
        write_images(tmp_path / "animals" / name, 12, seed=seed)
    assert _run("check", tmp_path / "animals") == 0
    assert "images in 2 folders: if each is a class, use data.name: class_folders" in capsys.readouterr().out


def test_file_names_that_are_no_text_do_not_stop_it(
    pair_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pair_folder()
    for side in ("low_res", "high_res"):
        (folder / "val" / side / "1.png").rename(folder / "val" / side / os.fsdecode(b"\xff.png"))
    assert open_named("pairs", folder=str(folder)).val.names == ["0.png", "\\xff.png"]
    (folder / "val" / "low_res" / os.fsdecode(b"\xff.png")).unlink()
    for flags in ((), ("--json",)):
        assert _run("check", folder, *flags) == 3
        assert "xff.png" in capsys.readouterr().out.encode("utf-8").decode()


@pytest.mark.parametrize("kind", ["missing", "empty", "list"])
def test_what_is_no_data_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / kind
    if kind == "empty":
        folder.mkdir()
    elif kind == "list":
        folder.write_text("one column\n")
    with pytest.raises(DataError) as caught:
        _run("check", folder)
    assert str(folder) in str(caught.value.where)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("enlarge", [None, "bilinear"])
@pytest.mark.parametrize("kernel", ["area", "photo"])
def test_made_pairs_pass_the_check_and_equal_training_with_degradation(
    tmp_path: Path, mode: str, enlarge: str | None, kernel: str, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = _photos(tmp_path / "photos", mode=mode), tmp_path / "out"
    assert _run("make-pairs", photos, out, "--kernel", kernel, *(("--enlarge", enlarge) if enlarge else ())) == 0
    assert _run("check", out) == 0
    sizes = "10x12" if enlarge else "5x6 -> 10x12"
    assert f"sizes {sizes}; colour {mode}" in capsys.readouterr().out
    made = open_named("pairs", folder=str(out), channels=mode)
    same = open_named(
        "pairs", folder=str(photos), channels=mode, degrade={"kernel": kernel, "scale": 2}, enlarge=enlarge
    )
    assert made.train.names == same.train.names and made.val.names == same.val.names
    for one, other in ((made.train, same.train), (made.val, same.val)):
        assert bool((one.input.pixels == other.input.pixels).all())  # type: ignore[union-attr]
        assert bool((one.target.pixels == other.target.pixels).all())  # type: ignore[union-attr]


def test_split_folders_are_kept_and_shares_are_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, count in (("train", 3), ("val", 2)):
        _photos(tmp_path / "split" / split, count)
    assert _run("make-pairs", tmp_path / "split", tmp_path / "a", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == {"train": 3, "val": 2}
    photos = _photos(tmp_path / "photos", 40, (4, 4))
    assert _run("make-pairs", photos, tmp_path / "b", "--split", "0.5,0.5,0", "--json") == 0
    counts = json.loads(capsys.readouterr().out)["pairs"]
    assert set(counts) == {"train", "val"} and sum(counts.values()) == 40 and counts["val"] > 10


def test_nothing_is_overwritten_and_nothing_half_made(tmp_path: Path) -> None:
    photos = _photos(tmp_path / "photos")
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with refuses(ConfigError, out):
        _run("make-pairs", photos, out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    (photos / "3.png").write_bytes(b"x")
    (photos / "4.png").write_bytes(b"x")
    before = sorted(tmp_path.iterdir())
    with refuses(DataError, "3.png", "4.png"):
        _run("make-pairs", photos, tmp_path / "new")
    assert sorted(tmp_path.iterdir()) == before


def test_an_empty_output_folder_is_welcome(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert _run("make-pairs", _photos(tmp_path / "photos"), tmp_path / "out") == 0
    assert (tmp_path / "out" / "train" / "low_res").is_dir()


@pytest.mark.parametrize("split", ["0.8,0.1", "a,b,c", "1,0,0", "0.9,0.2,-0.1", "0.5,0.1,0.1", "nan,0.1,0.1"])
def test_wrong_shares(tmp_path: Path, split: str) -> None:
    with refuses(ConfigError, "--split"):
        _run("make-pairs", tmp_path, tmp_path / "out", "--split", split)


def test_images_that_cannot_become_pairs(tmp_path: Path) -> None:
    cases: list[tuple[Callable[[Path], object], str]] = [
        (lambda folder: folder.mkdir(), "no images"),
        (lambda folder: _photos(folder, 1), "no images for val"),
        (lambda folder: _photos(folder, 3, (1, 9)), "too small"),
        (lambda folder: [_photos(folder, 3), shutil.copy(folder / "1.png", folder / "1.bmp")], "would get the name"),
        (lambda folder: None, "folder is missing"),
    ]
    for number, (build, expected) in enumerate(cases):
        build(tmp_path / str(number))
        with pytest.raises(SraeError) as caught:
            _run("make-pairs", tmp_path / str(number), tmp_path / "out")
        assert expected in str(caught.value) and not (tmp_path / "out").exists()
