"""Options of networks and of a training: beyond its bounds each ends in a message, within them in what runs."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from srae.cli import main
from srae.config.experiment import TrainConfig
from srae.config.loading import load_config
from srae.errors import ConfigError
from srae.models import MODELS, build_model, check_options
from srae.models.options import model_options

BAD: list[Any] = [0, -1, 10**12, math.nan, math.inf, "text", True, [], [0], [math.nan], {}, [[1]]]
"""Zero, negative, huge, not a number, of another type, empty: whatever an option is, most of them are wrong."""
FEWEST: dict[str, dict[str, Any]] = {
    "conv_autoencoder": {"channels": [4, 4]},
    "unet": {"channels": [4, 4]},
    "dense_autoencoder": {"hidden": 4},
    "conv_classifier": {"channels": [4]},
    "residual_classifier": {"channels": [4]},
}
"""What a network cannot do without."""
OPTIONS = [(name, option) for name, build in MODELS.items() for option in model_options(build)]


def shapes_of(name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    enlarges = name in ("bicubic", "espcn", "fsrcnn", "edsr", "imdn")
    return (3, 32, 32), (5,) if "classifier" in name else (3, 64, 64) if enlarges else (3, 32, 32)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_beyond_its_bounds_is_refused_or_works(name: str, option: str) -> None:
    in_shape, out_shape = shapes_of(name)
    refused = 0
    for value in BAD:
        options = {**FEWEST.get(name, {}), option: value}
        problems = dict(check_options(name, options))
        assert set(problems) <= {option}
        if problems:
            refused += 1
            continue
        with suppress(ConfigError), torch.device("meta"):  # right in itself, but not for these shapes
            found = build_model(name, in_shape, out_shape, options)(torch.zeros(2, *in_shape)).shape
            assert found == (2, *out_shape), value
    assert refused >= len(BAD) // 2


@pytest.mark.parametrize("field", TrainConfig.model_fields)
def test_a_key_of_a_training_beyond_its_bounds_is_refused_by_name(field: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("model: {name: residual}\n")
    told = []
    for value in BAD:
        text = {math.inf: ".inf", True: "true"}.get(value) if not isinstance(value, list | dict) else None
        try:
            load_config(tmp_path / "a.yaml", [f"train.{field}={text or str(value).replace('nan', '.nan')}"])
        except ConfigError as error:
            told.append(str(error.where))
    assert all(f" train.{field}" in where for where in told)
    assert len(told) >= len(BAD) // 2


@pytest.mark.parametrize(
    ("sets", "key"),
    [
        (["train.momentum=0.9"], "train.momentum"),
        (["train.optimizer=sgd", "train.betas=[0.8, 0.9]"], "train.betas"),
        (["train.rho=0.9"], "train.rho"),
        (["train.optimizer=sgd", "train.epsilon=1e-6"], "train.epsilon"),
        (["train.optimizer=muon", "train.weight_decay=0.1"], "train.weight_decay"),
        (["train.step_epochs=[3]"], "train.step_epochs"),
        (["train.step_factor=0.1"], "train.step_factor"),
        (["train.schedule=step"], "train.schedule"),
        (["train.warmup_epochs=20"], "train.warmup_epochs"),
    ],
)
def test_a_setting_without_effect_is_refused(sets: list[str], key: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("model: {name: residual}\n")
    load_config(tmp_path / "a.yaml", [text for text in sets if "optimizer" in text])
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "a.yaml", sets)
    assert f" {key}: " in str(caught.value.where)


@pytest.mark.parametrize(
    "sets",
    [
        ["model.stride=0"], ["model.pool=0"], ["model.value_range=[0, 1, 2]"], ["model.value_range=[1, 0]"],
        ["train.betas=[1.5, 0.9]"], ["train.epochs=0"],
        ["model={name: residual, shrink: 0}"], ["model={name: residual, width: 0}"],
        ["model={name: residual}", "data.crop=95"], ["model={name: unet, channels: [4, 4, 4, 4, 4]}", "data.crop=100"],
    ],
)  # fmt: skip
def test_the_command_ends_in_three_lines(
    sets: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "model: {name: conv_autoencoder, channels: [4]}\ndata: {name: demo, limit: 2}\n"
    (tmp_path / "a.yaml").write_text(text)
    assert main(["train", "--config", "a.yaml", "--device", "cpu", *(f"--set={each}" for each in sets)]) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told and len(told.strip().splitlines()) <= 4
    assert not (tmp_path / "runs").exists()
