"""Scored models as run folders, so that `compare` and `report` put any networks side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from srae.checkpoints.facts import round_up
from srae.checkpoints.loading import TrainedModel, read_geometry
from srae.config.yaml_text import dump_yaml
from srae.evaluation.forward import forward_any_size
from srae.evaluation.graph_cost import count_graph
from srae.evaluation.score import Scores
from srae.files import write_text
from srae.models import count_multiply_adds, count_parameters
from srae.runs.writer import claim_run

SIDE = 256
"""Of the image that multiply-adds and seconds are of."""
_REPEATS = 5


def write_as_run(trained: TrainedModel, scores: Scores, runs_dir: Path, name: str) -> Path:
    """A finished run folder with these metrics and the network's cost, but no curves and no weights.

    `multiply_adds` and `seconds` are of one image of 256x256 pixels, on the device where the model is: of the seconds
    the median of five.

    Returns:
        The folder: `name` in `runs_dir`, with a number where it exists.

    Raises:
        ConfigError, ResourceError: see `claim_run`.
    """
    cost = measure_cost(trained)
    writer = claim_run(runs_dir, name)
    try:
        stored = trained.config.model_dump(mode="json")
        config = {key: stored[key] for key in ("task", "model")}  # how it was trained is in its own run, if anywhere
        write_text(writer.path / "config.yaml", dump_yaml(config))
        rows = [dict(zip(scores.columns, values, strict=True)) for values in zip(*scores.columns.values(), strict=True)]
        writer.write_images(rows)
        own = {"config": config, "task": trained.config.task, "status": "done"}
        writer.finish({**own, **scores.document, **cost})
        for empty in (writer.checkpoints, writer.samples):
            empty.rmdir()
    finally:
        writer.close()
    return writer.path


@torch.inference_mode()
def measure_cost(trained: TrainedModel) -> dict[str, Any]:
    """`parameters`, `multiply_adds`, `seconds`, `images_per_second`; None where the network does not tell."""
    model, channels = trained.model, trained.in_shape[0]
    geometry = read_geometry(model)
    side = round_up(max(SIDE, geometry.smallest), geometry.multiple_of)
    size = geometry.fixed_size or (side, side)
    image = torch.rand(1, channels, *size, device=next((p.device for p in model.parameters()), None))
    seconds = statistics.median(_time(lambda: forward_any_size(model, image)) for _ in range(_REPEATS))
    if trained.path.suffix.lower() == ".onnx":
        parameters, multiply_adds = count_graph(trained.path, (channels, *size))
    else:
        parameters, multiply_adds = count_parameters(model), count_multiply_adds(model, (channels, *size))
    return {
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "seconds": seconds,
        "images_per_second": 1 / seconds,
    }


def _time(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started
