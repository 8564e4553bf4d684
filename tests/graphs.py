"""Graphs run by the engines, and toy networks as checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import torch

from srae.checkpoints.format import save_checkpoint
from srae.checkpoints.loading import TrainedModel, load_model
from srae.models import build_model

Run = Callable[[np.ndarray], list[np.ndarray]]


def by_onnxruntime(graph: Path) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    return lambda input: session.run(None, {"input": input})


def by_openvino(graph: Path) -> Run:
    precise = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    network = openvino.Core().compile_model(str(graph), "CPU", precise)
    return lambda input: [network(input)[output] for output in network.outputs]


ENGINES = [by_onnxruntime, by_openvino]


def save_toy(
    folder: Path, name: str, in_shape: tuple[int, ...], out_shape: tuple[int, ...], options: dict[str, Any]
) -> TrainedModel:
    """A network with random weights and running means, none of them zero, from a checkpoint in the folder."""
    torch.manual_seed(0)
    model = build_model(name, in_shape, out_shape, options)
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            change = 0.02 * torch.randn_like(value)
            value.add_(change.abs() if key.endswith("running_var") else change)
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.safetensors"
    config = {"model": {"name": name, **options}, "data": {"name": "demo"}}
    meta = {"config": config, "in_shape": in_shape, "out_shape": out_shape, "data": {"name": "toy", "fingerprint": "0"}}
    save_checkpoint(path, {f"model.{key}": value for key, value in model.state_dict().items()}, meta, None)
    return load_model(path)


def noise(*shape: int) -> np.ndarray:
    """In [0, 1], as float32."""
    return np.random.default_rng(sum(shape)).random(shape, np.float32)


def run_torch(trained: TrainedModel, input: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        output: np.ndarray = trained.model(torch.from_numpy(input)).numpy()
    return output
