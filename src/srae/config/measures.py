"""The metrics and the losses, one table row each.  No torch: run folders, comparisons and reports read it too.

A metric's function has its name in `evaluation.metrics`, a loss's in `evaluation.losses`.
"""

from __future__ import annotations

from dataclasses import dataclass

IMAGES = ("super_resolution", "reconstruction")
CLASSES = ("classification",)


@dataclass(frozen=True)
class Metric:
    tasks: tuple[str, ...]
    """Tasks in which it is computed for every image, as `val_<name>` and `test_<name>`; none: of a split as a whole."""
    words: tuple[str, str]
    """English, Spanish."""
    text: str = "{:.4f}"
    """Format of a value in tables."""
    unit: str = ""
    """In the heads of tables."""
    splits: tuple[str, ...] = ("val", "test")
    """Splits for which `srae compare` and `srae report` show it; empty: it is only in the files of a run."""

    def head(self, split: str) -> tuple[str, str]:
        """Head of a column, in English and Spanish: ``val PSNR (dB)``, ``PSNR val (dB)``."""
        unit = f" ({self.unit})" if self.unit else ""
        english, spanish = self.words
        return f"{split} {english}{unit}", f"{spanish} {split}{unit}"


METRICS: dict[str, Metric] = {
    "mse": Metric(IMAGES, ("MSE", "ECM"), "{:.6f}", splits=("train", "val", "test")),
    "psnr": Metric(IMAGES, ("PSNR", "PSNR"), "{:.2f}", "dB"),
    "ssim": Metric(IMAGES, ("SSIM", "SSIM")),
    "channel_argmax_accuracy": Metric(
        ("super_resolution",), ("channel argmax accuracy", "exactitud del canal mayor"), "{:.2%}", splits=()
    ),
    "cross_entropy": Metric(CLASSES, ("cross-entropy", "entropía cruzada"), splits=("train", "val", "test")),
    "accuracy": Metric(CLASSES, ("accuracy", "exactitud"), "{:.2%}", splits=("train", "val", "test")),
    "balanced_accuracy": Metric((), ("balanced accuracy", "exactitud equilibrada"), "{:.2%}"),
}


@dataclass(frozen=True)
class Loss:
    tasks: tuple[str, ...]


LOSSES: dict[str, Loss] = {
    "mse": Loss(IMAGES),
    "l1": Loss(IMAGES),
    "charbonnier": Loss(IMAGES),
    "cross_entropy": Loss(CLASSES),
}
