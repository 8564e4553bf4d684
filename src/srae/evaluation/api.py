"""srae from Python: `srae.evaluate`.

Examples:
    scores = srae.evaluate("x2", "data/set5", scale=2, protocol="y")
    scores.metrics["psnr"], scores.baseline["psnr"]  # dB
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from srae.checkpoints.shipped import resolve_model
from srae.device import pick_device
from srae.evaluation.foreign import load_any
from srae.evaluation.score import Scores, score_model
from srae.runs.reader import Run


def evaluate(
    model: str | Path | Run,
    data: str | Path | None = None,
    *,
    split: Literal["train", "val", "test"] = "val",
    scale: int | None = None,
    kernel: Literal["bicubic", "photo"] = "bicubic",
    protocol: Literal["rgb", "y"] = "rgb",
    self_ensemble: bool = False,
    device: str = "auto",
    runs_dir: str | Path = "runs",
    say: Callable[[str], None] = print,
) -> Scores:
    """Score a trained network image by image, as `srae eval` does; nothing is written.

    Args:
        model: a shipped model, a run, its folder, a checkpoint, another network (.onnx, .pth), or what `srae.train`
            returned.
        data: folder of images; without it the run's own data, split as they were for its training.

    The other arguments and the errors are those of `evaluation.score.score_model`.
    """
    path = model.path if isinstance(model, Run) else resolve_model(str(model), Path(runs_dir), say)
    return score_model(
        load_any(path, say),
        folder=None if data is None else str(data),
        split=split,
        scale=scale,
        kernel=kernel,
        protocol=protocol,
        self_ensemble=self_ensemble,
        device=pick_device(device),
        say=say,
    )
