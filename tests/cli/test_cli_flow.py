"""The main job through the real commands: a YAML in, a run folder and an enlarged image out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from builders import write_image, write_pairs
from conftest import Run
from one_process import run_here

RESIDUAL = """
model: {name: residual, width: 4, blocks: 1}
data: {folder: pairs, enlarge: bilinear}
train: {epochs: 2, batch_size: 2}
"""
PROMISED = {"config.yaml", "environment.json", "metrics.csv", "images.csv", "summary.json", "checkpoints",
            "model.safetensors", "samples", "curves.png", "curves.svg", "log.txt", "DONE"}  # fmt: skip


def test_from_training_to_comparison(srae: Run, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", size=(24, 32))
    write_image(tmp_path / "photo.png", (13, 21))
    (tmp_path / "small.yaml").write_text(RESIDUAL)
    trained = srae("train", "--config", "small.yaml", "--device", "cpu", "--json")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["run"] == "runs/small"
    assert "srae-upscale img.png --scale 2 --model runs/small" in trained.stderr
    run = tmp_path / "runs" / "small"
    assert {p.name for p in run.iterdir()} >= PROMISED
    assert len(list((run / "samples").glob("*_strip.png"))) == 2
    environment = json.loads((run / "environment.json").read_text())
    assert environment["threads"] == 1
    assert environment["command"].endswith("train --config small.yaml --device cpu --json")

    train = ["train", "--device", "cpu", "--config"]
    again, baseline, up, refused, scored, missing, both = run_here(
        [
            [*train, "small.yaml", "--set", "model.width=5"],
            [*train, "identity", "--data", "pairs"],
            ["upscale", "photo.png", "--scale", "2"],
            ["upscale", "photo.png", "--scale", "2"],
            ["eval", "--model", "small", "--data", "pairs", "--json"],
            ["compare", "small", "identity", "--on", "pairs-val-y", "--json"],
            ["eval", "--model", "small", "identity", "--data", "pairs", "--protocol", "y"],
        ],
        tmp_path,
    )
    assert [done.code for done in (again, baseline, up, refused, scored, missing, both)] == [0, 0, 0, 4, 0, 2, 0]
    assert up.out.strip() == "photo_x2.png" and "x2" in up.err  # the one that ships
    with Image.open(tmp_path / "photo_x2.png") as image:
        assert (image.size, image.mode) == ((42, 26), "RGB")
    document, summary = json.loads(scored.out), json.loads((run / "summary.json").read_text())
    assert document["protocol"]["channels"] == "RGB"
    for score in (document["val"]["psnr"], summary["val"]["psnr"]), (document["identity"], summary["identity"]):
        assert score[0] == pytest.approx(score[1])
    with open(tmp_path / document["images"]) as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["0.png", "1.png"]
    assert "pairs-val-rgb" in missing.err
    assert [line.split()[-1] for line in both.out.splitlines() if "run " in line] == ["runs/small", "runs/identity"]

    killed = tmp_path / "runs" / "small-2" / "summary.json"
    text = killed.read_text()
    killed.unlink()  # as if it had been killed
    (folder,) = run_here([["eval", "--model", "runs", "--data", "pairs", "--json"]], tmp_path)  # as a study's
    killed.write_text(text)
    assert [Path(scored["model"]).parent.name for scored in json.loads(folder.out)] == ["identity", "small"]
    assert "small-2" in folder.err

    elsewhere, drawn, compared, table, listed = run_here(
        [
            ["compare", "small", "small-2", "identity", "--on", "pairs-val-y", "--json"],
            ["report", "small", "identity", "--on", "pairs-val-y", "-o", "on-y"],
            ["compare", "small", "small-2", "identity", "-o", "comparison", "--json"],
            ["compare", "small", "small-2"],
            ["runs"],
        ],
        tmp_path,
    )
    assert [done.code for done in (elsewhere, drawn, compared, table, listed)] == [0] * 5
    assert "small-2" in elsewhere.err
    (group,) = json.loads(elsewhere.out)
    assert group["protocol"].startswith("Y, rounded to 8 bits, border 1")
    assert group["rows"][1]["val_psnr"] == pytest.approx(group["identity"]["psnr"])
    assert group["rows"][1]["test_psnr"] is group["rows"][1]["train_mse"] is None
    assert len(group["against_best"]) == 1
    (group,) = json.loads(compared.out)
    assert [row["run"] for row in group["rows"]] == ["small", "small-2", "identity"]
    assert group["rows"][2]["gain_db"] == pytest.approx(0)
    written = {"table.csv", "table.md", "table.tex", "curves.png", "curves.svg"}
    assert {p.name for p in (tmp_path / "comparison").iterdir()} == written
    assert "model.width: 4 (small); 5 (small-2)" in table.out
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == ["identity", "small", "small-2"]
