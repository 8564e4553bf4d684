"""The main job through the real commands: a YAML in, a run folder and an enlarged image out."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Run = Callable[..., subprocess.CompletedProcess[str]]
RESIDUAL = """
model: {{name: residual, width: 4, blocks: 1}}
data: {{folder: {folder}, enlarge: bilinear}}
train: {{epochs: 2, batch_size: 2}}
"""


@pytest.fixture
def trained(srae: Run, pair_folder: Callable[..., Path], tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(RESIDUAL.format(folder=pair_folder(size=(24, 32))))
    done = srae("train", "--config", "small.yaml", "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["run"] == "runs/small"
    assert summary["status"] == "done"
    assert "returning the input" in done.stderr
    assert "srae-upscale img.png --scale 2 --model runs/small" in done.stderr
    return tmp_path


def test_from_training_to_comparison(srae: Run, trained: Path) -> None:
    run = trained / "runs" / "small"
    promised = {"config.yaml", "environment.json", "metrics.csv", "images.csv", "summary.json", "checkpoints",
                "model.safetensors", "samples", "curves.png", "curves.svg", "log.txt", "DONE"}  # fmt: skip
    assert promised <= {p.name for p in run.iterdir()}
    assert len(list((run / "samples").glob("*_strip.png"))) == 2

    environment = json.loads((run / "environment.json").read_text())
    assert environment["threads"] == 1
    assert environment["command"].endswith("train --config small.yaml --device cpu --json")

    again = srae("train", "--config", "small.yaml", "--device", "cpu", "--set", "model.width=5")
    assert again.returncode == 0
    assert (trained / "runs" / "small-2").is_dir()
    baseline = srae("train", "--config", "identity", "--data", "pairs", "--device", "cpu")
    assert baseline.returncode == 0, baseline.stderr

    Image.effect_noise((21, 13), 80).convert("RGB").save(trained / "photo.png")
    up = srae("upscale", "photo.png", "--scale", "2")
    assert up.returncode == 0, up.stderr
    assert "model x2, on " in up.stderr  # the one that ships
    assert up.stdout.strip() == "photo_x2.png"
    with Image.open(trained / "photo_x2.png") as image:
        assert (image.size, image.mode) == ((42, 26), "RGB")
    refused = srae("upscale", "photo.png", "--scale", "2")
    assert refused.returncode == 4

    scored = srae("eval", "--model", "small", "--data", "pairs", "--json")
    assert scored.returncode == 0, scored.stderr
    document = json.loads(scored.stdout)
    summary = json.loads((run / "summary.json").read_text())
    assert document["val"]["psnr"] == pytest.approx(summary["val"]["psnr"])
    assert document["protocol"]["channels"] == "RGB"
    assert document["identity"]["psnr"] == pytest.approx(summary["identity"]["psnr"])
    with open(trained / document["images"]) as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["0.png", "1.png"]

    missing = srae("compare", "small", "identity", "--on", "pairs-val-y", "--json")
    assert missing.returncode == 2
    assert "there are: pairs-val-rgb" in missing.stderr
    both = srae("eval", "--model", "small", "identity", "--data", "pairs", "--protocol", "y")
    assert both.returncode == 0, both.stderr
    assert [line for line in both.stdout.splitlines() if "run " in line] == [
        f"run       runs/{n}" for n in ("small", "identity")
    ]
    (trained / "runs" / "small-2" / "summary.json").rename(trained / "kept.json")  # as if it had been killed
    folder = srae("eval", "--model", "runs", "--data", "pairs", "--json")  # as a study's
    (trained / "kept.json").rename(trained / "runs" / "small-2" / "summary.json")
    assert [Path(scored["model"]).parent.name for scored in json.loads(folder.stdout)] == ["identity", "small"]
    assert "left out, not done: small-2" in folder.stderr
    elsewhere = srae("compare", "small", "small-2", "identity", "--on", "pairs-val-y", "--json")
    assert "left out, without metrics called 'pairs-val-y' of their last weights: small-2" in elsewhere.stderr
    (group,) = json.loads(elsewhere.stdout)
    assert group["protocol"].startswith("Y, rounded to 8 bits, border 1")
    assert group["rows"][1]["val_psnr"] == pytest.approx(group["identity"]["psnr"])
    assert group["rows"][1]["test_psnr"] is group["rows"][1]["train_mse"] is None
    assert len(group["against_best"]) == 1
    drawn = srae("report", "small", "identity", "--on", "pairs-val-y", "-o", "on-y")
    assert drawn.returncode == 0, drawn.stderr

    compared = srae("compare", "small", "small-2", "identity", "-o", "comparison", "--json")
    assert compared.returncode == 0, compared.stderr
    (group,) = json.loads(compared.stdout)
    assert [row["run"] for row in group["rows"]] == ["small", "small-2", "identity"]
    assert group["rows"][2]["gain_db"] == pytest.approx(0)
    written = {"table.csv", "table.md", "table.tex", "curves.png", "curves.svg"}
    assert {p.name for p in (trained / "comparison").iterdir()} == written
    table = srae("compare", "small", "small-2")
    assert "model.width: 4, 5" in table.stdout
    listed = srae("runs")
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["identity", "small", "small-2"]


def test_runs_on_other_data_stand_in_tables_of_their_own(
    srae: Run, trained: Path, pair_folder: Callable[..., Path]
) -> None:
    pair_folder(name="others", size=(24, 32), seed=5)
    assert (
        srae("train", "--config", "small.yaml", "--data", "others", "--name", "other", "--device", "cpu").returncode
        == 0
    )
    compared = srae("compare", "small", "other")
    assert compared.stdout.count("data: ") == 2
    assert "cannot be compared" in compared.stderr


def test_a_resumed_run_keeps_its_config_and_may_get_more_epochs(srae: Run, trained: Path) -> None:
    refused = srae("train", "--resume", "small", "--set", "train.batch_size=1")
    assert refused.returncode == 2
    assert "keeps its config" in refused.stderr
    longer = srae("train", "--resume", "runs/small", "--set", "train.epochs=3", "--device", "cpu")
    assert longer.returncode == 0, longer.stderr
    with open(trained / "runs" / "small" / "metrics.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]
