"""Trainings of a fraction of a second for tests of any package, and whether two runs are the same to the byte."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.config.experiment import Config
from srae.config.loading import parse_config
from srae.runs.writer import RunWriter, claim_run
from srae.training.loop import Say
from srae.training.prepare import prepare
from srae.training.run import train

CPU = torch.device("cpu")
HANG = 60
"""Seconds after which something waits for ever."""
CLOCKS = {"epoch_seconds", "wall_seconds", "images_per_second", "rss_peak_mb", "vram_peak_mb", "vram_reserved_mb"}
CLOCKS_OF_SUMMARY = CLOCKS | {"seconds", "run", "config", "resumes"}
# Everything that draws random numbers: shuffling, crops, flips, turns, dropout; batch-norm's means and an average.
TOY = """
model: {{name: conv_autoencoder, channels: [3, 4], batch_norm: true, dropout: 0.2, plain_output: true}}
data: {{folder: {folder}, crop: 16, crops_per_picture: 2, augment: [flip, rotate]}}
train: {{epochs: {epochs}, batch_size: 3, learning_rate: 0.01, schedule: cosine, warmup_epochs: 0.5,
  weight_average: 0.9}}
seed: 3
"""


def toy_text(folder: Path, *, epochs: int = 3) -> str:
    return TOY.format(folder=json.dumps(str(folder)), epochs=epochs)


def toy(folder: Path, *overrides: str, epochs: int = 3) -> Config:
    return parse_config(toy_text(folder, epochs=epochs), "toy", overrides)


def begin(config: Config, runs: Path, name: str = "toy", say: Say = lambda _: None) -> Path:
    """`srae train --config`, without what only draws."""
    session = prepare(config, CPU)
    writer = claim_run(runs, name)
    try:
        train(session, writer, say)
    finally:
        writer.close()
    return writer.path


def resume(config: Config, path: Path, say: Say = lambda _: None, *, allow_changed: bool = False) -> None:
    """`srae train --resume`, without what only draws."""
    writer = RunWriter(path)
    try:
        train(prepare(config, CPU, resume=True), writer, say, resume=True, allow_changed=allow_changed)
    finally:
        writer.close()


def rows_of(path: Path) -> list[dict[str, str]]:
    """metrics.csv as text, but for the clocks."""
    with open(path / "metrics.csv") as file:
        return [{key: value for key, value in row.items() if key not in CLOCKS} for row in csv.DictReader(file)]


def bytes_of(path: Path) -> dict[str, bytes]:
    """Every tensor of a checkpoint."""
    return {name: tensor.numpy().tobytes() for name, tensor in read_checkpoint(path)[0].items()}


def standing(path: Path) -> dict[str, Any]:
    """Where a checkpoint says the training stands, but for the clocks."""
    return {key: value for key, value in read_checkpoint(path)[1]["progress"].items() if key not in CLOCKS}


def assert_whole(path: Path) -> None:
    """No checkpoint that lies in this run is torn."""
    for file in [*(path / "checkpoints").glob("*.safetensors"), *path.glob("*.safetensors")]:
        read_checkpoint(file)


def assert_same_run(found: Path, expected: Path) -> None:
    """Weights, optimizer, average, every figure but the clocks, every image: byte for byte; and nothing torn."""
    assert rows_of(found) == rows_of(expected)
    for name in ("checkpoints/last", "checkpoints/best", "model"):
        ours, theirs = (path / f"{name}.safetensors" for path in (found, expected))
        assert bytes_of(ours) == bytes_of(theirs), name
        assert standing(ours) == standing(theirs), name
    assert (found / "images.csv").read_bytes() == (expected / "images.csv").read_bytes()
    images = [{file.name: file.read_bytes() for file in (path / "samples").iterdir()} for path in (found, expected)]
    assert images[0] == images[1] and images[0]
    summaries = [json.loads((path / "summary.json").read_text()) for path in (found, expected)]
    assert summaries[0].keys() == summaries[1].keys()
    for key in summaries[0].keys() - CLOCKS_OF_SUMMARY:
        assert summaries[0][key] == summaries[1][key], key
    assert {"config.yaml", "environment.json", "DONE"} <= {entry.name for entry in found.iterdir()}
    assert not [entry for entry in found.rglob("*") if ".tmp." in entry.name]


def save_bicubic(path: Path) -> Path:
    """A checkpoint that enlarges by 2."""
    config = toy(path, "model={name: bicubic}").model_dump(mode="json")
    meta = {"config": config, "in_shape": (3, 8, 8), "out_shape": (3, 16, 16)}
    save_checkpoint(path, {}, {**meta, "data": {"name": "toy", "fingerprint": "0"}}, None)
    return path


def until(condition: Callable[[], bool]) -> float:
    """Wait for it; returns when it was seen."""
    deadline = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return time.monotonic()
