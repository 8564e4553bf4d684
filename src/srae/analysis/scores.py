"""The score that ranks the experiments of a task.  No torch.

One table row per task: PSNR for images, accuracy for classifiers.  Higher is
better for every score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from srae.runs.reader import Run


@dataclass(frozen=True)
class Score:
    metric: str
    """A column of images.csv; with `val_` or `test_` before it, a column of rows."""
    unit: str
    """Of a difference."""
    is_share: bool
    """From 0 to 1, and read in per cent; differences are then in percentage points."""
    text: str
    """A value for a person."""
    train_loss: str
    """Columns of metrics.csv: what was minimised on train, and the same on val."""
    val_loss: str
    protocol: str
    """What a summary's protocol means for it, in one line."""
    split: str = "val"
    """Where it is measured."""

    @property
    def per_unit(self) -> float:
        """Units in a difference of 1."""
        return 100 if self.is_share else 1

    @property
    def column(self) -> str:
        return f"{self.split}_{self.metric}"

    def show(self, value: float) -> str:
        """``28.31 dB``, ``98.42%``."""
        return self.text.format(value)

    def key(self, name: str) -> str:
        """``difference_db``, ``difference_points``: keys say their unit."""
        return f"{name}_{self.unit.lower()}"


PSNR = Score(
    metric="psnr",
    unit="dB",
    is_share=False,
    text="{:.2f} dB",
    train_loss="train_mse",
    val_loss="val_mse",
    protocol="{channels}, {rounding}, border {border}, values in [0, 1]",
)
ACCURACY = Score(
    metric="accuracy",
    unit="points",
    is_share=True,
    text="{:.2%}",
    train_loss="train_loss",
    val_loss="val_cross_entropy",
    protocol="{channels}, accuracy: share of images whose likeliest class is the true one, cross-entropy in nats",
)
SCORES = {"super_resolution": PSNR, "reconstruction": PSNR, "classification": ACCURACY}


def finite(value: float | None) -> float | None:
    """A metric that can be ranked and drawn; the PSNR of an image without any error is infinite, or null in a file."""
    return value if value is not None and math.isfinite(value) else None


def score_of(run: Run) -> Score:
    """The score of the task that a run names; without one, of the metrics in its rows."""
    for document in (run.summary, run.config):
        if document and (task := str(document.get("task"))) in SCORES:
            return SCORES[task]
    measured = any(row.get(ACCURACY.column) is not None for row in run.rows)
    return ACCURACY if measured else PSNR
