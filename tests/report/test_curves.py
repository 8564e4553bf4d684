"""Figures of run folders: what is drawn is what lies there, in equal bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builders import random_pixels, write_classifier, write_run
from srae.analysis.rows import row_of, text_table
from srae.report.curves import draw_overlay, draw_run, draw_strip
from srae.runs.reader import read_run


def write_sample(stem: Path, low: tuple[int, int] = (16, 12)) -> None:
    for seed, (side, size) in enumerate((("low", low), ("output", (16, 12)), ("high", (16, 12)))):
        Image.fromarray(random_pixels(*size, 3, seed=seed)).save(f"{stem}_{side}.png")


def test_a_run_is_drawn_twice_in_equal_bytes(tmp_path: Path) -> None:
    drawn = []
    for name in ("a", "b"):
        folder = write_run(tmp_path / name / "run")
        write_sample(folder / "samples" / "car")
        draw_run(folder)
        drawn.append({f: (folder / f).read_bytes() for f in ("curves.png", "curves.svg", "samples/car_strip.png")})
    assert drawn[0] == drawn[1]
    svg = drawn[0]["curves.svg"].decode()
    for words in ("train", "validation", "returning the input (0.05000)", ">2×10⁻¹<", ">10⁻¹<"):
        assert words in svg


@pytest.mark.parametrize("low", [(16, 12), (8, 6)])
def test_a_strip_shows_whole_pixels(tmp_path: Path, low: tuple[int, int]) -> None:
    write_sample(tmp_path / "car", low)
    draw_strip(tmp_path / "car")
    strip = np.asarray(Image.open(tmp_path / "car_strip.png").convert("RGB"))
    zoom = 512 // 16
    assert strip.shape[1] == 3 * 12 * zoom + 2 * 8
    high = np.asarray(Image.open(tmp_path / "car_high.png"))
    shown = strip[: 16 * zoom, -12 * zoom :][zoom // 2 :: zoom, zoom // 2 :: zoom]
    assert np.array_equal(shown, high)


def test_a_run_without_rows_or_summary_is_drawn_and_listed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "young", rows=0, summary=False)
    draw_run(folder)
    assert (folder / "curves.png").stat().st_size > 1000
    row = row_of(read_run(folder))
    assert (row["status"], row["val_psnr"]) == ("killed", None)
    assert "young" in text_table([row])


def test_an_overlay_names_every_run_and_the_baseline_once(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / name)) for name in "abc"]
    draw_overlay(runs, tmp_path / "overlay")
    svg = (tmp_path / "overlay.svg").read_text()
    assert svg.count("returning the input") == 1
    assert all(f">{name}<" in svg for name in "abc")


def test_an_autoencoder_shows_its_image_once(tmp_path: Path) -> None:
    image, output = (random_pixels(28, 28, seed=seed) for seed in (0, 1))
    for side, pixels in (("low", image), ("output", output), ("high", image)):
        Image.fromarray(pixels).save(tmp_path / f"7_{side}.png")
    draw_strip(tmp_path / "7")
    strip = np.asarray(Image.open(tmp_path / "7_strip.png").convert("L"))
    zoom = 512 // 28
    assert strip.shape[1] == 2 * 28 * zoom + 8, "two panels: original and reconstruction"
    shown = strip[: 28 * zoom, : 28 * zoom][zoom // 2 :: zoom, zoom // 2 :: zoom]
    assert np.array_equal(shown, image), "a grey image is drawn whole"


def test_a_classifier_is_drawn_with_its_predictions(tmp_path: Path) -> None:
    answers = [("cat", "cat"), ("dog", "cat"), ("cat", "cat"), ("dog", "dog")]
    folder = write_classifier(tmp_path / "net", answers, samples=4)
    draw_run(folder)
    svg = (folder / "curves.svg").read_text()
    assert "cross-entropy (nats)" in svg and ">accuracy<" in svg and svg.count(">train<") == 2
    assert (folder / "samples" / "predictions.png").stat().st_size > 5000
    old = write_classifier(tmp_path / "old", answers, train_accuracy=False)
    draw_run(old)
    assert (old / "curves.svg").read_text().count(">train<") == 1, "what is not there is not drawn"
    assert not (old / "samples" / "predictions.png").exists()
