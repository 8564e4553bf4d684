"""Where a training stands: saved with every checkpoint, restored by a resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srae.checkpoint import load_weights, read_checkpoint, save_checkpoint
from srae.errors import CheckpointError, ConfigError
from srae.run_writer import RunWriter


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


def save_best(run: RunWriter, progress: Progress, model: nn.Module, meta: Mapping[str, Any]) -> None:
    """The weights alone, as `best`."""
    path = run.checkpoints / "best.safetensors"
    save_checkpoint(path, _weights(model), {**meta, "progress": asdict(progress)}, None)


def save_progress(
    run: RunWriter,
    progress: Progress,
    model: nn.Module,
    average: nn.Module | None,
    optimizer: torch.optim.Optimizer,
    meta: Mapping[str, Any],
) -> None:
    """Everything a resume needs, as `last`; what was `last` becomes `previous`."""
    state = {
        f"optimizer.{index}.{name}": tensor
        for index, tensors in optimizer.state_dict()["state"].items()
        for name, tensor in tensors.items()
        if tensor is not None
    }
    if average is not None:
        state |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    last, previous = run.checkpoints / "last.safetensors", run.checkpoints / "previous.safetensors"
    save_checkpoint(last, _weights(model) | state, {**meta, "progress": asdict(progress)}, previous)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {f"model.{name}": tensor for name, tensor in model.state_dict().items()}


def has_progress(run: RunWriter) -> bool:
    """Whether the run has weights to go on from; a run killed before its first checkpoint starts again."""
    return bool(_checkpoints(run))


def _checkpoints(run: RunWriter) -> list[Path]:
    """Newest first."""
    return [p for n in ("last", "previous") if (p := run.checkpoints / f"{n}.safetensors").exists()]


def restore_progress(
    run: RunWriter,
    model: nn.Module,
    average: nn.Module | None,
    optimizer: torch.optim.Optimizer | None,
    meta: Mapping[str, Any],
    steps_per_epoch: int,
    say: Callable[[str], None],
    *,
    allow_changed: bool = False,
) -> Progress:
    """Load the newest whole checkpoint into model and optimizer; a fresh start when there is none yet.

    Args:
        allow_changed: go on with other data or another batch size.

    Raises:
        CheckpointError: there are checkpoints, and none is whole, or of this network.
        ConfigError: data or batch size changed since the run was started.
    """
    found = _checkpoints(run)
    if not found or optimizer is None:
        say("no checkpoint yet: starting from the first step")
        run.keep_rows(0)
        return Progress()
    path, tensors, saved = _read_first_whole(found, run, say)
    try:
        progress = Progress(**saved["progress"])
        changed = _changes(saved, meta)
        then, now = saved["machine"], meta["machine"]
        different = [f"{key} {then.get(key)} -> {now[key]}" for key in now if then.get(key) != now[key]]
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"not understood: {error}", str(path), "use the srae that wrote it") from None
    if changed and not allow_changed:
        what = f"changed since this run was started: {', '.join(changed.values())}"
        raise ConfigError(what, str(run.path), "restore it, start a new run, or go on with --allow-changed")
    for name, module in (("model.", model), ("average.", average)):
        if module is not None:
            weights = {key.removeprefix(name): t for key, t in tensors.items() if key.startswith(name)}
            load_weights(module, weights, path)
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    if different:
        say(f"other conditions than before, so not equal to the bit: {', '.join(different)}")
    if changed:
        say(f"changed, as allowed: {', '.join(changed.values())}; the epoch under way begins again")
        progress.end_epoch()
        progress.step = progress.epoch * steps_per_epoch  # where the learning rate stands
        if "data" in changed:
            progress.best = None  # figures of other data are no measure
    run.keep_rows(progress.epoch)
    run.reopen()
    say(f"going on from {path.name}: epoch {progress.epoch + 1}, step {progress.step}")
    return progress


def _changes(saved: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, str]:
    """What decides on the order and content of the batches, and is not as it was, in words."""
    then, now = (
        {"data": at["data"]["fingerprint"], "batch_size": at["config"]["train"]["batch_size"]} for at in (saved, meta)
    )
    return {key: f"{key} {then[key]} -> {now[key]}" for key in now if then[key] != now[key]}


def _read_first_whole(found: list[Path], run: RunWriter, say: Callable[[str], None]) -> Any:
    for path in found:
        try:
            whole = path, *read_checkpoint(path)
        except CheckpointError as error:
            say(f"{path.name}: {error.what}; trying the one before")
            continue
        if path.stem == "previous" and len(found) > 1:  # or the next save would put the damaged one in its place
            found[0].replace(found[0].with_name("damaged.safetensors"))
        return whole
    raise CheckpointError("no checkpoint of this run is whole", str(run.path), "start a new run")
