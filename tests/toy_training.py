"""Trainings of a fraction of a second for tests of any package, and whether two runs are the same."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import torch

from srae.checkpoints.format import read_checkpoint
from srae.config.experiment import Config
from srae.config.loading import parse_config
from srae.runs.writer import RunWriter, claim_run
from srae.training.loop import train
from srae.training.prepare import prepare

CPU = torch.device("cpu")
CLOCKS = {"epoch_seconds", "wall_seconds", "images_per_second", "rss_peak_mb", "vram_peak_mb", "vram_reserved_mb"}
# Everything that draws random numbers: shuffling, crops, flips, turns, dropout; and batch-norm's running means.
TOY = """
model: {{name: conv_autoencoder, channels: [4, 6], batch_norm: true, dropout: 0.2, plain_output: true}}
data: {{folder: {folder}, crop: 16, crops_per_picture: 2, augment: [flip, rotate]}}
train: {{epochs: 3, batch_size: 3, learning_rate: 0.01, schedule: cosine, warmup_epochs: 0.5}}
seed: 3
"""


def toy(folder: Path, *overrides: str) -> Config:
    return parse_config(TOY.format(folder=folder), "toy", overrides)


def run_toy(config: Config, runs: Path, name: str = "toy", say: Callable[[str], None] = lambda _: None) -> Path:
    writer = claim_run(runs, name)
    try:
        train(prepare(config, CPU), writer, say)
    finally:
        writer.close()
    return writer.path


def resume_toy(config: Config, path: Path, say: Callable[[str], None] = lambda _: None) -> None:
    writer = RunWriter(path)
    try:
        train(prepare(config, CPU, resume=True), writer, say, resume=True)
    finally:
        writer.close()


def without_clocks(path: Path) -> list[dict[str, str]]:
    with open(path / "metrics.csv") as file:
        return [{k: v for k, v in row.items() if k not in CLOCKS} for row in csv.DictReader(file)]


def assert_same_run(a: Path, b: Path) -> None:
    """Weights, optimizer state and all figures but the clocks, to the bit."""
    assert without_clocks(a) == without_clocks(b)
    for name in ("last", "best"):
        (tensors, meta), (others, other_meta) = (
            read_checkpoint(p / "checkpoints" / f"{name}.safetensors") for p in (a, b)
        )
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensors[key], others[key]) for key in tensors), name
        for key in ("step", "epoch", "batch", "best", "best_epoch", "loss_sum", "samples"):
            assert meta["progress"][key] == other_meta["progress"][key], key
