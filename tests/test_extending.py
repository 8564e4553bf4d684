"""What CONTRIBUTING promises to be cheap: a metric, a loss, a schedule and a network, a row and a function each.

Added in a process of their own, they are found in metrics.csv, images.csv, the summary, `compare`, `report`, `eval`
and the schema.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import write_images, write_pairs
from one_process import run_python

ADDED = '''
import sys
from srae.config import measures, schedules

measures.METRICS["mae"] = measures.Metric(measures.IMAGES, ("MAE", "EAM"), "{:.5f}")
measures.LOSSES["tenth"] = measures.Loss(measures.IMAGES)
schedules.SCHEDULES["linear"] = lambda config, done, total, epoch: 1 - done / total

from typing import Annotated
from pydantic import Field
from torch import nn
from srae import models
from srae.evaluation import losses, metrics

def tenth(output, target, *, factor: Annotated[float, Field(gt=0)] = 0.1):
    return factor * (output - target).abs().mean()

class Blur(nn.Module):
    """A 3x3 convolution.

    Args:
        bias: with a bias.
    """
    scale, multiple_of, receptive_radius, fixed_size = 1, 1, 1, None

    def __init__(self, *, in_shape, out_shape, bias: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(in_shape[0], out_shape[0], 3, padding=1, bias=bias)

    def forward(self, input):
        return self.conv(input)

metrics.mae = lambda output, target: (output - target).abs().flatten(1).mean(1)
losses.tenth, models.MODELS["blur"] = tenth, Blur

from srae.cli import main
for command in COMMANDS:
    assert (code := main(command)) == 0, (command, code)
'''
CONFIG = """
model: {name: blur, bias: false}
data: {folder: pairs}
train: {epochs: 2, loss: tenth, loss_options: {factor: 0.25}, schedule: linear, learning_rate: 0.01}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a training of all that was added has run, and what reads it."""
    folder = tmp_path_factory.mktemp("added")
    write_pairs(folder / "pairs", train=3, val=3)
    for number, side in enumerate(("low_res", "high_res")):
        write_images(folder / "pairs" / "test" / side, 3, (20, 20), seed=8 + number)
    (folder / "mine.yaml").write_text(CONFIG)
    commands = [
        ["train", "--config", "mine.yaml", "--device", "cpu"],
        ["compare", "runs/mine", "-o", "compared"],
        ["report", "runs/mine", "--lang", "es", "-o", "report"],
        ["eval", "--model", "runs/mine", "--data", "pairs", "--device", "cpu", "-o", "scored.csv"],
        ["schema", "--write", "schema.json"],
    ]
    done = run_python(ADDED.replace("COMMANDS", repr(commands)), cwd=folder)
    (folder / "told.txt").write_text(done.stdout)
    return folder


def rows_of(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_an_added_metric_is_in_every_file_and_table(folder: Path) -> None:
    run = folder / "runs" / "mine"
    assert all(float(row["val_mae"]) > 0 for row in rows_of(run / "metrics.csv"))
    assert all(float(row["mae"]) > 0 for row in rows_of(run / "images.csv"))
    summary = json.loads((run / "summary.json").read_text())
    assert summary["val"]["mae"] > 0 and summary["test"]["mae"] > 0
    compared = rows_of(folder / "compared" / "table.csv")
    assert compared[0]["val_mae"] and compared[0]["test_mae"]
    assert "EAM val" in (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "mae 0." in (folder / "told.txt").read_text()
    assert any("mae" in row for row in rows_of(folder / "scored.csv"))


def test_an_added_loss_takes_its_options_from_the_yaml_and_is_called_by_its_name(folder: Path) -> None:
    for row in rows_of(folder / "runs" / "mine" / "metrics.csv"):
        # The mean of a quarter of |d| is no squared error: each stands in its own column.
        assert 0 < float(row["train_loss"]) != float(row["train_mse"]) > 0


def test_an_added_schedule_sets_the_rate(folder: Path) -> None:
    rates = [float(row["learning_rate"]) for row in rows_of(folder / "runs" / "mine" / "metrics.csv")]
    assert rates == pytest.approx([0.01, 0.005])  # a step an epoch: from 0.01 towards 0 after the second


def test_an_added_network_and_all_names_are_in_the_schema(folder: Path) -> None:
    text = (folder / "schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)["$defs"]
    assert "blur" in schema["ModelConfig"]["properties"]["name"]["enum"]
    assert "tenth" in schema["TrainConfig"]["properties"]["loss"]["enum"]
    assert "linear" in schema["TrainConfig"]["properties"]["schedule"]["enum"]
    assert '"with a bias."' in text


def test_a_loss_of_another_task_and_a_wrong_option_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from srae.cli import main

    monkeypatch.chdir(folder)
    sets: Callable[..., list[str]] = lambda *keys: [f"--set={key}" for key in keys]  # noqa: E731
    command = ["train", "--config", "identity", "--data", "pairs", "--device", "cpu", "--dry-run"]
    for wrong, key in (
        (sets("train.loss=cross_entropy"), "train.loss"),
        (sets("train.loss=charbonnier", "train.loss_options={epsilon: -1}"), "train.loss_options"),
        (sets("train.loss=l1", "train.loss_options={epsilon: 1}"), "train.loss_options"),
    ):
        assert main([*command, *wrong]) == 2
        assert key in capsys.readouterr().err
