"""The tasks (super-resolution, reconstruction, classification): one table row each, and the losses by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from srae.config.experiment import TrainConfig
from srae.config.measures import LOSSES, METRICS
from srae.errors import ConfigError
from srae.evaluation import losses, metrics
from srae.models.options import find_problems

MetricFunction = Callable[[Tensor, Tensor], Tensor]
"""(output, target) -> (B,)"""
LossFunction = Callable[[Tensor, Tensor], Tensor]
"""(output, target) -> scalar"""


@dataclass(frozen=True)
class Task:
    metrics: dict[str, MetricFunction]
    """Name -> (output, target) -> (B,); logged as val_<name>."""
    best_by: str
    """The metric that picks the best epoch."""
    train_metric: str
    """The metric that is also taken of the training batches; logged as train_<name>."""
    lower_is_better: bool = True
    images: bool = True
    """Outputs are images: a Protocol applies."""
    has_baseline: bool = True
    """Whether there is an identity baseline to compare with."""

    def is_better(self, value: float, error: float, best: float | None, best_error: float | None) -> bool:
        """Whether an epoch is better than the best one; of equal values, as accuracies often are, the lower error wins.

        Args:
            best_error: None where it was not recorded; then equal values are no better.
        """
        if value == best:
            return best_error is not None and error < best_error
        return best is None or (value < best if self.lower_is_better else value > best)


def _metrics_of(task: str) -> dict[str, MetricFunction]:
    """The functions of a task's rows in `config.measures`, in their order."""
    return {name: getattr(metrics, name) for name, row in METRICS.items() if task in row.tasks}


TASKS: dict[str, Task] = {
    "super_resolution": Task(_metrics_of("super_resolution"), best_by="mse", train_metric="mse"),
    "reconstruction": Task(_metrics_of("reconstruction"), best_by="mse", train_metric="mse", has_baseline=False),
    "classification": Task(
        _metrics_of("classification"),
        best_by="accuracy",
        train_metric="accuracy",
        lower_is_better=False,
        images=False,
        has_baseline=False,
    ),
}


def build_loss(train: TrainConfig, task: str) -> LossFunction:
    """The loss of a config, with its options.

    Raises:
        ConfigError: the task has other losses, or an option is wrong.
    """
    fitting = [name for name, row in LOSSES.items() if task in row.tasks]
    if train.loss not in fitting:
        wanted = f"set it to {' or '.join(fitting)}"
        raise ConfigError(f"loss {train.loss} does not fit task {task}", "train.loss", wanted)
    loss = getattr(losses, train.loss)
    if problems := find_problems(loss, train.loss_options):
        told = "; ".join(f"{key}: {text}" for key, text in problems)
        raise ConfigError(f"loss {train.loss}: {told}", "train.loss_options", "see srae.evaluation.losses")
    return partial(loss, **train.loss_options)
