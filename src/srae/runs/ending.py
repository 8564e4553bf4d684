"""How a training ended: early, after too few steps, overfitted.  No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FEW_STEPS = 100
"""Fewer updates of the weights say nothing about a network."""
FEW_EPOCHS = 3
"""Fewer epochs have no course of val that could rise."""
RISES_FROM = 1.05
"""Val loss of the last epoch over the lowest one."""
OVERFITS_FROM = 1.5
"""Val loss over train loss."""


@dataclass(frozen=True)
class EarlyEnd:
    """A training that ended before its last epoch because val did not get better."""

    epoch: int
    epochs: int
    """That were asked for."""
    patience: int


def read_early_end(summary: Mapping[str, Any]) -> EarlyEnd | None:
    """From a summary; None where all epochs were trained, or something else ended the training."""
    train = (summary.get("config") or {}).get("train") or {}
    epoch, epochs, patience = summary.get("epochs"), train.get("epochs"), train.get("patience")
    if summary.get("status") != "done" or not (epoch and epochs and patience):
        return None
    waited = epoch - summary.get("best_epoch", 0)  # a caller from Python may end a training too
    return EarlyEnd(epoch, epochs, patience) if epoch < epochs and waited >= patience else None


def count_steps(summary: Mapping[str, Any] | None, rows: Sequence[Mapping[str, float | None]]) -> int | None:
    """Updates of the weights in all; None of a model without parameters, or where they are not known."""
    steps = (summary or {}).get("steps", rows[-1].get("step") if rows else None)
    return int(steps) if steps and (summary or {}).get("parameters") != 0 else None


@dataclass(frozen=True)
class Fit:
    """Losses of train and val, at the epoch of the lowest val loss and at the end."""

    best_epoch: int
    epochs: int
    train: float
    val: float
    """At `best_epoch`."""
    last_train: float
    last_val: float

    @property
    def rises(self) -> bool:
        """Whether val got worse since while train got better."""
        return self.last_val > RISES_FROM * self.val and self.last_train < self.train

    @property
    def overfits(self) -> bool:
        return self.rises or 0 < OVERFITS_FROM * self.last_train < self.last_val

    @property
    def is_short(self) -> bool:
        return self.epochs < FEW_EPOCHS


def judge_fit(rows: Iterable[Mapping[str, float | None]], train: str, val: str) -> Fit | None:
    """The fit of a training from its rows; None where no epoch has both losses.

    Args:
        train, val: columns of the same loss.  That of train is taken while the weights change, on augmented samples
            and with dropout, so it may be the larger one.
    """
    known = []
    for row in rows:
        epoch, ours, theirs = (row.get(column) for column in ("epoch", train, val))
        if epoch is not None and ours is not None and theirs is not None and math.isfinite(ours + theirs):
            known.append((int(epoch), ours, theirs))
    if not known:
        return None
    best, last = min(known, key=lambda each: each[2]), known[-1]
    return Fit(best[0], last[0], train=best[1], val=best[2], last_train=last[1], last_val=last[2])
