"""When, and on how much, a training is validated; and a start that is better than every epoch."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import srae.training.loop
import srae.training.session
from builders import write_image, write_pairs
from refusals import refuses
from srae.config.experiment import Config, find_ineffective
from srae.config.loading import parse_section
from srae.data import Split
from srae.data.store import Labels
from srae.data.subset import count_pixels, crop_middle, hardest_batch, spread, take
from srae.errors import ConfigError
from srae.evaluation.evaluate import evaluate_baseline, means
from srae.runs.reader import read_rows
from srae.training.prepare import prepare
from toy_training import CPU, assert_same_run, begin, resume, toy
from toys import open_named


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs", val=3, size=(24, 24))


def summary_of(path: Path) -> dict[str, Any]:
    return json.loads((path / "summary.json").read_text())


def mixed_split(tmp_path: Path) -> Split:
    """Pairs of scale 2 whose high images are 24x40, 24x40, 48x64, 26x30."""
    for split, sizes in {"train": [(24, 40)], "val": [(24, 40), (24, 40), (48, 64), (26, 30)]}.items():
        for index, (height, width) in enumerate(sizes):
            for side, scale in (("low", 2), ("high", 1)):
                file = tmp_path / "mixed" / split / side / f"{index}.png"
                write_image(file, (height // scale, width // scale), seed=index)
    data = open_named("pairs", folder=str(tmp_path / "mixed"), for_scoring=True)
    return data.val


# ------------------------------------------------------------------ how often


@pytest.mark.parametrize(
    ("epochs", "every", "validated"), [(5, 1, [1, 2, 3, 4, 5]), (5, 2, [2, 4, 5]), (5, 4, [4, 5]), (3, 9, [3])]
)
def test_epochs_between_validations_have_no_val_scores_and_the_last_one_has(
    epochs: int, every: int, validated: list[int], folder: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    path = begin(toy(folder, f"train.validate_every={every}", epochs=epochs), tmp_path / "runs", say=lines.append)
    rows = read_rows(path)
    assert [row["epoch"] for row in rows if row["val_mse"] is not None] == validated
    assert all(row["train_loss"] is not None for row in rows) and len(rows) == epochs
    assert summary_of(path)["best_epoch"] in validated
    assert sum("val mse" in line for line in lines if line.startswith("epoch")) == len(validated)


def test_a_resume_between_two_validations_is_exact(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = toy(folder, "train.validate_every=2", epochs=5)
    whole = begin(config, tmp_path / "runs", "whole")

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> float:
        raise Killed

    monkeypatch.setattr(srae.training.loop, "train_line", kill)  # said of epoch 1 and 3
    with pytest.raises(Killed):
        begin(config, tmp_path / "runs", "cut")
    monkeypatch.undo()
    path = tmp_path / "runs" / "cut"
    resume(config, path)
    assert_same_run(path, whole)


@pytest.mark.parametrize(("every", "patience", "epochs"), [(1, 2, 3), (3, 2, 6), (2, 3, 6), (4, 1, 8)])
def test_patience_is_judged_after_validations_alone(
    every: int, patience: int, epochs: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors that rise from the first one on: the first validation is the best."""
    real, worse = srae.training.loop.validate, iter(range(1, 100))
    monkeypatch.setattr(
        srae.training.loop, "validate", lambda *given: {**real(*given), "mse": 0.1 * next(worse), "psnr": 20.0}
    )
    config = toy(folder, f"train.validate_every={every}", f"train.patience={patience}", epochs=20)
    assert summary_of(begin(config, tmp_path / "runs"))["epochs"] == epochs


def test_weights_that_no_validation_has_seen_are_checked_before_they_are_saved(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = Counter[str]()
    real = srae.training.loop.Training._check_weights
    monkeypatch.setattr(srae.training.loop.Training, "_check_weights", lambda self: checked.update("x") or real(self))
    begin(toy(folder, "train.validate_every=3", epochs=4), tmp_path / "runs")
    assert checked["x"] == 2  # epochs 1 and 2


# ------------------------------------------------------------------ on how much


def test_a_part_of_val_is_scored_after_an_epoch_and_all_of_it_at_the_end(folder: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    config = toy(folder, "train.val_limit=1", "train.val_crop=12")
    path = begin(config, tmp_path / "runs", say=lines.append)
    session = prepare(config, CPU)
    assert (len(session.val), session.val.target.size(0), len(session.data.val)) == (1, (12, 12), 3)
    summary, row = summary_of(path), read_rows(path)[0]
    whole = means(evaluate_baseline(session.data, session.data.val, session.task, session.protocol))
    part = means(evaluate_baseline(session.data, session.val, session.task, session.protocol))
    assert summary["identity"]["mse"] == pytest.approx(whole["mse"]) and whole["mse"] != part["mse"]
    assert row["identity_mse"] == pytest.approx(part["mse"])
    assert (path / "images.csv").read_text().count("\nval,") == 3
    assert any(line.startswith("val ") and "1 of 3" in line for line in lines)


def test_images_are_spread_over_the_split_and_keep_their_targets(tmp_path: Path) -> None:
    val = mixed_split(tmp_path)
    assert spread(val, 4) is val and spread(val, 9) is val
    assert spread(val, 2).names == [val.names[0], val.names[2]]
    some = take(val, [3, 0])
    assert [some.target.size(i) for i in range(2)] == [(26, 30), (24, 40)]
    assert torch.equal(some.input.image(0), val.input.image(3))
    labelled = Split(val.input, Labels(torch.arange(4)), val.names)
    assert take(labelled, [2, 1]).target.values.tolist() == [2, 1]
    alone = Split(val.input, val.input, val.names)
    assert take(alone, [1]).target is not None and take(alone, [1]).target is not alone.target
    grouped = replace(val, groups=["a", "a", "b", "c"])
    assert take(grouped, [3, 1]).groups == ["c", "a"] and take(val, [3]).groups == ()
    both = take(alone, [1])
    assert both.target is both.input


@pytest.mark.parametrize("side", [2, 8, 24, 30, 48, 1000])
def test_the_middle_of_both_sides_shows_the_same(side: int, tmp_path: Path) -> None:
    """The input is every second pixel of the target here, so that alignment shows."""
    random = np.random.default_rng(0)
    sizes = [(24, 40), (46, 60), (26, 30)]
    highs = [torch.from_numpy(random.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in sizes]
    for high in (highs, [highs[0]] * 2):
        data = mixed_split(tmp_path)
        split = Split(
            data.input.__class__([h[::2, ::2] for h in high]),
            data.target.__class__(high),
            [str(i) for i in range(len(high))],
        )
        middle = crop_middle(split, side)
        for index in range(len(high)):
            assert torch.equal(middle.target.image(index)[:, ::2, ::2], middle.input.image(index))
            assert middle.target.size(index) == tuple(min(length, side) for length in split.target.size(index))
            top = (split.input.size(index)[0] - middle.input.size(index)[0]) // 2
            assert torch.equal(
                middle.input.image(index)[:, 0, 0],
                split.input.image(index)[:, top, (split.input.size(index)[1] - middle.input.size(index)[1]) // 2],
            )
    with refuses(ConfigError, "train.val_crop"):
        crop_middle(split, 7)


def test_the_largest_image_is_tried_before_the_run_begins(tmp_path: Path) -> None:
    val = mixed_split(tmp_path)
    assert hardest_batch(val, 2**20).names == [val.names[2]]
    assert count_pixels(val) == 2 * 24 * 40 + 48 * 64 + 26 * 30
    even = take(val, [0, 1])
    assert len(hardest_batch(even, 2 * 24 * 40)) == 2 and len(hardest_batch(even, 1)) == 1


def test_a_crop_of_what_has_a_class_is_refused() -> None:
    text = "task: classification\nmodel: {name: conv_classifier}\ndata: {name: mnist}\ntrain: {loss: cross_entropy}"
    parse_section(Config, text, "toy", find_more=find_ineffective)
    with refuses(ConfigError, "train.val_crop"):
        parse_section(Config, text, "toy", ["train.val_crop=8"], find_more=find_ineffective)


# ------------------------------------------------------------------ the start


SPOILED = ("model={name: residual, width: 4, blocks: 1, shrink: 1}", "train.learning_rate=5", "train.schedule=constant")


def test_a_residual_network_ends_no_worse_than_it_starts(folder: Path, tmp_path: Path) -> None:
    config = toy(folder, *SPOILED, "train.warmup_epochs=0", "train.weight_average=null")
    path = begin(config, tmp_path / "runs")
    summary = summary_of(path)
    assert summary["best_epoch"] == 0
    assert summary["val"]["mse"] == pytest.approx(summary["identity"]["mse"])
    assert min(row["val_mse"] for row in read_rows(path)) > 1.5 * summary["identity"]["mse"]
    again = begin(config, tmp_path / "runs", "again")
    resume(config.model_copy(update={"train": config.train.model_copy(update={"epochs": 4})}), again)
    assert summary_of(again)["best_epoch"] == 0


def test_weights_of_another_run_are_a_candidate_too(folder: Path, tmp_path: Path) -> None:
    good = begin(toy(folder, *SPOILED[:1], "train.weight_average=null"), tmp_path / "runs", "good")
    config = toy(folder, *SPOILED, "train.warmup_epochs=0", "train.weight_average=null", f"train.start_from={good}")
    path = begin(config, tmp_path / "runs", "tuned")
    assert summary_of(path)["best_epoch"] == 0
    assert summary_of(path)["val"]["mse"] == pytest.approx(summary_of(good)["val"]["mse"])


@pytest.mark.parametrize(
    ("epochs", "steps", "first"), [(0.0, 0, 1.0), (0.5, 0, 0.5), (0.5, 4, 1 / 4), (0.5, 99, 1 / 5), (3.0, 4, 1 / 12)]
)
def test_a_warm_up_has_at_least_its_steps_up_to_a_quarter_of_all(
    epochs: float, steps: int, first: float, folder: Path, tmp_path: Path
) -> None:
    config = toy(
        folder, "train.schedule=constant", f"train.warmup_epochs={epochs}", f"train.warmup_steps={steps}", epochs=5
    )
    session = prepare(config, CPU)
    assert session.steps_per_epoch == 4
    rate = srae.training.session.learning_rate_at(config.train, 0, 4) / config.train.learning_rate
    assert rate == pytest.approx(first)


# ------------------------------------------------------------------ memory and time


def test_images_in_the_memory_of_a_gpu_are_counted_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = prepare(toy(folder), CPU)
    peaks = {"vram_peak_mb": 100.0, "vram_reserved_mb": 120.0, "rss_peak_mb": 1.0}
    monkeypatch.setattr(srae.training.session, "memory_peaks", lambda device: dict(peaks))
    assert session.data.device_bytes == 0
    stores = [side for split in (session.data.train, session.data.val) for side in (split.input, split.target)]
    there = session.data.to("meta")
    assert there.device_bytes == sum(store.nbytes for store in stores)
    session.data = SimpleNamespace(device_bytes=25 * 2**20)  # type: ignore[assignment]
    assert srae.training.session._memory(session) == {**peaks, "vram_peak_mb": 75.0, "vram_data_mb": 25.0}


def test_the_expected_time_counts_steps_validations_and_the_scores_at_the_end(folder: Path) -> None:
    session = prepare(toy(folder, "train.validate_every=2", epochs=5), CPU)
    assert session.scoring_seconds > 0
    session.step_seconds, session.scoring_seconds = 10.0, 1.0
    pixels = 3 * 24 * 24
    assert session.expected_seconds == 5 * 4 * 10 + (3 + 1) * pixels
    assert math.isfinite(session.expected_seconds)
