"""Figures and tables from hand-written run folders: what is drawn is what lies there, in equal bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srae.compare import COLUMNS, csv_table, differing_keys, group_runs, markdown_table, row_of, text_table
from srae.report.figures import draw_overlay, draw_run, draw_strip
from srae.runs import COLUMNS as ROW
from srae.runs import read_run


def write_run(folder: Path, *, fingerprint: str = "0", rows: int = 3, summary: bool = True, width: int = 8) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"model: {{name: residual, width: {width}}}\n")
    lines = [",".join(ROW)]
    for epoch in range(1, rows + 1):
        values = {"epoch": epoch, "step": epoch, "train_mse": 0.1 / epoch, "val_mse": 0.2 / epoch, "identity_mse": 0.05}
        lines.append(",".join(str(values.get(column, "")) for column in ROW))
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    if summary:
        document = {
            "version": 1, "run": folder.name, "status": "done", "data": {"name": "toy", "fingerprint": fingerprint},
            "protocol": {"channels": "RGB", "rounded": True, "border": 0, "baseline": "returning the input"},
            "parameters": 1234, "epochs": rows, "train": {"mse": 0.03}, "val": {"mse": 0.06, "psnr": 12.2, "ssim": 0.5},
            "test": None, "identity": {"mse": 0.05, "psnr": 13.0}, "seconds": 6.0, "images_per_second": 10.0,
            "rss_peak_mb": 100.0, "vram_peak_mb": None,
        }  # fmt: skip
        (folder / "summary.json").write_text(json.dumps(document))
    return folder


def write_sample(stem: Path, low: tuple[int, int] = (16, 12)) -> None:
    random = np.random.default_rng(0)
    stem.parent.mkdir(parents=True, exist_ok=True)
    for side, (height, width) in (("low", low), ("output", (16, 12)), ("high", (16, 12))):
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"{stem}_{side}.png")


def test_a_run_is_drawn_twice_in_equal_bytes(tmp_path: Path) -> None:
    drawn = []
    for name in ("a", "b"):
        folder = write_run(tmp_path / name / "run")
        write_sample(folder / "samples" / "car")
        draw_run(folder)
        drawn.append({f: (folder / f).read_bytes() for f in ("curves.png", "curves.svg", "samples/car_strip.png")})
    assert drawn[0] == drawn[1]
    svg = drawn[0]["curves.svg"].decode()
    for words in ("train", "validation", "returning the input (0.05000)"):
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


def test_runs_are_grouped_by_data_and_protocol(tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / name, fingerprint=fingerprint, width=width))
        for name, fingerprint, width in (("a", "1", 8), ("b", "2", 8), ("c", "1", 16))
    ]
    groups = group_runs(runs)
    assert [[run.name for run in group.runs] for group in groups] == [["a", "c"], ["b"]]
    assert differing_keys(runs) == {"model.width": [8, 8, 16]}
    draw_overlay(runs, tmp_path / "overlay")
    svg = (tmp_path / "overlay.svg").read_text()
    assert svg.count("returning the input") == 1
    assert all(f">{name}<" in svg for name in "abc")


def test_tables_hold_what_the_runs_hold(tmp_path: Path) -> None:
    rows = [row_of(read_run(write_run(tmp_path / "a")))]
    assert rows[0]["gain_db"] == pytest.approx(-0.8)
    text = text_table(rows)
    assert "1,234" in text and "-0.80" in text
    assert "vram_peak_mb" not in text, "a column without values is left out"
    lines = csv_table(rows).splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    assert "0.06," in lines[1]
    assert markdown_table(rows).count("|\n") == 3
