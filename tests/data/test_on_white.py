"""Data sets whose images live in alpha: logos, icons, sprites.  Without alpha they would be equal black squares."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from srae.cli import main
from srae.data import mapped
from srae.data.check import check_pairs
from srae.data.contract import take_fingerprint
from srae.images.flatten import is_transparent, lay_on_white, may_be_transparent
from srae.images.image import read_pixels
from toys import open_named

X2 = {"kernel": "bicubic", "scale": 2}
OPTIONS = {"degrade": X2, "for_scoring": True, "undivided": True}


def icon(seed: int, side: int = 32) -> np.ndarray:
    """uint8 (H, W, 4): black, with a shape in alpha alone."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    alpha = np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))
    return np.dstack((np.zeros((side, side, 3), np.uint8), alpha))


def icons(folder: Path, count: int = 6, *, opaque: bool = False) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        pixels = icon(i)
        if opaque:
            pixels = np.dstack((pixels[:, :, [3, 3, 3]], np.full_like(pixels[:, :, 3], 255)))
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def plain_fingerprint(folder: Path) -> str:
    """As it was before transparent images were laid on white: of the bytes of the files alone."""
    files = sorted(folder.iterdir())
    rows = [("val", file.name, f"/{hashlib.sha256(file.read_bytes()).hexdigest()}") for file in files]
    return take_fingerprint(rows, "bicubic x2")


# ------------------------------------------------------------------------- pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [2, 4])
def test_white_shows_as_much_as_alpha_lets_through(dtype: Any, channels: int) -> None:
    white, random = int(np.iinfo(dtype).max), np.random.default_rng(0)
    pixels = random.integers(0, white + 1, (40, 30, channels)).astype(dtype)
    pixels[0, :, -1], pixels[1, :, -1] = 0, white
    alpha = pixels[:, :, -1:] / white
    exact = pixels[:, :, :-1] * alpha + white * (1 - alpha)
    laid = lay_on_white(pixels)
    assert laid.dtype == dtype and np.abs(laid - exact).max() <= 0.5 + 1e-9
    assert (laid[0] == white).all() and np.array_equal(laid[1], pixels[1, :, :-1])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("channels", ["L", "RGB", "RGBA"])
def test_opaque_alpha_changes_no_byte(tmp_path: Path, mode: str, channels: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert("RGB" if mode == "RGBA" else "L")
    image.save(tmp_path / "plain.png")
    image.convert(mode).save(tmp_path / "opaque.png")
    plain, opaque = (read_pixels(tmp_path / f"{name}.png", channels) for name in ("plain", "opaque"))
    assert np.array_equal(plain, opaque)


def test_every_kind_of_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = icon(0)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    Image.fromarray(rgba[:, :, [0, 3]]).save(tmp_path / "la.png")
    Image.fromarray(rgba).save(tmp_path / "rgba.webp", lossless=True, exact=True)
    Image.fromarray(rgba).save(tmp_path / "rgba.tif")
    for file in sorted(tmp_path.iterdir()):
        assert may_be_transparent(file)
        for channels in ("RGB", "L"):
            found = read_pixels(file, channels)
            assert np.array_equal(found, np.repeat(255 - rgba[:, :, 3:], len(channels) if channels == "RGB" else 1, 2))
        assert np.array_equal(read_pixels(file, "RGBA"), rgba)
    keyed = Image.fromarray(np.array([[0, 1], [2, 3]], np.uint8), "P")
    keyed.putpalette([10, 20, 30] * 4)
    keyed.save(tmp_path / "key.png", transparency=2)
    assert may_be_transparent(tmp_path / "key.png")
    assert read_pixels(tmp_path / "key.png", "RGB")[1].tolist() == [[255] * 3, [10, 20, 30]]


def test_the_header_alone_clears_opaque_files(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "a.tif"):
        Image.fromarray(icon(0)[:, :, :3]).save(tmp_path / name)
        assert not may_be_transparent(tmp_path / name)
    assert not is_transparent(np.full((2, 2, 4), 255, np.uint8))


# ---------------------------------------------------------------------- data sets


def test_check_compares_with_alpha_and_says_what_training_does(tmp_path: Path) -> None:
    folder = icons(tmp_path / "icons")
    found = check_pairs(folder)
    assert [warning.split for warning in found.warnings] == ["val"] and not found.problems, "it has one val image"
    assert [note for note in found.notes if note.startswith("6 transparent images are laid on white")]
    with Image.open(folder / "0.png") as image:
        image.save(folder / "again.webp", lossless=True, exact=True)
    hidden = icon(1)
    hidden[hidden[:, :, 3] == 0, 0] = 200  # never seen
    Image.fromarray(hidden).save(folder / "hidden.png")
    assert len(check_pairs(folder).warnings) == 3


def test_fingerprints_change_for_transparent_images_alone(tmp_path: Path) -> None:
    opaque, transparent = icons(tmp_path / "opaque", opaque=True), icons(tmp_path / "transparent")
    for folder in (opaque, transparent):
        for channels in ("RGB", "RGBA"):
            data = open_named("pairs", folder=str(folder), channels=channels, **OPTIONS)
            assert (data.fingerprint == plain_fingerprint(folder)) == (folder == opaque)
            on_white = folder == transparent and channels == "RGB"
            assert data.notes == ["6 transparent images are laid on white"] * on_white


@pytest.mark.parametrize(("opaque", "channels"), [(False, "RGB"), (True, "RGB"), (False, "RGBA")])
def test_the_mapped_file_has_the_same_pixels_and_fingerprint(
    opaque: bool, channels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = icons(tmp_path / "icons", opaque=opaque)
    memory = open_named("pairs", folder=str(folder), channels=channels, **OPTIONS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(mapped, "SHARE", 0)
    keys: list[str] = []
    make_key = mapped.make_key
    monkeypatch.setattr("srae.data.intake.make_key", lambda parts: keys.append("".join(parts)) or make_key(parts))
    for _ in range(2):
        again = open_named("pairs", folder=str(folder), channels=channels, **OPTIONS)
        assert again.fingerprint == memory.fingerprint and again.notes[:-1] == memory.notes
        for i in range(6):
            assert np.array_equal(again.val.target.image(i), memory.val.target.image(i))
    mark = "weighted" if channels == "RGBA" else "on-white"
    assert all((mark in key) != opaque for key in keys)


def test_eval_scores_the_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    icons(Path("icons"))
    config = "model: {name: bicubic}\ndata: {name: demo, limit: 1, degrade: {scale: 2}}\ntrain: {epochs: 1}\n"
    Path("a.yaml").write_text(config)
    assert main(["train", "--config", "a.yaml", "--device", "cpu"]) == 0
    capsys.readouterr()
    assert main(["eval", "--model", "runs/a", "--data", "icons", "--scale", "2", "--device", "cpu", "--json"]) == 0
    output = capsys.readouterr()
    assert 20 < json.loads(output.out)["val"]["psnr"] < 60
    assert output.err.count("6 transparent images are laid on white") == 1
