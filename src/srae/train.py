"""Train one config into one run folder: the one loop, for every task, on CUDA or CPU.

With `session` and `evaluate` the only module that sees both data and models.  What it does at step t depends
on (config, seed, t) alone - order, crops, augmentation and dropout are drawn
from (seed, epoch, sample or batch) - so a resumed run equals an uninterrupted
one to the bit on the same torch build, device type and number of threads.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from srae.checkpoint import find_weights, load_weights, read_checkpoint, start_from
from srae.config import Config
from srae.data import Batch, Data, Split, count_batches, open_data, train_batches
from srae.device import (
    autocast,
    describe_call,
    describe_machine,
    keep_freed_memory,
    pick_precision,
    repeat_exactly,
    seed_all,
)
from srae.errors import ConfigError, DivergedError, Interrupted, ResourceError
from srae.evaluate import baseline, describe_outputs, evaluate, means, save_pictures, save_samples, score_split
from srae.files import copy_file
from srae.metrics import Protocol
from srae.models import build_model, count_parameters
from srae.narrate import epoch_line
from srae.optimizer import build_optimizer, learning_rate_at, set_learning_rate, update_average
from srae.progress import Progress, restore_progress, save_best, save_progress
from srae.run_writer import RunWriter
from srae.runs import read_rows
from srae.session import Session, make_meta, make_row, make_summary, start_lines
from srae.shipped import resolve_model
from srae.signals import catch_signals
from srae.tasks import LOSSES, TASKS

Say = Callable[[str], None]

SAVE_SECONDS = 600
"""Of a long epoch a kill takes this much at most."""


def prepare(config: Config, device: torch.device, *, resume: bool = False) -> Session:
    """Open the data, time a step, build the network: all that can go wrong before a run folder is made.

    Args:
        resume: the weights will come from the run itself, not from `train.start_from`.

    Raises:
        ConfigError, DataError, CheckpointError: what is wrong with the options, shapes, pictures or weights.
    """
    keep_freed_memory()
    repeat_exactly(device)
    data = open_data(**config.data.model_dump()).to(device)
    trial = _build(config, data, device)  # thrown away: later weights and memory do not know of it
    _try_last_batch(trial)
    step_seconds = _time_step(trial)
    del trial
    session = _build(config, data, device)
    session.step_seconds = step_seconds
    session.identity = baseline(data, session.task, session.protocol)
    if config.train.start_from and not resume:
        data.notes.append(start_from(session.model, find_weights(resolve_model(config.train.start_from, Path("runs")))))
    if config.train.weight_average and session.optimizer is not None:
        session.average = copy.deepcopy(session.model)
    return session


def train(
    session: Session, run: RunWriter, say: Say, *, resume: bool = False, allow_changed: bool = False
) -> dict[str, Any]:
    """Train (or go on), score, and leave everything in the run folder; returns its summary.

    Args:
        allow_changed: go on although the data or the batch size are others.

    Raises:
        DivergedError: a loss or gradient is not finite; the last good checkpoint is kept.
        Interrupted: SIGINT or SIGTERM, after a clean save.
    """
    s = session
    if not resume:
        run.write_start(s.config, {**describe_machine(s.device), **describe_call()})
    for line in [*s.data.notes, *start_lines(s)]:
        say(line)
    progress = Progress()
    if resume:
        now, steps = make_meta(s), s.steps_per_epoch
        progress = restore_progress(run, s.model, s.average, s.optimizer, now, steps, say, allow_changed=allow_changed)
        run.write_config(s.config)  # more epochs, or other data
    try:
        if s.optimizer is not None:
            _fit(s, progress, run, say)
        elif not (run.checkpoints / "best.safetensors").exists():
            run.keep_rows(-1)  # it was killed in between
            run.append_row(make_row(s, progress, means(evaluate(s.model, s.data.val, s.task, s.protocol)), 0.0))
            save_best(run, progress, s.model, make_meta(s))
    except (DivergedError, Interrupted) as stop:
        status = "diverged" if isinstance(stop, DivergedError) else "stopped"
        run.finish(make_summary(s, progress, read_rows(run.path), {}, status))
        raise
    return _finish(s, progress, run, say)


def _build(config: Config, data: Data, device: torch.device) -> Session:
    if TASKS[config.task].images != (len(data.out_shape) == 3):
        wanted = "pictures as target (data.target: input)" if TASKS[config.task].images else "labels as target"
        raise ConfigError(f"task {config.task} needs {wanted}", "task", f"data {data.name} has {data.out_shape}")
    if (config.train.loss == "cross_entropy") == TASKS[config.task].images:
        wanted = "mse, l1 or charbonnier" if TASKS[config.task].images else "cross_entropy"
        raise ConfigError(f"task {config.task} needs another loss", "train.loss", f"set it to {wanted}")
    seed_all(config.seed)
    model = build_model(config.model.name, data.in_shape, data.out_shape, config.model.options).to(device)
    if model.fixed_size and data.val.input.shape != data.in_shape:
        raise ConfigError(
            f"model {config.model.name} is bound to {data.in_shape[1:]} pictures, but val has others",
            "data.crop",
            "leave the crop out, or use a model without a latent layer",
        )
    return Session(
        config=config,
        task=TASKS[config.task],
        data=data,
        device=device,
        dtype=pick_precision(config.train.precision, device),
        protocol=Protocol(channels=config.data.channels),
        model=model,
        optimizer=build_optimizer(config.train, model) if count_parameters(model) else None,
        steps_per_epoch=count_batches(
            data.train, batch_size=config.train.batch_size, crops_per_picture=config.data.crops_per_picture
        ),
    )


def _fit(s: Session, progress: Progress, run: RunWriter, say: Say) -> None:
    """Epochs from where `progress` stands to the last."""
    epochs, patience = s.config.train.epochs, s.config.train.patience
    assert s.optimizer is not None
    with catch_signals() as stop:
        saved = time.perf_counter()

        def pause() -> bool:
            return stop.wanted() or time.perf_counter() - saved >= SAVE_SECONDS

        while progress.epoch < epochs and not _is_stale(progress, patience):
            began, done_before = time.perf_counter(), progress.epoch_seconds
            _run_epoch(s, progress, pause)
            train_seconds = done_before + time.perf_counter() - began
            if not math.isfinite(progress.loss_sum):
                raise _diverged(s, progress, "the mean loss is not finite", "seen after its steps")
            whole = progress.batch == s.steps_per_epoch
            scores = _validate(s, stop.wanted) if whole else {}
            if stop.wanted() or not whole:
                if not torch.isfinite(nn.utils.get_total_norm(s.model.parameters())):
                    raise _diverged(s, progress, "a weight is not finite", "seen after its last step")
                progress.epoch_seconds = train_seconds
                save_progress(run, progress, s.model, s.average, s.optimizer, make_meta(s))
                saved = time.perf_counter()
                if not stop.wanted():
                    continue
                raise Interrupted(
                    stop.signal_number,
                    f"stopped in epoch {progress.epoch + 1}, after step {progress.step}; everything is saved",
                    str(run.path),
                    f"go on with: srae-train --resume {run.path}",
                )
            judge = next(iter(s.task.metrics))
            if not math.isfinite(scores[judge]):  # of the epoch's last step, which no later loss tells of
                raise _diverged(s, progress, f"val {judge} is not finite", "seen after its steps")
            progress.epoch += 1
            progress.epoch_seconds = done_before + time.perf_counter() - began
            progress.wall_seconds += progress.epoch_seconds
            improved = s.task.is_better(scores[s.task.best_by], progress.best)
            if improved:
                progress.best, progress.best_epoch = scores[s.task.best_by], progress.epoch
            row = make_row(s, progress, scores, progress.samples / max(train_seconds, 1e-9))
            run.append_row(row)
            say(epoch_line(row, epochs, s.identity))
            progress.end_epoch()
            last = progress.epoch == epochs or _is_stale(progress, patience)
            if improved:
                save_best(run, progress, s.judged, make_meta(s))
            if last or progress.epoch % s.config.train.checkpoint_every == 0:
                save_progress(run, progress, s.model, s.average, s.optimizer, make_meta(s))
                saved = time.perf_counter()


def _validate(s: Session, stopped: Callable[[], bool]) -> dict[str, float]:
    return means(evaluate(s.judged, s.data.val, s.task, s.protocol, dtype=s.dtype, stopped=stopped))


def _run_epoch(s: Session, progress: Progress, pause: Callable[[], bool]) -> None:
    """The steps of one epoch from `progress.batch` on; a pause leaves the rest of them to the next call."""
    config = s.config
    loss_of, score_of = LOSSES[config.train.loss], s.task.metrics[s.task.train_metric]
    loss_is_score = config.train.loss == s.task.train_metric
    sums = torch.tensor([progress.loss_sum, progress.score_sum], dtype=torch.float64, device=s.device)
    s.model.train()
    assert s.optimizer is not None
    batches = _batches(s, progress.epoch, progress.batch)
    hidden = os.environ.get("TERM") == "dumb" or None  # None: unless stderr is a terminal
    bar = tqdm(batches, f"epoch {progress.epoch + 1}", s.steps_per_epoch, False, initial=progress.batch, disable=hidden)
    for batch in bar:
        seed_all(config.seed, progress.epoch, progress.batch)  # dropout
        set_learning_rate(s.optimizer, learning_rate_at(config.train, progress.step, s.steps_per_epoch))
        loss, output = _step_gradients(s, batch.input, batch.target, loss_of)
        with torch.no_grad():
            score = loss if loss_is_score else score_of(output.float(), batch.target).mean()
            sums += torch.stack((loss, score)).double() * len(batch.indices)
        # On CUDA a look at the numbers would stall the queue: there the epoch's sums are checked.
        if s.device.type == "cpu":
            _check_step(s, progress, float(loss), batch.indices)
        s.optimizer.step()
        if s.average is not None and config.train.weight_average:
            update_average(s.average, s.model, config.train.weight_average, progress.step)
        progress.samples += len(batch.indices)
        progress.batch += 1
        progress.step += 1
        if pause():
            break
    progress.loss_sum, progress.score_sum = sums.tolist()


def _batches(s: Session, epoch: int, start: int) -> Iterator[Batch]:
    config, data = s.config.train, s.config.data
    return train_batches(
        s.data.train,
        batch_size=config.batch_size,
        seed=s.config.seed,
        epoch=epoch,
        shuffle=config.shuffle,
        crop=data.crop,
        crops_per_picture=data.crops_per_picture,
        augment=data.augment,
        start=start,
    )


def _step_gradients(s: Session, input: Tensor, target: Tensor, loss_of: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    assert s.optimizer is not None
    s.optimizer.zero_grad(set_to_none=True)
    with autocast(s.device, s.dtype):
        output = s.model(input)
    loss = loss_of(output.float(), target)
    weight = s.config.train.loss_weight
    (loss if weight == 1 else loss * weight).backward()
    if s.config.train.clip_gradient:
        nn.utils.clip_grad_norm_(s.model.parameters(), s.config.train.clip_gradient)
    return loss.detach(), output.detach()


def _check_step(s: Session, progress: Progress, loss: float, indices: list[int]) -> None:
    norm = nn.utils.get_total_norm([p.grad for p in s.model.parameters() if p.grad is not None])
    if not (math.isfinite(loss) and torch.isfinite(norm)):
        names = ", ".join(s.data.train.names[i] for i in indices[:4])
        more = f" and {len(indices) - 4} more" if len(indices) > 4 else ""
        raise _diverged(s, progress, f"loss {loss:g}, gradient norm {float(norm):g}", f"batch: {names}{more}")


def _diverged(s: Session, progress: Progress, what: str, where: str) -> DivergedError:
    rate = learning_rate_at(s.config.train, progress.step, s.steps_per_epoch)
    return DivergedError(
        f"diverged: {what}",
        f"epoch {progress.epoch + 1}, step {progress.step + 1}, learning_rate {rate:g}, {where}",
        "the last good checkpoint is kept; try a smaller learning_rate or train.clip_gradient=1",
    )


def _is_stale(progress: Progress, patience: int | None) -> bool:
    return patience is not None and progress.epoch - progress.best_epoch >= patience and progress.epoch > 0


def _try_last_batch(s: Session) -> None:
    """Batch-norm cannot learn from a single value per channel: better said now than at the end of an epoch."""
    if s.data.train.epoch_length * s.config.data.crops_per_picture % s.config.train.batch_size != 1:
        return
    try:
        with torch.no_grad():
            s.model.train()(torch.zeros(1, *s.data.in_shape, device=s.device))
    except ValueError:
        raise ConfigError(
            "the last batch of an epoch has one sample, and batch-norm needs more",
            "train.batch_size",
            "choose another batch size",
        ) from None


def _time_step(s: Session) -> float | None:
    """Seconds of a step, the median of three; None without parameters.  Changes the session."""
    if s.optimizer is None:
        return None
    times = []
    for _, batch in zip(range(3), _batches(s, 0, 0), strict=False):
        began = time.perf_counter()
        _step_gradients(s, batch.input, batch.target, LOSSES[s.config.train.loss])
        s.optimizer.step()
        if s.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def _finish(s: Session, progress: Progress, run: RunWriter, say: Say) -> dict[str, Any]:
    """Score the best weights, picture by picture, and write what the run folder promises."""
    best = run.checkpoints / "best.safetensors"
    tensors, _ = read_checkpoint(best)
    load_weights(s.model, {name.removeprefix("model."): t for name, t in tensors.items()}, best)
    copy_file(best, run.path / "model.safetensors")  # the name that people look for
    rows, scored = [], {}
    splits: dict[str, Split | None] = {"val": s.data.val, "test": s.data.test}
    if not s.task.has_baseline:  # the loss of an epoch was taken while its weights changed, with dropout
        scored["train"] = means(evaluate(s.model, s.data.train, s.task, s.protocol, dtype=s.dtype))
    for name, split in splits.items():
        if split is not None:
            values = score_split(s.model, split, s.data.classes, s.task, s.protocol, dtype=s.dtype)
            scored[name] = means({metric: values[metric] for metric in s.task.metrics})
            for i, picture in enumerate(split.names):
                rows.append({"split": name, "name": picture, **{metric: v[i] for metric, v in values.items()}})
    run.write_images(rows)
    try:
        if s.task.images:
            save_samples(s.model, s.data.val, run.samples, dtype=s.dtype)
        else:
            save_pictures(s.data.test or s.data.val, "test" if s.data.test else "val", run.samples)
    except ResourceError as error:
        say(f"warning: no sample pictures: {error.what}, {error.where}")
    summary = make_summary(s, progress, read_rows(run.path), scored, "done")
    if s.task.images:
        summary["output"] = describe_outputs(s.model, s.data.val, dtype=s.dtype)
    run.finish(summary)
    return summary
