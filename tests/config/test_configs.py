"""Every shipped YAML: valid, headed, and trainable on the built-in images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from srae.config.loading import CONFIG_FOLDERS, dump_config, load_config, parse_config
from srae.models import build_model, check_options
from srae.runs.layout import check_name

FOLDER = next(folder for folder in CONFIG_FOLDERS if folder.is_dir())
CONFIGS = sorted(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "studies")


def test_there_are_configs() -> None:
    assert len(CONFIGS) >= 20


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config(path: Path) -> None:
    config = load_config(path, check_options=check_options)
    assert parse_config(dump_config(config), "dumped") == config
    assert check_name(path.stem)
    keys = config.data.model_dump()
    if keys.get("folder"):
        assert keys["otherwise"] == "demo", "a config must run on a machine without the data"
    side = keys.get("crop") or keys.get("side") or {"pairs": 256, "cifar10": 32}.get(config.data.name, 28)
    shape = ({"L": 1, "RGB": 3, "RGBA": 4}[config.data.channels], side, side)
    out_shape = (10,) if config.task == "classification" else shape
    with torch.device("meta"):
        model = build_model(config.model.name, shape, out_shape, config.model.options)
        assert model(torch.empty(2, *shape)).shape == (2, *out_shape)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_header_is_question_command_and_result(path: Path) -> None:
    lines = path.read_text().splitlines()
    words = [line.lstrip("# ").split(":")[0] for line in lines[2:10] if line.startswith("# ") and ":" in line]
    assert words[:2] == ["Question", "Command"]
    assert "Result" in words
    assert f"--config configs/{path.relative_to(FOLDER)}" in path.read_text()


def test_as_reported_and_fixed_siblings_differ_where_they_say() -> None:
    for name in ("cnn3_relu", "cnn4_relu", "cnn4_sigmoid"):
        broken, fixed = (load_config(FOLDER / f"{stem}.yaml") for stem in (name, f"{name}_fixed"))
        assert broken.model.options["output_activation"] == "tanh"
        assert fixed.model.options["plain_output"] is True
        assert broken.model.options["channels"] == fixed.model.options["channels"]
        assert broken.data == fixed.data
