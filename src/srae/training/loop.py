"""The one loop, for every task, on CUDA or CPU: epochs and their steps, validation, what is saved when.

What it does at step t depends only on (config, seed, t): order, crops, augmentation and dropout are drawn from
(seed, epoch, sample or batch).  So a resumed run is bit-identical to an uninterrupted one on the same torch build,
device type and number of threads.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from srae.config.loading import dump_config
from srae.config.schedules import learning_rate_at
from srae.errors import DivergedError, Interrupted, PeerError
from srae.evaluation.evaluate import evaluate, means
from srae.runs.messages import epoch_line, train_line
from srae.runs.reader import read_rows
from srae.runs.signals import StopRequest
from srae.runs.writer import RunWriter
from srae.training.checkpointer import Checkpointer
from srae.training.optimizer import set_learning_rate, update_average
from srae.training.prepare import epoch_batches
from srae.training.progress import Progress
from srae.training.scoring import sample_strips
from srae.training.session import Session, make_row
from srae.training.shards import Wishes
from srae.training.step import TrainingStep, is_finite

if TYPE_CHECKING:
    from srae.training.tensorboard import EventLog

Say = Callable[[str], None]
OnEpoch = Callable[[Mapping[str, Any]], object]
"""Is given a row of metrics.csv; see `train`."""

SAVE_SECONDS = 600
"""A kill loses at most this much of a long epoch."""


@dataclass
class _Taken:
    """Steps since the loop was entered."""

    batch: int
    """Place of the first in its epoch."""
    step: int
    """Its number in the training."""
    indices: list[list[int]] = field(default_factory=list)
    """Samples of each."""


class Training:
    """The epochs of one run, from where `progress` stands to the last.

    The order at the end of an epoch makes an exact resume possible: the row of metrics.csv is on disk, then `progress`
    moves to the next epoch, then `best` is saved, then `last`.  A kill between two of them leaves a
    `last` that is older than the row: the resume drops that row and computes the same one again.
    """

    def __init__(
        self, s: Session, progress: Progress, run: RunWriter, keeper: Checkpointer, say: Say, *, on_epoch: OnEpoch
    ) -> None:
        self.s, self.progress, self.run, self.keeper, self.say, self.on_epoch = s, progress, run, keeper, say, on_epoch
        self.step = TrainingStep(s)
        self.ended = False
        """`on_epoch` asked for the end."""
        self.events: EventLog | None = None
        if "tensorboard" in s.config.train.log and s.peers.is_first:
            from srae.training.tensorboard import EventLog

            self.events = EventLog(run.path, dump_config(s.config), read_rows(run.path))
        self.saved = time.perf_counter()
        """When `last` was written."""
        self.stop = StopRequest()
        if self.step.shards is not None:
            self.step.shards.ask = self._wishes

    def close(self) -> None:
        if self.events is not None:
            self.events.close()

    def fit(self, stop: StopRequest) -> None:
        self.stop = stop
        try:
            self._fit()
        except PeerError:  # the last step that all have taken is not lost
            self._check_weights()
            self._save()
            raise

    def _fit(self) -> None:
        progress, stop = self.progress, self.stop
        self._judge_start()
        while not self._is_over():
            began, done_before = time.perf_counter(), progress.epoch_seconds
            try:
                self.run_steps()
            finally:
                progress.epoch_seconds = train_seconds = done_before + time.perf_counter() - began
            complete = progress.batch == self.s.steps_per_epoch
            if complete:
                self.keeper.align(self.say)
            scores = self._validate() if complete and self._validates() else {}
            if stop.wanted() or not complete:
                self._check_weights()
                self._save()
                if stop.wanted():
                    raise _interrupted(stop.signal_number, progress, self.run)
            else:
                progress.epoch_seconds = done_before + time.perf_counter() - began
                self._end_epoch(scores, train_seconds)

    def _wishes(self) -> Wishes:
        """What this process wants after the current step."""
        stop = self.stop.received or (0 if self.s.peers.has_launcher() else signal.SIGTERM)
        return Wishes(time.perf_counter() - self.saved >= SAVE_SECONDS, stop)

    def pauses(self) -> bool:
        """Whether to save, or to stop, after the step that was just taken: all processes after the same one."""
        shards = self.step.shards if self.s.peers.exchanges else None
        wishes = self._wishes() if shards is None else shards.agreed
        if wishes.stop:  # a launcher that has ended sent no signal
            self.stop.signal_number = wishes.stop
        return any(wishes)

    def _validate(self) -> dict[str, float]:
        scores = validate(self.s, lambda: self.stop.received != 0)
        if self.s.peers.exchanges:
            sums = self.s.peers.total(torch.tensor(self._wishes().counts()))
            self.stop.signal_number = Wishes.of_all(sums.tolist()).stop
        return scores

    def _judge_start(self) -> None:
        """Weights that are useful before the first step are a candidate for best: a training may only spoil them."""
        s, progress = self.s, self.progress
        if progress.step or not s.starts_useful:
            return
        scores = self._validate()
        if not self.stop.wanted():
            progress.best, progress.best_error = scores[s.task.best_by], scores[next(iter(s.task.metrics))]
            self.keeper.keep_best(progress, saved_at_once=False)

    def _validates(self) -> bool:
        """Whether the epoch that has just been trained is validated."""
        train, finished = self.s.config.train, self.progress.epoch + 1
        return finished % train.validate_every == 0 or finished >= train.epochs

    def run_steps(self) -> None:
        """The steps of one epoch from `progress.batch` on; after a pause the next call runs the rest."""
        taken = _Taken(self.progress.batch, self.progress.step)
        numbers = torch.zeros(self.s.steps_per_epoch, 3, device=self.s.device)  # of every step: see `TrainingStep`
        try:
            self._run_steps(taken, numbers)
        except PeerError:
            self._add_up(taken, numbers[taken.batch :].tolist())
            raise
        self._add_up(taken, numbers[taken.batch :].tolist())
        if self.step.why_not_recorded and self.progress.epoch == 0:
            self.say(f"note: steps are launched one kernel at a time: {self.step.why_not_recorded}")

    def _run_steps(self, taken: _Taken, numbers: Tensor) -> None:
        s, progress = self.s, self.progress
        s.model.train()
        assert s.optimizer is not None
        hidden = os.environ.get("TERM") == "dumb" or not s.peers.is_first or None  # None: unless stderr is a terminal
        bar = tqdm(
            epoch_batches(s, progress.epoch, taken.batch), f"epoch {progress.epoch + 1}", s.steps_per_epoch, False,
            initial=taken.batch, disable=hidden,
        )  # fmt: skip
        for batch in bar:
            set_learning_rate(s.optimizer, learning_rate_at(s.config.train, progress.step, s.steps_per_epoch))
            numbers[progress.batch] = self.step(batch, (s.config.seed, progress.epoch, progress.batch))
            taken.indices.append(batch.indices)
            # On CUDA reading the numbers would stall the queue of kernels: they are checked once, at the end.
            if s.device.type != "cuda" and not self._is_finite(numbers[progress.batch].tolist()):
                break
            if s.average is not None and s.config.train.weight_average:
                update_average(s.average, s.model, s.config.train.weight_average, progress.step)
            progress.samples += len(batch.indices)
            progress.batch += 1
            progress.step += 1
            if self.pauses():
                break

    def _add_up(self, taken: _Taken, numbers: list[list[float]]) -> None:
        """Add up losses and metrics of the steps taken; raises DivergedError at the first that is not finite."""
        s, progress = self.s, self.progress
        for place, (indices, row) in enumerate(zip(taken.indices, numbers, strict=False)):
            if not self._is_finite(row):
                what = f"loss {row[0]:g}, gradient norm {row[2]:g}"
                raise _diverged(s, progress.epoch, taken.step + place, what, _name_batch(s, indices))
            progress.loss_sum += row[0] * len(indices)
            progress.score_sum += row[1] * len(indices)

    def _is_finite(self, row: list[float]) -> bool:
        return is_finite(row, scaled=self.s.scaler is not None)

    def _end_epoch(self, scores: dict[str, float], train_seconds: float) -> None:
        """Save in the order that the docstring of the class gives."""
        s, progress = self.s, self.progress
        improved = self._improves(scores)
        progress.epoch += 1
        progress.wall_seconds += progress.epoch_seconds
        if improved:
            progress.best_epoch = progress.epoch
        row = make_row(s, progress, scores, progress.samples / max(train_seconds, 1e-9))
        self.run.append_row(row)
        epochs = s.config.train.epochs
        self.say(epoch_line(row, epochs, s.identity, s.baseline) if scores else train_line(row, epochs))
        if self.events is not None:
            self.events.add(row, sample_strips(s) if scores else {})
        self.ended = self.on_epoch(row) is True or self.ended
        progress.end_epoch()
        saves = self._is_over() or progress.epoch % s.config.train.checkpoint_every == 0
        if improved:
            self.keeper.keep_best(progress, saved_at_once=saves)
        if saves:
            if not scores:
                self._check_weights()
            self._save()

    def _improves(self, scores: dict[str, float]) -> bool:
        """Whether these are the best scores so far; `progress` keeps them then.  Not validated: no scores."""
        if not scores:
            return False
        task, progress = self.s.task, self.progress
        error = next(iter(task.metrics))  # MSE or cross-entropy: finite unless a weight is not
        if not math.isfinite(scores[error]):
            raise self._diverged(f"val {error} is not finite")
        found = scores[task.best_by], scores[error]
        improved = task.is_better(*found, progress.best, progress.best_error)
        if improved:
            progress.best, progress.best_error = found
        return improved

    def _save(self) -> None:
        self.keeper.save_last(self.progress)
        self.saved = time.perf_counter()

    def _check_weights(self) -> None:
        """Before a save that no validation precedes."""
        if not torch.isfinite(nn.utils.get_total_norm(self.s.model.parameters())):
            raise self._diverged("a weight is not finite")

    def _diverged(self, what: str) -> DivergedError:
        return _diverged(self.s, self.progress.epoch, self.progress.step - 1, what, "found after its last step")

    def _is_over(self) -> bool:
        progress, train = self.progress, self.s.config.train
        validated = progress.epoch // train.validate_every * train.validate_every
        stale = train.patience is not None and validated - progress.best_epoch >= train.patience and progress.epoch > 0
        return stale or progress.epoch >= train.epochs or (self.ended and progress.best is not None)


def validate(s: Session, stopped: Callable[[], bool]) -> dict[str, float]:
    values = evaluate(s.judged, s.val, s.task, s.protocol, dtype=s.dtype, stopped=stopped, peers=s.peers)
    return means(values, s.identity_values)


def _name_batch(s: Session, indices: list[int]) -> str:
    names = ", ".join(s.data.train.names[i] for i in indices[:4])
    return f"batch: {names}" + (f" and {len(indices) - 4} more" if len(indices) > 4 else "")


def _diverged(s: Session, epoch: int, step: int, what: str, where: str) -> DivergedError:
    """`epoch` and `step` count from 0, as the loop does."""
    rate = learning_rate_at(s.config.train, step, s.steps_per_epoch)
    return DivergedError(
        f"diverged: {what}",
        f"epoch {epoch + 1}, step {step + 1}, learning_rate {rate:g}, {where}",
        "the last good checkpoint is kept; try a smaller learning_rate or train.clip_gradient=1",
    )


def _interrupted(signal_number: int, progress: Progress, run: RunWriter) -> Interrupted:
    return Interrupted(
        signal_number,
        f"stopped in epoch {progress.epoch + 1}, after step {progress.step}; everything is saved",
        str(run.path),
        f"resume with: srae-train --resume {run.path}",
    )
