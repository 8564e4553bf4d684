"""Pairs of two sizes train, score and enlarge with a network that keeps the size: its input is enlarged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import srae.data.intake
from builders import write_image, write_pairs
from srae.checkpoints.loading import load_model
from srae.cli import main
from srae.config.loading import parse_config
from srae.data.degrade import enlarge_pixels
from srae.evaluation.score import score_model
from srae.runs.reader import read_run
from srae.upscaling.api import upscale
from toy_training import begin
from toys import open_named

MODELS = {
    "cnn": "{name: conv_autoencoder, channels: [4, 6], activation: tanh, latent_activation: tanh, "
    "output_activation: tanh, value_range: [-1, 1]}",
    "unet": "{name: unet, channels: [3, 4]}",
}
TEXT = "model: {model}\ndata: {{folder: {folder}{more}}}\ntrain: {{epochs: 2, batch_size: 4}}"


def _train(root: Path, name: str, folder: Path, model: str = MODELS["cnn"], more: str = "", **options: Any) -> Path:
    config = parse_config(TEXT.format(model=model, folder=folder, more=more), "toy.yaml")
    return begin(config, root / "runs", name, **options)


def _enlarge_files(folder: Path, out: Path, scale: int = 2) -> Path:
    shutil.copytree(folder, out)
    for path in out.glob("*/low_res/*.png"):
        Image.fromarray(enlarge_pixels(np.array(Image.open(path)), scale, "bicubic")).save(path)
    return out


@pytest.mark.parametrize("model", MODELS)
def test_a_training_is_that_on_images_enlarged_before(tmp_path: Path, model: str) -> None:
    folder = write_pairs(tmp_path / "set", train=6, val=3, size=(8, 12), scale=2)
    said: list[str] = []
    ours = _train(tmp_path, "ours", folder, MODELS[model], say=said.append)
    theirs = _train(tmp_path, "theirs", _enlarge_files(folder, tmp_path / "enlarged"), MODELS[model])
    runs = [read_run(path) for path in (ours, theirs)]
    summaries = [run.summary or {} for run in runs]
    for key in ("val", "identity", "train"):
        assert summaries[0][key] == summaries[1][key], key
    assert [run.config["data"]["enlarge"] for run in runs] == ["bicubic", None]
    assert any("9 low-resolution images" in line and "data.enlarge: bicubic" in line for line in said)


def test_it_is_scored_and_enlarges_as_it_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_pairs(tmp_path / "set", train=6, val=3, size=(8, 12), scale=2)
    run = _train(tmp_path, "ours", folder)
    summary = read_run(run).summary or {}
    for options in ([], ["--data", str(folder)]):
        capsys.readouterr()
        assert main(["eval", "--model", str(run), "--json", "--device", "cpu", *options]) == 0
        assert json.loads(capsys.readouterr().out)["val"] == summary["val"]
    image = np.array(Image.open(write_image(tmp_path / "image.png", (8, 12))))
    ours, theirs = upscale(image, scale=2, model=run), upscale(enlarge_pixels(image, 2, "bicubic"), scale=1, model=run)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1, "8 bits between the two steps"


def test_a_network_trained_on_one_size_is_scored_on_pairs_of_two(tmp_path: Path) -> None:
    small = write_pairs(tmp_path / "set", train=6, val=3, size=(8, 12), scale=2)
    run = _train(tmp_path, "same", _enlarge_files(small, tmp_path / "same"), more=", enlarge: bicubic")
    scores = [score_model(load_model(run), folder=str(folder)).document for folder in (small, tmp_path / "same")]
    assert scores[0]["val"] == scores[1]["val"]


@pytest.mark.parametrize(
    "more", [", enlarge: bilinear", ", degrade: {scale: 2}", ", degrade: {scale: 2}, enlarge: bilinear"]
)
def test_the_kernel_can_be_chosen_and_degraded_images_are_enlarged_too(tmp_path: Path, more: str) -> None:
    folder = write_pairs(tmp_path / "set", train=4, val=2, size=(8, 12), scale=2)
    run = read_run(_train(tmp_path, "run", folder, more=more))
    assert run.config["data"]["enlarge"] == ("bilinear" if "bilinear" in more else "bicubic")
    assert (run.summary or {})["protocol"]["baseline"] == "returning the input"


def test_other_networks_get_the_low_resolution_images_as_they_are(
    pair_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = pair_folder(size=(8, 8), scale=2)
    assert (
        read_run(_train(tmp_path, "run", folder, "{name: residual, width: 4, blocks: 1}")).config["data"]["enlarge"]
        is None
    )
    same = pair_folder(name="same", size=(8, 8))
    assert read_run(_train(tmp_path, "same", same)).config["data"]["enlarge"] is None


def test_a_mapped_set_holds_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write_pairs(tmp_path / "set", train=4, val=2, size=(8, 12), scale=2)
    options = {"folder": str(folder), "enlarge": "bicubic"}
    in_memory = open_named("pairs", **options)
    monkeypatch.setattr(srae.data.intake, "largest_in_memory", lambda: 0)
    mapped = open_named("pairs", **options)
    assert mapped.in_shape == in_memory.in_shape == mapped.out_shape == (3, 16, 24)
    for index in range(4):
        assert torch.equal(mapped.train.input.image(index), in_memory.train.input.image(index))
    assert mapped.fingerprint == in_memory.fingerprint != open_named("pairs", folder=str(folder)).fingerprint
