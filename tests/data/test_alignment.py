"""`srae data check` compares each low-resolution image with its shrunken counterpart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import srae.data.alignment
from srae.data.alignment import compare
from srae.data.check import check_pairs

COUNT = 6


def _scene(seed: int, side: int = 128) -> np.ndarray:
    """uint8 (side, side): noise of all frequencies, the coarse ones strongest, as photographs have."""
    random = np.random.default_rng(seed)
    image = np.full((side, side), 128.0)
    for size, contrast in ((4, 40), (8, 25), (16, 15), (32, 10), (64, 8)):
        layer = Image.fromarray(random.normal(0, contrast, (size, size)).astype(np.float32))
        image += np.asarray(layer.resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(image, 0, 255).astype(np.uint8)


def _shrunk(image: np.ndarray, scale: int) -> np.ndarray:
    height, width = image.shape
    return np.asarray(Image.fromarray(image).resize((width // scale, height // scale), Image.Resampling.BICUBIC))


def _blurred(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1.5)))


def _noisy(image: np.ndarray, seed: int) -> np.ndarray:
    return np.clip(image + np.random.default_rng(seed).normal(0, 20, image.shape), 0, 255).astype(np.uint8)


def _write(folder: Path, pairs: list[tuple[np.ndarray, np.ndarray]]) -> Path:
    for split in ("train", "val"):
        for number, pair in enumerate(pairs):
            for side, pixels in zip(("low", "high"), pair, strict=True):
                path = folder / split / side / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return folder


def _warnings(folder: Path) -> list[str]:
    """Of train, without those about images that val has too."""
    return [found.what for found in check_pairs(folder).warnings if found.split == "train"]


SCENES = [_scene(seed) for seed in range(COUNT)]
SHRUNK = [_shrunk(scene, 2) for scene in SCENES]
GOOD: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "shrunk": lambda i: (SHRUNK[i], SCENES[i]),
    "blurred": lambda i: (_blurred(SCENES[i]), SCENES[i]),
    "noisy": lambda i: (_noisy(SCENES[i], i), SCENES[i]),
    "darker": lambda i: (SHRUNK[i] // 2, SCENES[i]),
    "flat": lambda i: (np.full((64, 64), 90 + i, np.uint8), np.full((128, 128), 90 + i, np.uint8)),
    "no multiple": lambda i: (_shrunk(SCENES[i][:126, :126], 3), SCENES[i]),
}


@pytest.mark.parametrize("name", GOOD)
def test_honest_pairs_are_not_warned_of(tmp_path: Path, name: str) -> None:
    assert _warnings(_write(tmp_path, [GOOD[name](i) for i in range(COUNT)])) == []


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [(0, 4, "4 right"), (-3, 0, "3 up"), (2, -5, "2 down and 5 left")],
)
def test_a_shift_is_measured(tmp_path: Path, rows: int, columns: int, words: str) -> None:
    pairs = [(np.roll(low, (rows, columns), (0, 1)), high) for low, high in zip(SHRUNK, SCENES, strict=True)]
    (found,) = _warnings(_write(tmp_path, pairs))
    assert f"{COUNT} of {COUNT} pairs" in found and words in found and "0.png" in found
    like = compare(pairs[0][0].astype(np.float32), pairs[0][1].astype(np.float32))
    assert like.shift == (rows, columns) and like.correlation > 0.95


def test_sides_that_are_swapped(tmp_path: Path) -> None:
    (found,) = _warnings(_write(tmp_path, [(scene, _blurred(scene)) for scene in SCENES]))
    assert "swapped" in found


def test_rows_that_are_shuffled_and_other_content(tmp_path: Path) -> None:
    lows = [*SHRUNK[1:4], SHRUNK[0], _shrunk(_scene(50), 2), SHRUNK[5]]
    found = _warnings(_write(tmp_path, list(zip(lows, SCENES, strict=True))))
    assert len(found) == 2
    assert f"4 of {COUNT}" in found[0] and "shuffled" in found[0] and "0.png is 3.png" in found[0]
    assert f"1 of {COUNT}" in found[1] and "something else" in found[1] and "(4.png)" in found[1]


def test_of_many_pairs_some_are_compared_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srae.data.alignment, "COMPARED", 3)
    notes = check_pairs(_write(tmp_path, list(zip(SHRUNK, SCENES, strict=True)))).notes
    assert any(f"3 of {COUNT} train pairs were compared" in note for note in notes)
