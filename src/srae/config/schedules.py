"""Learning-rate schedules: the factor on `train.learning_rate` at each step, after the warm-up.  No torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Schedule = Callable[[Any, float, float, float], float]
"""(`config.experiment.TrainConfig`, steps done, all steps, both after the warm-up, epochs done) -> factor."""


def constant(config: Any, done: float, total: float, epoch: float) -> float:
    return 1.0


def cosine(config: Any, done: float, total: float, epoch: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov & Hutter 2017, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * done / total))


def stepped(config: Any, done: float, total: float, epoch: float) -> float:
    """Multiplied by `step_factor` at each of `step_epochs`."""
    return config.step_factor ** sum(epoch >= start for start in config.step_epochs)


SCHEDULES: dict[str, Schedule] = {"constant": constant, "cosine": cosine, "step": stepped}


def learning_rate_at(config: Any, step: int, steps_per_epoch: int) -> float:
    """The rate of step `step` (from 0): linear warm-up from zero, then the config's schedule."""
    total = config.epochs * steps_per_epoch
    warmup = max(config.warmup_epochs * steps_per_epoch, min(config.warmup_steps, total / 4))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    factor = SCHEDULES[config.schedule](config, step - warmup, max(total - warmup, 1), step / steps_per_epoch)
    return config.learning_rate * factor
