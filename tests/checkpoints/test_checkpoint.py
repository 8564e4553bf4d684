"""A checkpoint is whole and ours, or refused in plain words."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open

from refusals import refuses
from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.checkpoints.loading import find_weights, load_model
from srae.config.loading import parse_config
from srae.errors import CheckpointError
from srae.models import build_model

SHAPE = (3, 16, 16)
CONFIG = "model: {name: residual, width: 4, blocks: 1}"


def write_model(path: Path, *, config: str = CONFIG, previous: Path | None = None, seed: int = 0) -> torch.nn.Module:
    parsed = parse_config(config, "toy")
    torch.manual_seed(seed)
    model = build_model(parsed.model.name, SHAPE, SHAPE, parsed.model.options)
    for p in model.parameters():
        torch.nn.init.normal_(p)
    meta = {"config": parsed.model_dump(mode="json"), "in_shape": SHAPE, "out_shape": SHAPE}
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    save_checkpoint(path, tensors, {**meta, "data": {"name": "toy", "fingerprint": "0"}}, previous)
    return model


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    model = write_model(path)
    loaded = load_model(path)
    image = torch.rand(1, *SHAPE)
    assert torch.equal(loaded.model(image), model(image))
    assert (loaded.in_shape, loaded.out_shape, loaded.data_name) == (SHAPE, SHAPE, "toy")
    assert not loaded.model.training
    with safe_open(path, "pt") as file:  # other tools can read it
        assert "model.head.weight" in file.keys()  # noqa: SIM118  not a mapping


def test_every_dtype_and_the_empty_tensor_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    kinds = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32, torch.uint8)
    tensors = {str(dtype): torch.arange(7).to(dtype) for dtype in kinds} | {
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 2),
    }
    tensors["strided"] = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    save_checkpoint(path, tensors, {"text": 'quotes " and \u00e9'}, None)
    back, meta = read_checkpoint(path)
    assert meta["text"] == 'quotes " and \u00e9'
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[k], v) and back[k].dtype == v.dtype for k, v in tensors.items())


def test_the_file_before_is_kept_as_previous(tmp_path: Path) -> None:
    last, previous = tmp_path / "last.safetensors", tmp_path / "previous.safetensors"
    write_model(last, previous=previous, seed=1)
    first = last.read_bytes()
    write_model(last, previous=previous, seed=2)
    assert previous.read_bytes() == first != last.read_bytes()


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with refuses(CheckpointError, path):
        load_model(path)


def test_no_such_file_and_a_run_without_weights(tmp_path: Path) -> None:
    with refuses(CheckpointError, "none.safetensors"):
        load_model(tmp_path / "none.safetensors")
    with refuses(CheckpointError, tmp_path):
        load_model(tmp_path)


def test_a_run_that_goes_on_after_its_end_is_judged_by_what_it_has_learned_since(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    final, best = tmp_path / "model.safetensors", tmp_path / "checkpoints" / "best.safetensors"
    for file in (final, best, tmp_path / "DONE"):
        file.touch()
    assert find_weights(tmp_path) == final
    (tmp_path / "DONE").unlink()  # as `srae train --resume RUN --set train.epochs=...` does
    assert find_weights(tmp_path) == best
    best.unlink()
    assert find_weights(tmp_path) == final
