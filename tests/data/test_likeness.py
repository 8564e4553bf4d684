"""`srae data check` finds tiles that overlap and near-identical images across splits, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srae.data.check import check_pairs
from srae.data.groups import suspect_groups
from srae.data.likeness import Alike, find_near_identical, make_thumb, overlap, warn_alike
from srae.data.matching import Pair
from srae.data.scan import Facts, ScannedPair


def scene(seed: int, side: int = 96) -> np.ndarray:
    """Detail of every size, as in photographs: uint8 (side, side)."""
    random = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(random.random((n, n)).astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
        )
        for n in (3, 6, 12, 24, 48, side)
    ]
    total = sum(layer / (index + 1) for index, layer in enumerate(layers))
    return ((total - total.min()) / np.ptp(total) * 255).astype(np.uint8)


def jpeg(pixels: np.ndarray, quality: int = 60) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def noisy(pixels: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, deviation, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


COPIES = {
    "jpeg": jpeg(scene(0)),
    "noise": noisy(scene(0), 6),
    "smaller": resized(scene(0), 61),
    "darker": (scene(0) * 0.6 + 20).astype(np.uint8),
}
OTHERS = {
    "another": scene(1),
    "mirrored": scene(0)[:, ::-1].copy(),
    "inverted": 255 - scene(0),
    "shifted by a quarter": np.roll(scene(0), 24, 1),
    "flat": np.full((96, 96), 130, np.uint8),
}


def found(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two images are called near-identical."""
    images = {"train": one, "val": other}
    pairs = {split: [ScannedPair(Pair(split, None, Path(split)), None, Facts((96, 96), split))] for split in images}
    thumbs = {Path(split): make_thumb(pixels.astype(np.float32)) for split, pixels in images.items()}
    return bool(find_near_identical(pairs, thumbs)[0])


@pytest.mark.parametrize("name", COPIES)
def test_copies_of_an_image_are_near_identical(name: str) -> None:
    assert found(scene(0), COPIES[name])


@pytest.mark.parametrize("name", OTHERS)
def test_other_images_are_not(name: str) -> None:
    assert not found(scene(0), OTHERS[name])


def test_skies_of_one_gradient_are_not() -> None:
    ramp = np.tile(np.linspace(60, 200, 96), (96, 1))
    assert not found(noisy(ramp, 3), noisy(ramp + 5, 3)[::-1].copy())


@pytest.mark.parametrize(("down", "right"), [(0, 32), (32, 0), (20, 20), (-16, 24)])
def test_tiles_of_one_image_overlap(down: int, right: int) -> None:
    whole = scene(2, 200)
    one, other = whole[40:104, 40:104], whole[40 + down : 104 + down, 40 + right : 104 + right]
    for first, second in ((one, other), (jpeg(one, 95), jpeg(other, 95)), (one, other[:50])):
        assert overlap(first.astype(np.float32), second.astype(np.float32))


def test_tiles_that_share_nothing_do_not() -> None:
    whole = scene(2, 200).astype(np.float32)
    assert not overlap(whole[:64, :64], whole[:64, 70:134])
    assert not any(overlap(scene(i).astype(np.float32), scene(i + 50).astype(np.float32)) for i in range(12))
    flat = np.zeros((64, 64), np.float32)
    assert not overlap(flat, flat) and not overlap(flat, whole[:64, :64])


def write(folder: Path, images: dict[str, np.ndarray]) -> Path:
    for name, pixels in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
    return folder


def leaks(folder: Path, group_by: str | None = None) -> list[tuple[str, str, str]]:
    warnings = check_pairs(folder, group_by=group_by).warnings
    return [(w.split, w.what, w.how_to_mend) for w in warnings if w.what.startswith("leak")]


def test_few_val_images_are_a_warning(tmp_path: Path) -> None:
    for count, told in ((9, ["val"]), (10, [])):
        images = {
            f"{split}/{i}.png": scene(100 * (split == "val") + i) for split in ("train", "val") for i in range(count)
        }
        assert [w.split for w in check_pairs(write(tmp_path / str(count), images)).warnings] == told


def test_check_tells_tiles_and_the_key_that_keeps_them_together(tmp_path: Path) -> None:
    tiles = {
        f"{image:04}_s{tile:03}.png": scene(image, 128)[:64, 8 * tile : 8 * tile + 64]
        for image in range(6) for tile in range(8)
    }  # fmt: skip
    ((_, what, remedy),) = leaks(write(tmp_path, tiles))
    assert "5 of 5 groups" in what and "data.group_by: ([0-9]+)_" in remedy
    assert leaks(tmp_path, "([0-9]+)_") == []


def test_check_tells_near_identical_slices_and_copies(tmp_path: Path) -> None:
    slices = {f"case{i // 5}_slice{i % 5}.png": noisy(scene(i // 5), i % 5) for i in range(50)}
    told = leaks(write(tmp_path / "slices", slices))
    assert told and all("data.group_by: (case[0-9]+)_" in remedy for _, _, remedy in told)
    copies = {f"train/{i}.png": scene(i) for i in range(12)} | {f"val/{i}.png": scene(20 + i) for i in range(12)}
    assert leaks(write(tmp_path / "copies", copies)) == []
    write(tmp_path / "copies", {"val/copy.png": jpeg(scene(3))})
    ((split, what, remedy),) = leaks(tmp_path / "copies")
    assert split == "val" and "1 of 13" in what and "val/copy.png and train/3.png" in what and "remove" in remedy


@pytest.mark.parametrize(("other", "remedy"), [("0001_1.png", "data.group_by: ([0-9]+)_"), ("0002_1.png", "remove")])
def test_groups_are_the_remedy_where_they_keep_the_images_together(other: str, remedy: str) -> None:
    names = {"train": ["0001_1.png", "0002_1.png"], "val": ["0001_2.png", "0002_2.png"]}
    paths = {(split, name): Path(split) / name for split, several in names.items() for name in several}
    alike = [Alike("val", paths["val", "0001_2.png"], "train", paths["train", other])]
    (warning,) = warn_alike(alike, suspect_groups(names), paths, Path())
    assert "1 of 2" in warning.what and remedy in warning.how_to_mend
