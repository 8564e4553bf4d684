"""The parts of one training, and its records: lines for the user, rows, checkpoints, summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from srae.config.experiment import Config
from srae.config.schedules import learning_rate_at
from srae.data import Data, Split
from srae.data.splits import note_few_val
from srae.data.subset import count_pixels
from srae.device import describe_machine, float32_kernels, memory_peaks, repeatable_kernels
from srae.distributed.peers import ALONE, Peers
from srae.evaluation.metrics import Protocol
from srae.evaluation.tasks import LossFunction, Task
from srae.models import count_multiply_adds, count_parameters
from srae.models.baselines import baseline_name
from srae.runs.messages import describe_psnr, describe_seconds
from srae.training.progress import Progress


@dataclass
class Session:
    """The parts of one training."""

    config: Config
    task: Task
    loss: LossFunction
    data: Data
    device: torch.device
    dtype: torch.dtype
    protocol: Protocol
    model: nn.Module
    optimizer: torch.optim.Optimizer | None
    """None for a model without parameters."""
    val: Split
    """What a validation scores: all of `data.val`, or the part that the config names."""
    steps_per_epoch: int
    scaler: torch.amp.GradScaler | None = None
    """Keeps the gradients of float16 from vanishing; None for every other precision."""
    average: nn.Module | None = None
    """Moving average of the model's weights, where the config wants one."""
    identity_values: dict[str, list[float]] = field(default_factory=dict)
    """Metrics of the baseline for every image of `val`."""
    identity: dict[str, float] = field(default_factory=dict)
    """Their means."""
    step_seconds: float | None = None
    scoring_seconds: float = 0.0
    """Per pixel of the targets (of the inputs where targets are classes)."""
    started_from: dict[str, str] | None = None
    """`path` and `sha256` of the weights that `train.start_from` names."""
    peers: Peers = ALONE
    """The processes that share this training."""

    @contextmanager
    def kernels(self) -> Iterator[None]:
        """Context for all computation of the session."""
        tf32 = self.config.train.precision == "tf32"
        with float32_kernels(self.device, tf32=tf32), repeatable_kernels(self.device):
            yield

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.model if self.average is None else self.average

    @property
    def expected_seconds(self) -> float | None:
        """Of all steps and validations, and of the scores at the end; None without parameters."""
        train, data = self.config.train, self.data
        if self.step_seconds is None:
            return None
        scored = [data.val, data.test, None if self.task.has_baseline else data.train]
        pixels = -(-train.epochs // train.validate_every) * count_pixels(self.val)
        pixels += sum(count_pixels(split) for split in scored if split)
        return self.steps_per_epoch * train.epochs * self.step_seconds + pixels * self.scoring_seconds

    @property
    def starts_useful(self) -> bool:
        """Whether the network does something useful before the first step."""
        return self.config.train.start_from is not None or getattr(self.model, "starts_as_baseline", False)

    @property
    def baseline(self) -> str:
        """Name of the baseline."""
        return baseline_name(self.data.out_shape[-1] // self.data.in_shape[-1])


def start_lines(s: Session) -> list[str]:
    """Lines before the training: data, network, expected duration and baseline."""
    data, model, epochs = s.data, s.model, s.config.train.epochs
    test = f" / {len(data.test)} test" if data.test else ""
    shapes = f"{'x'.join(map(str, data.in_shape))} -> {'x'.join(map(str, data.out_shape))}"
    everything = model.fixed_size or model.receptive_radius is None
    radius = "global" if everything else f"{model.receptive_radius} px"
    lines = [
        f"data      {data.name}: {len(data.train)} train / {len(data.val)} val{test}, fingerprint {data.fingerprint}",
        f"model     {s.config.model.name}: {count_parameters(model):,} parameters, {shapes}, receptive radius {radius}",
    ]
    lines += [f"val       {note}" for note in note_few_val(len(data.val))]
    if s.expected_seconds is not None:
        expected = describe_seconds(s.expected_seconds)
        precision = "tf32" if s.config.train.precision == "tf32" else str(s.dtype).removeprefix("torch.")
        where = f"{s.device.type}, {precision}"
        if s.peers.size > 1:
            where = f"{s.peers.size} processes, {where}"
        steps = f"{epochs} epochs of {s.steps_per_epoch} steps"
        lines.append(f"training  {steps} on {where}: about {expected}, validation included")
    if len(s.val) < len(s.data.val) or s.config.train.val_crop:
        crop = f", the middle {s.config.train.val_crop} pixels of each" if s.config.train.val_crop else ""
        lines.append(f"val       {len(s.val)} of {len(s.data.val)} images after an epoch{crop}; all of them at the end")
    samples = data.train.epoch_length * s.config.data.sampling.crops_per_picture
    if s.optimizer is not None and samples < s.config.train.batch_size:
        lines.append(f"batch     {samples} instead of {s.config.train.batch_size}: an epoch has no more samples")
    if s.identity:
        mse, psnr = s.identity["mse"], describe_psnr(s.identity["psnr"])
        lines.append(f"baseline  {s.baseline}: val mse {mse:.6f}, {psnr} ({s.protocol})")
    return lines


def make_row(s: Session, progress: Progress, scores: dict[str, float], rate: float) -> dict[str, Any]:
    """One row of metrics.csv."""
    samples = progress.samples or None
    return {
        "epoch": progress.epoch,
        "step": progress.step,
        f"train_{s.task.train_metric}": progress.score_sum / samples if samples else None,
        "train_loss": progress.loss_sum / samples if samples else None,
        **{f"val_{name}": value for name, value in scores.items()},
        "identity_mse": s.identity.get("mse"),
        "learning_rate": learning_rate_at(s.config.train, max(progress.step - 1, 0), s.steps_per_epoch),
        "epoch_seconds": progress.epoch_seconds,
        "wall_seconds": progress.wall_seconds,
        "images_per_second": rate or None,
        **_memory(s),
    }


def _memory(s: Session) -> dict[str, float | None]:
    """Peak memory in MB (2**20 bytes); images that lie in VRAM are counted apart: they are no cost of the network."""
    peaks, data = memory_peaks(s.device), s.data.device_bytes / 2**20
    if (vram := peaks["vram_peak_mb"]) is None:
        return {**peaks, "vram_data_mb": None}
    return {**peaks, "vram_peak_mb": vram - data, "vram_data_mb": data}


def make_meta(s: Session) -> dict[str, Any]:
    """The meta data of a checkpoint."""
    return {
        "config": s.config.model_dump(mode="json"),
        "in_shape": list(s.data.in_shape),
        "out_shape": list(s.data.out_shape),
        "data": {"name": s.data.name, "fingerprint": s.data.fingerprint, "classes": s.data.classes},
        "protocol": s.protocol.as_dict(),
        "machine": describe_machine(s.device),
        "processes": s.peers.size,
        "started_from": s.started_from,
    }


def make_summary(
    s: Session,
    progress: Progress,
    rows: list[dict[str, float | None]],
    scored: Mapping[str, Any],
    status: str,
) -> dict[str, Any]:
    """summary.json: metrics of the best weights, cost, protocol.

    Args:
        scored: what `score_splits` found; empty before the end.
    """
    best = next((row for row in rows if row["epoch"] == progress.best_epoch), {})
    rates = sorted(rate for row in rows if (rate := row["images_per_second"]) is not None)
    counts = {"train": len(s.data.train), "val": len(s.data.val), "test": len(s.data.test) if s.data.test else 0}
    return {
        "config": s.config.model_dump(mode="json"),
        "task": s.config.task,
        "data": {"name": s.data.name, "fingerprint": s.data.fingerprint, "counts": counts, "classes": s.data.classes},
        "protocol": {**s.protocol.as_dict(), "baseline": s.baseline},
        "parameters": count_parameters(s.model),
        "multiply_adds": count_multiply_adds(s.model, s.data.in_shape),
        "train": {"mse": best.get("train_mse"), "loss": best.get("train_loss"), **scored.get("train", {})},
        "val": scored.get("val"),
        "test": scored.get("test"),
        "identity": scored.get("identity") or s.identity or None,
        "test_identity": scored.get("test_identity"),
        "gain_db": scored.get("gain_db"),
        "gain_test": scored.get("gain_test"),
        "answers": scored.get("answers"),
        "exact": scored.get("exact"),
        "epochs": progress.epoch,
        "steps": progress.step,
        "stopped_early": status == "done" and 0 < progress.epoch < s.config.train.epochs,
        "seconds": progress.wall_seconds,
        "images_per_second": rates[len(rates) // 2] if rates else None,
        "best_epoch": progress.best_epoch,
        "status": status,
        "started_from": s.started_from,
        **_memory(s),
    }
