"""Check everything that can fail before a run folder is made: data, shapes, options, the first steps.

With `evaluation` the only package that sees both data and models.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from srae.checkpoints.loading import start_from
from srae.checkpoints.shipped import find_weights, resolve_model
from srae.config.experiment import Config, TrainConfig
from srae.data import Batch, Data, Split, count_batches, open_data, train_batches
from srae.data.enlarged import enlarge_if_smaller
from srae.data.subset import count_pixels, crop_middle, hardest_batch, spread
from srae.device import pick_precision, seed_all, wait_for
from srae.distributed.peers import ALONE, Peers, check_size
from srae.errors import ConfigError
from srae.evaluation.evaluate import BATCH_PIXELS, evaluate, evaluate_baseline, means
from srae.evaluation.metrics import Protocol, show_channels
from srae.evaluation.tasks import TASKS, build_loss
from srae.models import build_model, count_parameters, keeps_size
from srae.training.optimizer import build_optimizer
from srae.training.session import Session
from srae.training.step import TrainingStep


def prepare(
    config: Config,
    device: torch.device,
    *,
    resume: bool = False,
    runs_dir: Path = Path("runs"),
    peers: Peers = ALONE,
) -> Session:
    """Open the data, time a step, build the network: everything that can fail before a run folder is made.

    Args:
        resume: the weights will come from the run itself, not from `train.start_from`.
        runs_dir: where a run that `train.start_from` names is sought.
        peers: the processes that share this training; each prepares its own session, at its own pace.

    Raises:
        ConfigError: options or shapes that do not fit.
        DataError: everything that is wrong with the images.
        CheckpointError: weights of `train.start_from` that cannot be read, or do not fit.
    """
    check_size(peers.size, config.train.shards)
    if "tensorboard" in config.train.log:
        _check_tensorboard()
    section = enlarge_if_smaller(config.data) if keeps_size(config.model.name) else config.data
    data = open_data(section).to(device)
    config = config.model_copy(update={"data": data.section or section})
    val = _pick_val(config.train, data.val)
    trial = _build(config, data, val, device)  # thrown away, so that it leaves no trace in weights and memory
    trial.peers = peers.apart()
    with trial.kernels():
        _try_smallest_shard(trial)
        step_seconds, scoring_seconds = _time_step(trial), _time_scoring(trial)
        identity = evaluate_baseline(data, val, trial.task, trial.protocol)
    del trial
    session = _build(config, data, val, device)
    if peers.size > 1 and session.optimizer is None:
        raise ConfigError(f"{config.model.name} has nothing to train", "model.name", "use one process")
    session.peers = peers
    session.step_seconds, session.scoring_seconds = step_seconds, scoring_seconds
    session.identity_values, session.identity = identity, means(identity)
    if config.train.start_from and not resume:
        named = resolve_model(config.train.start_from, runs_dir, data.notes.append)
        source = start_from(session.model, find_weights(named))
        session.started_from = source.describe()
        data.notes.append(source.note)
    if config.train.weight_average and session.optimizer is not None:
        session.average = copy.deepcopy(session.model)
    return session


def _build(config: Config, data: Data, val: Split, device: torch.device) -> Session:
    if TASKS[config.task].images != (len(data.out_shape) == 3):
        wanted = "images as target (data.target: input)" if TASKS[config.task].images else "labels as target"
        raise ConfigError(f"task {config.task} needs {wanted}", "task", f"data {data.name} has {data.out_shape}")
    loss = build_loss(config.train, config.task)
    seed_all(config.seed)
    model = build_model(config.model.name, data.in_shape, data.out_shape, config.model.options).to(device)
    if model.fixed_size and data.val.input.shape != data.in_shape:
        raise ConfigError(
            f"model {config.model.name} has the fixed input size {data.in_shape[1:]}, and val images have others",
            "data.crop",
            "leave out data.crop, or use a network without a fixed input size",
        )
    dtype = pick_precision(config.train.precision, device)
    return Session(
        config=config,
        task=TASKS[config.task],
        loss=loss,
        data=data,
        device=device,
        dtype=dtype,
        scaler=torch.amp.GradScaler(device.type) if dtype == torch.float16 else None,
        protocol=Protocol(channels=show_channels(config.data.channels), levels=config.data.levels),
        model=model,
        optimizer=build_optimizer(config.train, model) if count_parameters(model) else None,
        val=val,
        steps_per_epoch=count_batches(
            data.train, batch_size=config.train.batch_size, crops_per_picture=config.data.sampling.crops_per_picture
        ),
    )


def _check_tensorboard() -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise ConfigError("TensorBoard is not installed", "train.log", "pip install 'srae[tensorboard]'") from None


def _pick_val(train: TrainConfig, val: Split) -> Split:
    """What a validation scores; `val` itself where nothing limits it."""
    if train.val_limit:
        val = spread(val, train.val_limit)
    return crop_middle(val, train.val_crop) if train.val_crop else val


def epoch_batches(s: Session, epoch: int, start: int) -> Iterator[Batch]:
    """The training batches of an epoch from the batch `start` on."""
    config = s.config.train
    return train_batches(
        s.data.train,
        batch_size=config.batch_size,
        seed=s.config.seed,
        epoch=epoch,
        shuffle=config.shuffle,
        start=start,
        part=(s.peers.rank, s.peers.size),
        **s.config.data.sampling._asdict(),
    )


def _try_smallest_shard(s: Session) -> None:
    """Batch-norm cannot learn from a single value per channel: report it now, not at the end of an epoch."""
    # Tried, not refused at once: places count too, so only networks that end in 1x1 pixels fail.
    train, samples = s.config.train, s.data.train.epoch_length * s.config.data.sampling.crops_per_picture
    batches = {"every batch": min(samples, train.batch_size), "the last batch of an epoch": samples % train.batch_size}
    # A batch of n is cut into shards of n // S samples, and some of one more; empty ones are left out.
    single = [name for name, n in batches.items() if n and (n // train.shards == 1 or n < train.shards)]
    if not single:
        return
    try:
        with torch.no_grad():
            s.model.train()(torch.zeros(1, *s.data.in_shape, device=s.device))
    except ValueError:
        of = "a shard of " if train.shards > 1 else ""
        raise ConfigError(
            f"{of}{single[0]} has one sample, and batch-norm needs more",
            "train.batch_size",
            "choose another batch size" + (", or fewer shards" if of else ""),
        ) from None


def _time_step(s: Session) -> float | None:
    """Seconds of a step, the median of a few; None without parameters.  Changes the session."""
    if s.optimizer is None:
        return None
    times, step = [], TrainingStep(s)
    for _, batch in zip(range(7 if s.device.type == "cuda" else 3), epoch_batches(s, 0, 0), strict=False):
        began = time.perf_counter()
        step(batch, (s.config.seed, 0, 0))
        wait_for(s.device)
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def _time_scoring(s: Session) -> float:
    """Seconds per pixel of the largest images: what does not fit in memory fails before there is a run."""
    # Measured, not derived from a step: crops of 96 and val images of 1224x1788 made "about 3 s" of 5.6 minutes.
    batches = [hardest_batch(split, BATCH_PIXELS) for split in (s.val, s.data.val, s.data.test) if split]
    batch = max(batches, key=count_pixels)
    began = time.perf_counter()
    evaluate(s.model, batch, s.task, s.protocol, dtype=s.dtype)
    return (time.perf_counter() - began) / count_pixels(batch)
