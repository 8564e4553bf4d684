"""Pairs made from high-resolution images keep every bit, every band, and the colours at the edge of transparency."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from refusals import refuses
from srae.data.make import make_pairs
from srae.errors import DataError
from srae.images.decode import decode
from toys import open_named

RAMP = np.linspace(0, 1, 32 * 32).reshape(32, 32)


def _write(path: Path, pixels: np.ndarray) -> None:
    if path.suffix == ".png":
        Image.fromarray(pixels).save(path)
    else:
        none = (0,) * (pixels.shape[2] - 1) if pixels.ndim == 3 else None
        tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig", extrasamples=none)


def _make(folder: Path, pixels: np.ndarray, suffix: str, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two images become pairs of x2; the low and the high image of the first one."""
    source = folder / "source"
    source.mkdir()
    for split in ("train", "val"):
        (source / split).mkdir()
        _write(source / split / f"a{suffix}", pixels)
    make_pairs(source, folder / "out", scale=2, **options)
    low, high = (next((folder / "out" / "train" / side).iterdir()) for side in ("low_res", "high_res"))
    assert low.name == high.name
    return tuple(decode(path, "a", bands=pixels.ndim == 3).pixels for path in (low, high))  # type: ignore[return-value]


KINDS: dict[str, tuple[np.ndarray, str, float]] = {
    "8 bits": (np.round(RAMP * 255).astype(np.uint8), ".png", 255),
    "10 bits": (np.round(RAMP * 1023).astype(np.uint16), ".png", 1023),
    "12 bits": (np.round(RAMP * 4095).astype(np.uint16), ".tif", 4095),
    "16 bits": (np.round(RAMP * 65_535).astype(np.uint16), ".png", 65_535),
    "floats": (RAMP.astype(np.float32), ".tif", 1),
    "elevation": ((RAMP * 3000 - 500).astype(np.float32), ".tif", 2500),
    "five bands": (np.round(RAMP[..., None] * [900, 800, 700, 1000, 1023]).astype(np.uint16), ".tif", 1023),
    "two bands of floats": ((RAMP[..., None] * [2, 3]).astype(np.float32), ".tif", 3),
}


@pytest.mark.parametrize("enlarge", [None, "bilinear"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_keeps_its_type_and_value(kind: str, enlarge: Any, tmp_path: Path) -> None:
    pixels, suffix, most = KINDS[kind]
    low, high = _make(tmp_path, pixels, suffix, enlarge=enlarge)
    assert high.dtype == low.dtype == pixels.dtype and np.array_equal(high.squeeze(), pixels)
    assert low.max() <= most, "overshoot beyond white would be taken for another depth"
    expected = pixels.reshape(16, 2, 16, 2, -1).astype(np.float64).mean((1, 3))
    small = low[::2, ::2] if enlarge else low
    assert np.abs(small[2:-2, 2:-2] - expected[2:-2, 2:-2]).max() < 0.05 * (pixels.max() - pixels.min())


def test_what_is_made_is_read_in_one_range(tmp_path: Path) -> None:
    _make(tmp_path, KINDS["10 bits"][0], ".png")
    section = open_named("pairs", folder=str(tmp_path / "out")).section
    assert section is not None and section.value_range == (0, 1023)


def test_the_photo_kernel_leaves_8_bits_of_the_low_images_alone(tmp_path: Path) -> None:
    low, high = _make(tmp_path, KINDS["12 bits"][0], ".tif", kernel="photo")
    assert len(np.unique(low)) <= 256 and len(np.unique(high)) == 1024 and low.dtype == high.dtype == np.uint16


@pytest.mark.parametrize("kernel", ["bicubic", "area"])
@pytest.mark.parametrize("grey", [False, True])
def test_colours_do_not_darken_towards_transparency(grey: bool, kernel: Any, tmp_path: Path) -> None:
    """A sprite whose invisible pixels are black: what is seen of it keeps its colour."""
    sprite = np.zeros((32, 32, 4), np.uint8)
    sprite[8:23, 5:20] = (200, 100, 50, 255)
    pixels = np.ascontiguousarray(sprite[:, :, [0, 3]]) if grey else sprite
    low, high = _make(tmp_path, pixels, ".png", kernel=kernel)
    assert np.array_equal(high, pixels)
    seen = low[..., -1] > 0
    assert 0 < low[..., -1][seen].min() < 255, "some pixels are half seen"
    assert np.abs(low[seen][:, :-1].astype(int) - np.array([200, 100, 50])[: pixels.shape[2] - 1]).max() <= 1


def test_bands_that_cannot_be_shrunk_are_refused(tmp_path: Path) -> None:
    with refuses(DataError, 5, "photo"):
        _make(tmp_path, KINDS["five bands"][0], ".tif", kernel="photo")
    Image.fromarray(KINDS["8 bits"][0]).save(tmp_path / "source" / "train" / "b.png")
    with refuses(DataError, 5):
        make_pairs(tmp_path / "source", tmp_path / "mixed", scale=2)
    assert not (tmp_path / "mixed").exists()
