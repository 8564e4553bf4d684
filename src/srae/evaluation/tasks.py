"""What differs between kinds of experiments: one row of a table each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from srae.evaluation import metrics

Metric = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    metrics: dict[str, Metric]
    """Name -> (output, target) -> (B,); logged as val_<name>."""
    best_by: str
    """The metric that picks the best epoch."""
    train_metric: str
    """The metric that is also taken of the training batches; logged as train_<name>."""
    lower_is_better: bool = True
    images: bool = True
    """Outputs are images: a Protocol applies."""
    has_baseline: bool = True
    """Returning the input is something to beat."""

    def is_better(self, value: float, best: float | None) -> bool:
        return best is None or (value < best if self.lower_is_better else value > best)


_QUALITY: dict[str, Metric] = {"mse": metrics.mse, "psnr": metrics.psnr, "ssim": metrics.ssim}
_REPORT_A: dict[str, Metric] = {"channel_argmax_accuracy": metrics.channel_argmax_accuracy}

TASKS: dict[str, Task] = {
    "super_resolution": Task({**_QUALITY, **_REPORT_A}, best_by="mse", train_metric="mse"),
    "reconstruction": Task(_QUALITY, best_by="mse", train_metric="mse", has_baseline=False),
    "classification": Task(
        {"cross_entropy": metrics.cross_entropy, "accuracy": metrics.accuracy},
        best_by="accuracy",
        train_metric="accuracy",
        lower_is_better=False,
        images=False,
        has_baseline=False,
    ),
}


def charbonnier(output: Tensor, target: Tensor) -> Tensor:
    """sqrt(d^2 + 1e-6), mean over everything: a smooth L1 (Lai et al. 2017, LapSRN)."""
    return torch.sqrt((output - target).square() + 1e-6).mean()


LOSSES: dict[str, Metric] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "charbonnier": charbonnier,
    "cross_entropy": F.cross_entropy,
}
