"""Train one session into its run folder: begin or resume, the loop, the scores of the best weights, the other files."""

from __future__ import annotations

from typing import Any

from srae.checkpoints.format import read_checkpoint
from srae.checkpoints.loading import load_weights
from srae.device import describe_call, describe_machine
from srae.errors import DivergedError, Interrupted, PeerError, ResourceError
from srae.evaluation.evaluate import describe_outputs, save_images, save_samples
from srae.files import copy_file
from srae.runs.reader import read_rows
from srae.runs.signals import catch_signals
from srae.runs.writer import RunWriter
from srae.training.checkpointer import Checkpointer
from srae.training.loop import OnEpoch, Say, Training, validate
from srae.training.progress import Progress
from srae.training.scoring import score_splits
from srae.training.session import Session, make_row, make_summary, start_lines


def train(
    session: Session,
    run: RunWriter,
    say: Say,
    *,
    resume: bool = False,
    allow_changed: bool = False,
    on_epoch: OnEpoch = lambda row: None,
) -> dict[str, Any]:
    """Train (or resume), score, and write everything into the run folder; returns its summary.

    Args:
        allow_changed: resume although the data or the batch size changed.
        on_epoch: called with each new row of metrics.csv; when it returns True, the training ends as after the last
            epoch.

    Raises:
        DivergedError: a loss or gradient is not finite; the last good checkpoint is kept.
        Interrupted: SIGINT, SIGTERM or SIGHUP, after a clean save.
    """
    s = session
    with s.kernels():
        if not resume:
            started_from = {"started_from": s.started_from} if s.started_from else {}
            run.write_start(s.config, _environment(s) | started_from)
        for line in [*s.data.notes, *start_lines(s)]:
            say(line)
        keeper, progress = Checkpointer(s, run), Progress()
        if resume:
            progress = keeper.restore(say, allow_changed=allow_changed)
            run.write_config(s.config)  # more epochs, or other data
            place = {"epoch": progress.epoch, "step": progress.step}
            run.record_resume({**place, "changes": keeper.changes, **_environment(s)})
        run.record_images(s.data.train_digests)
        with catch_signals(alone=not s.peers.exchanges) as stop:
            try:
                if s.optimizer is not None:
                    training = Training(s, progress, run, keeper, say, on_epoch=on_epoch)
                    try:
                        training.fit(stop)
                    finally:
                        training.close()
                elif not (run.checkpoints / "best.safetensors").exists():
                    run.keep_rows(-1)  # it was killed between the row and the checkpoint
                    run.append_row(make_row(s, progress, validate(s, lambda: False), 0.0))
                    keeper.keep_best(progress)
                    keeper.save_best()
            except (DivergedError, Interrupted, PeerError) as error:
                _record_end(s, progress, run, keeper, "diverged" if isinstance(error, DivergedError) else "stopped")
                raise
        return _finish(s, progress, run, say)


def _record_end(s: Session, progress: Progress, run: RunWriter, keeper: Checkpointer, status: str) -> None:
    """Of a training that ends before its last epoch."""
    if s.peers.is_first:
        keeper.save_best()
        run.finish(make_summary(s, progress, read_rows(run.path), {}, status))


def _environment(s: Session) -> dict[str, Any]:
    machines = {"processes": s.peers.machines} if s.peers.machines else {}
    return {**describe_machine(s.device), **describe_call(), **machines}


def _finish(s: Session, progress: Progress, run: RunWriter, say: Say) -> dict[str, Any]:
    """Score the best weights image by image, and write the remaining files of the run folder."""
    if s.starts_useful and progress.best_epoch == 0:
        say("note      no epoch was better on val than the start, whose weights are kept")
    best = run.checkpoints / "best.safetensors"
    tensors = s.peers.broadcast(read_checkpoint(best)[0] if s.peers.is_first else {})
    load_weights(s.model, {name.removeprefix("model."): t for name, t in tensors.items()}, best)
    scored, rows = score_splits(s)
    if not s.peers.is_first:
        return {}
    copy_file(best, run.path / "model.safetensors")  # the documented name
    run.write_images(rows)
    try:
        if s.task.images:
            save_samples(s.model, s.data.val, run.samples, dtype=s.dtype)
        else:
            save_images(s.data.test or s.data.val, "test" if s.data.test else "val", run.samples)
    except ResourceError as error:
        say(f"warning: no sample images: {error.what}, {error.where}")
    summary = make_summary(s, progress, read_rows(run.path), scored, "done")
    if s.task.images:
        summary["output"] = describe_outputs(s.model, s.data.val, dtype=s.dtype)
    run.finish(summary)
    return summary
