"""What a training saves in its checkpoints, and how a resume restores it.

A run has up to four: `best` holds only weights; `last` everything that a resume needs; `previous` is the `last` before
it, kept until the next one is on disk; `damaged` is a `last` that could not be read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.checkpoints.loading import load_weights
from srae.config.schedules import learning_rate_at
from srae.errors import CheckpointError, ConfigError
from srae.runs.writer import RunWriter
from srae.training.progress import Progress
from srae.training.session import Session, make_meta

Say = Callable[[str], None]


def has_progress(run: RunWriter) -> bool:
    """Whether the run has weights to go on from; a run killed before its first checkpoint starts again."""
    return bool(_resumable(run))


def _resumable(run: RunWriter) -> list[Path]:
    """Newest first."""
    return [p for n in ("last", "previous") if (p := run.checkpoints / f"{n}.safetensors").exists()]


class Checkpointer:
    """Saves one session into one run folder, and restores it from there."""

    def __init__(self, session: Session, run: RunWriter) -> None:
        self._session, self._run = session, run
        self._best: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        """Weights and meta data of the best epoch that are not on disk yet."""
        self.changes: dict[str, Any] = {}
        """What `restore` found changed, for the record: key -> [then, now]."""

    def keep_best(self, progress: Progress, *, saved_at_once: bool = True) -> None:
        """Remember the validated weights for `save_best`; copied unless they are saved before the next step."""
        if not self._session.peers.is_first:
            return
        # Without the state of the optimizer: 1.1 GB instead of 3.2 GB for skip3.
        weights = {f"model.{name}": t for name, t in self._session.judged.state_dict().items()}
        if not saved_at_once:
            weights = {name: tensor.clone() for name, tensor in weights.items()}
        self._best = weights, self._meta(progress)

    def save_best(self) -> None:
        """Write what `keep_best` remembered, if it is not written yet."""
        if self._best is not None:
            save_checkpoint(self._run.checkpoints / "best.safetensors", *self._best, None)
            self._best = None

    def save_last(self, progress: Progress) -> None:
        """Everything a resume needs, as `last`; what was `last` becomes `previous`.

        `best` is saved first, because `last` refers to the best epoch.  Of several processes the first one saves.
        """
        if not self._session.peers.is_first:
            return
        self.save_best()
        last, previous = (self._run.checkpoints / f"{name}.safetensors" for name in ("last", "previous"))
        save_checkpoint(last, self._state(), self._meta(progress), previous)

    def _meta(self, progress: Progress) -> dict[str, Any]:
        return {**make_meta(self._session), "progress": asdict(progress)}

    def _state(self) -> dict[str, Tensor]:
        s = self._session
        assert s.optimizer is not None
        state = {f"model.{name}": tensor for name, tensor in s.model.state_dict().items()}
        state |= {
            f"optimizer.{index}.{name}": tensor
            for index, tensors in s.optimizer.state_dict()["state"].items()
            for name, tensor in tensors.items()
            if tensor is not None
        }
        if s.average is not None:
            state |= {f"average.{name}": tensor for name, tensor in s.average.state_dict().items()}
        if s.scaler is not None:
            scaler = s.scaler.state_dict()
            state |= {f"scaler.{name}": torch.tensor(scaler[name]) for name in _SCALER}
        return state

    def restore(self, say: Say, *, allow_changed: bool = False) -> Progress:
        """`read_last` by the first process; the others get what it read."""
        peers = self._session.peers
        if not peers.exchanges:
            return self.read_last(say, allow_changed=allow_changed)
        progress = self.read_last(say, allow_changed=allow_changed) if peers.is_first else Progress()
        self._share()
        counters = torch.frombuffer(bytearray(json.dumps(asdict(progress)).encode()), dtype=torch.uint8)
        return Progress(**json.loads(bytes(peers.broadcast({"counters": counters})["counters"].tolist())))

    def align(self, say: Say) -> None:
        """Where the processes have come to other bits, as CPUs of two kinds do, all go on with those of the first."""
        peers = self._session.peers
        if not peers.exchanges:
            return
        digest = hashlib.sha256()
        for _, tensor in sorted(self._state().items()):
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        found = torch.zeros(peers.size, dtype=torch.int64)
        found[peers.rank] = int.from_bytes(digest.digest()[:6], "big")
        if len({*peers.total(found).tolist()}) > 1:
            say("note: the machines of this training compute other bits than each other; all take those of the first")
            self._share()

    def _share(self) -> None:
        """Give the state of the first process to all."""
        peers = self._session.peers
        tensors = peers.broadcast(self._state() if peers.is_first else {})
        if not peers.is_first:
            self._load(Path("the first process"), tensors)

    def read_last(self, say: Say, *, allow_changed: bool = False) -> Progress:
        """Load the newest intact checkpoint into the session; a fresh start when there is none yet.

        Args:
            allow_changed: resume with other data or another batch size.

        Raises:
            CheckpointError: there are checkpoints, and none is intact, or of this network.
            ConfigError: data or batch size changed since the run was started.
        """
        s, run = self._session, self._run
        found = _resumable(run)
        if not found or s.optimizer is None:
            say("no checkpoint yet: starting from the first step")
            run.keep_rows(0)
            return Progress()
        path, tensors, saved = _read_first_intact(found, run, say)
        meta = make_meta(s)
        try:
            progress = Progress(**saved["progress"])
            changed = _changes(saved, meta)
            then, now = saved["machine"], meta["machine"]
            different = [f"{key} {then.get(key)} -> {now[key]}" for key in now if then.get(key) != now[key]]
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"its meta data cannot be read: {error}", str(path), "use the version of srae that wrote it"
            ) from None
        if changed and not allow_changed:
            what = f"changed since this run was started: {', '.join(changed.values())}"
            raise ConfigError(what, str(run.path), "restore it, start a new run, or go on with --allow-changed")
        self._load(path, tensors)
        s.started_from = saved.get("started_from")
        if different:
            say(f"other conditions than before, so the run is not bit-identical: {', '.join(different)}")
        if changed:
            say(f"changed, as allowed: {', '.join(changed.values())}; the current epoch starts again")
            progress.end_epoch()
            progress.step = progress.epoch * s.steps_per_epoch  # where the learning rate stands
            if "data" in changed:
                progress.best = None  # metrics on other data do not compare
        self._compare_schedules(saved["config"]["train"], progress.step, say)
        run.keep_rows(progress.epoch)
        run.reopen()
        say(f"going on from {path.name}: epoch {progress.epoch + 1}, step {progress.step}")
        return progress

    def _compare_schedules(self, then: Mapping[str, Any], step: int, say: Say) -> None:
        """More epochs stretch a schedule: the rate of the next step may be far from that of the last one."""
        now, per_epoch = self._session.config.train, self._session.steps_per_epoch
        if then.get("epochs") == now.epochs:
            return
        before = learning_rate_at(now.model_copy(update={"epochs": then["epochs"]}), max(step - 1, 0), per_epoch)
        after = learning_rate_at(now, step, per_epoch)
        self.changes = {"train.epochs": [then["epochs"], now.epochs], "learning_rate": [before, after]}
        if abs(after - before) > 0.01 * max(after, before):
            say(
                f"warning: train.epochs {then['epochs']} -> {now.epochs} stretches the {now.schedule} schedule: "
                f"the learning rate goes from {before:.3g} to {after:.3g} at step {step + 1}"
            )

    def _load(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        s = self._session
        for prefix, module in (("model.", s.model), ("average.", s.average)):
            if module is not None:
                load_weights(module, _with_prefix(tensors, prefix), path)
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _with_prefix(tensors, "optimizer.").items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = tensor
        assert s.optimizer is not None
        s.optimizer.load_state_dict({"state": state, "param_groups": s.optimizer.state_dict()["param_groups"]})
        scaler = _with_prefix(tensors, "scaler.")
        if s.scaler is not None and scaler:  # missing where the run used another precision before
            s.scaler.load_state_dict({**s.scaler.state_dict(), **{name: scaler[name].item() for name in _SCALER}})


_SCALER = ("scale", "_growth_tracker")
"""What changes in a gradient scaler."""


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _changes(saved: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, str]:
    """Changes in what decides on the order and content of the batches; key -> description."""
    then, now = (
        {"data": at["data"]["fingerprint"], "batch_size": at["config"]["train"]["batch_size"]} for at in (saved, meta)
    )
    return {key: f"{key} {then[key]} -> {now[key]}" for key in now if then[key] != now[key]}


def _read_first_intact(found: list[Path], run: RunWriter, say: Say) -> Any:
    for path in found:
        try:
            intact = path, *read_checkpoint(path)
        except CheckpointError as error:
            say(f"{path.name}: {error.what}; trying the one before")
            continue
        if path.stem == "previous" and len(found) > 1:  # or the next save would put the damaged one in its place
            found[0].replace(found[0].with_name("damaged.safetensors"))
        return intact
    raise CheckpointError("every checkpoint of this run is damaged", str(run.path), "start a new run")
