"""Where a training stands: saved with every checkpoint, restored by a resume."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Progress:
    """With the weights and the optimizer's state all that a resume needs."""

    epoch: int = 0
    """Finished epochs."""
    batch: int = 0
    """Batches done of the next one."""
    step: int = 0
    """Updates so far."""
    loss_sum: float = 0.0
    score_sum: float = 0.0
    """Of the task's `train_metric`."""
    samples: int = 0
    epoch_seconds: float = 0.0
    """Of the epoch that is under way, like the four above."""
    wall_seconds: float = 0.0
    """Of the finished epochs, over all resumes."""
    best: float | None = None
    best_epoch: int = 0

    def end_epoch(self) -> None:
        self.batch = self.samples = 0
        self.loss_sum = self.score_sum = self.epoch_seconds = 0.0
