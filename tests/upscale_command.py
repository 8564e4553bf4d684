"""`srae upscale` in process, in a folder with one run and one image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from srae.checkpoints import shipped
from srae.checkpoints.format import save_checkpoint
from srae.cli import run_verb
from srae.config.loading import parse_config
from srae.images.image import TaggedImage, write_image
from srae.models import build_model
from toys import random_image


def save_run(path: Path, name: str = "bicubic", scale: int = 2, psnr: float = 30.0) -> Path:
    """A finished run, as far as upscaling looks at it."""
    config = parse_config(f"model: {{name: {name}}}\ndata: {{folder: somewhere}}", "test")
    shapes = {"in_shape": (3, 8, 8), "out_shape": (3, 8 * scale, 8 * scale)}
    model = build_model(name, shapes["in_shape"], shapes["out_shape"], {})
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    path.mkdir(parents=True)
    meta = {"config": config.model_dump(mode="json"), **shapes, "data": {"name": "test"}}
    save_checkpoint(path / "model.safetensors", tensors or {"none": torch.zeros(1)}, meta, None)
    (path / "config.yaml").write_text("model: {name: bicubic}\n")
    summary = {"status": "done", "identity": {"psnr": 28.0}, "val": {"psnr": psnr}, "parameters": 5}
    (path / "summary.json").write_text(json.dumps(summary))
    return path


def make_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one run and one image; what ships is bicubic, x2, x3 and x4."""
    save_run(tmp_path / "runs" / "double")
    for scale in (2, 3, 4):
        shipped_as = save_run(tmp_path / "shipped" / f"x{scale}", scale=scale) / "model.safetensors"
        shipped_as.rename(tmp_path / "shipped" / f"x{scale}.safetensors")
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
    write_image(tmp_path / "a.png", TaggedImage.from_float(random_image(3, 9, 7)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def upscale(*arguments: str) -> int:
    return run_verb("upscale", list(arguments), "srae upscale")
