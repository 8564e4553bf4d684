"""Progress of a training: saved with every checkpoint, restored by a resume."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Progress:
    """Counters and sums; with the weights and the optimizer state, everything that a resume needs."""

    epoch: int = 0
    """Finished epochs."""
    batch: int = 0
    """Batches done of the current epoch."""
    step: int = 0
    """Updates so far."""
    loss_sum: float = 0.0
    score_sum: float = 0.0
    """Of the task's `train_metric`."""
    samples: int = 0
    epoch_seconds: float = 0.0
    """Of the current epoch, like the four fields above."""
    wall_seconds: float = 0.0
    """Of the finished epochs, resumes included."""
    best: float | None = None
    best_epoch: int = 0
    best_error: float | None = None
    """Val loss of the best epoch, which decides between equal scores; None in checkpoints of an older srae."""

    def end_epoch(self) -> None:
        self.batch = self.samples = 0
        self.loss_sum = self.score_sum = self.epoch_seconds = 0.0
