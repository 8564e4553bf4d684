"""Score a network on a split, image by image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from srae.analysis.gains import judge_gain
from srae.data import Data, Labels, Split, eval_batches
from srae.distributed.peers import ALONE, Peers
from srae.evaluation.forward import forward_split
from srae.evaluation.metrics import CACHED_VALUES, Protocol
from srae.evaluation.tasks import Task
from srae.images.image import TaggedImage, write_image
from srae.images.tensors import to_float
from srae.models import Shape, build_model
from srae.runs.answers import Answers, count_answers

BATCH_PIXELS = 2**20  # of the larger images: 16 of 256x256; larger batches are no faster and take gigabytes


Values = Mapping[str, Sequence[float]]
"""Metric -> one value per image."""


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    split: Split,
    task: Task,
    protocol: Protocol,
    *,
    dtype: torch.dtype = torch.float32,
    stopped: Callable[[], bool] = lambda: False,
    peers: Peers = ALONE,
) -> dict[str, list[float]]:
    """Metric name -> one value per sample of the split, in its order; fewer values when `stopped` returns True.

    Args:
        peers: the processes that share the work; each gets all values.
    """
    model.eval()
    values = torch.zeros(len(task.metrics), len(split), dtype=torch.float64)
    done = 0
    for batch in eval_batches(split, pixels=BATCH_PIXELS, part=peers.deal):
        if stopped():
            break
        outputs = forward_split(model, batch.input, dtype)
        # A few at a time, so that the many passes of the metrics stay in a CPU's cache.
        few = len(outputs) if outputs.is_cuda else max(1, CACHED_VALUES // outputs[0].numel())
        places = torch.tensor(batch.indices).split(few)
        for place, output, target in zip(places, outputs.split(few), batch.target.split(few), strict=True):
            if task.images:
                output, target = protocol.prepare(output), protocol.prepare(target)
            for column, metric in zip(values, task.metrics.values(), strict=True):
                column[place] = metric(output, target).to(column)
        done += len(batch.indices)
    if peers.exchanges:
        sums = peers.total(torch.cat((values.flatten(), values.new_tensor([done]))))
        values, done = sums[:-1].view_as(values), int(sums[-1])
        done = done if done == len(split) else 0  # what is missing of several processes is not at the end
    return {name: column[:done].tolist() for name, column in zip(task.metrics, values, strict=True)}


def means(values: Values, identity: Values = MappingProxyType({})) -> dict[str, float]:
    """Means over samples; values that are not defined (NaN) are left out.

    Out of the mean PSNR are also the images that `find_exact` finds: an infinite value has no mean, and both means
    are to be over the same images.  It is infinite only where no other image is left.

    Args:
        identity: values of the baseline, where there is one.
    """
    exact = set(find_exact(values, identity))
    kept = {**values, "psnr": [v for i, v in enumerate(values.get("psnr", ())) if i not in exact]}
    defined = {name: [v for v in kept[name] if not math.isnan(v)] for name in values}
    empty = {name: math.inf if name == "psnr" and exact else math.nan for name in values}
    return {name: math.fsum(column) / len(column) if column else empty[name] for name, column in defined.items()}


def find_exact(values: Values, identity: Values = MappingProxyType({})) -> list[int]:
    """Places of the images that the network or the baseline reproduces without any error: their PSNR is infinite."""
    columns = [column for column in (values.get("psnr"), identity.get("psnr")) if column]
    return [i for i, pair in enumerate(zip(*columns, strict=False)) if math.inf in pair]


def mean_gain(values: Values, identity: Values) -> float | None:
    """Mean PSNR minus that of the baseline in dB, over the images on which both are finite; None without any."""
    gains = _gains(values, identity)
    return math.fsum(gains.values()) / len(gains) if gains else None


def judge_gains(values: Values, identity: Values, groups: Sequence[str] = ()) -> dict[str, Any] | None:
    """Interval and paired test of the mean gain, as `analysis.gains.judge_gain` returns them; None without any.

    Args:
        groups: of the images (`Split.groups`).
    """
    gains = _gains(values, identity)
    alone = len(set(groups)) == len(groups)
    return judge_gain([*gains.values()], None if alone else [groups[i] for i in gains]) if gains else None


def answers_in(values: Mapping[str, Sequence[Any]]) -> Answers | None:
    """What a classifier answered, from `score_split`; None for images."""
    pairs = zip(values.get("label", ()), values.get("prediction", ()), strict=True)
    return count_answers(pairs) if values.get("prediction") else None


def _gains(values: Values, identity: Values) -> dict[int, float]:
    """Place of an image -> its gain in dB."""
    pairs = enumerate(zip(values.get("psnr", ()), identity.get("psnr", ()), strict=False))
    return {i: psnr - other for i, (psnr, other) in pairs if math.isfinite(psnr) and math.isfinite(other)}


def baseline_model(in_shape: Shape, out_shape: Shape) -> nn.Module:
    """The identity baseline: returns its input, enlarged bicubically where the sizes differ."""
    return build_model("identity" if in_shape == out_shape else "bicubic", in_shape, out_shape, {})


def evaluate_baseline(
    data: Data, split: Split, task: Task, protocol: Protocol, peers: Peers = ALONE
) -> dict[str, list[float]]:
    """Metrics of `baseline_model` on a split, as `evaluate` returns them; empty where there is none."""
    if not task.has_baseline:
        return {}
    return evaluate(baseline_model(data.in_shape, data.out_shape), split, task, protocol, peers=peers)


@torch.inference_mode()
def save_samples(model: nn.Module, split: Split, folder: Path, *, dtype: torch.dtype, count: int = 4) -> None:
    """`<name>_low.png`, `_output.png`, `_high.png` of the first images of a split."""
    for name, sides in sample_outputs(model, split, dtype=dtype, count=count):
        for side, image in sides.items():
            _write_png(folder / f"{Path(name).stem}_{side}.png", image)


@torch.inference_mode()
def sample_outputs(
    model: nn.Module, split: Split, *, dtype: torch.dtype, count: int
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Name and `low`, `output`, `high`, each (1|3, H, W) in [0, 1], of the first images of a split."""
    model.eval()
    for batch in islice(eval_batches(split), count):
        output = forward_split(model, batch.input, dtype).float().clamp(0, 1)
        sides = {"low": batch.input, "output": output, "high": batch.target}
        yield split.names[batch.indices[0]], {side: _shown(image[0]) for side, image in sides.items()}


def _shown(image: Tensor) -> Tensor:
    """The channels of (C, H, W) that stand for it on a screen: the first three, or the first."""
    return image[: 3 if len(image) > 2 else 1]


def save_images(split: Split, name: str, folder: Path, *, count: int = 8) -> None:
    """`<name>_<i>.png` of images spread evenly over a labelled split; i is their place in it."""
    for place in sorted({k * len(split) // count for k in range(count)}):
        _write_png(folder / f"{name}_{place}.png", to_float(split.input.image(place)))


def _write_png(path: Path, image: Tensor) -> None:
    """Args: image: float (1|3, H, W) in [0, 1]."""
    write_image(path, TaggedImage.from_float(image.cpu().numpy()), overwrite=True)


@torch.inference_mode()
def describe_outputs(model: nn.Module, split: Split, *, dtype: torch.dtype, count: int = 16) -> dict[str, float]:
    """Range of the values in the outputs for the first images, and how much the outputs differ.

    Returns:
        `min` and `max`, in [0, 1] of the images; `target_min`, `target_max`; `spread`, the largest
        difference between two outputs at one place: 0 when the network returns one image for every input.
    """
    model.eval()
    batches = list(islice(eval_batches(split), count))
    outputs = [forward_split(model, batch.input, dtype)[0, :3].float().cpu() for batch in batches]
    targets = [batch.target[0, :3].cpu() for batch in batches]
    spread = max((float((o - outputs[0]).abs().max()) for o in outputs[1:] if o.shape == outputs[0].shape), default=1.0)
    return {
        "min": min(float(o.min()) for o in outputs),
        "max": max(float(o.max()) for o in outputs),
        "target_min": min(float(t.min()) for t in targets),
        "target_max": max(float(t.max()) for t in targets),
        "spread": spread,
    }


@torch.inference_mode()
def predict(model: nn.Module, split: Split, *, dtype: torch.dtype = torch.float32, peers: Peers = ALONE) -> list[int]:
    """The class of the largest logit, for every sample."""
    model.eval()
    labels = torch.zeros(len(split), dtype=torch.int64)
    for batch in eval_batches(split, pixels=BATCH_PIXELS, part=peers.deal):
        labels[batch.indices] = forward_split(model, batch.input, dtype).argmax(1).cpu()
    return peers.total(labels).tolist()


def score_split(
    model: nn.Module,
    split: Split,
    classes: Sequence[str],
    task: Task,
    protocol: Protocol,
    *,
    dtype: torch.dtype = torch.float32,
    peers: Peers = ALONE,
) -> dict[str, list[Any]]:
    """As `evaluate`; of labelled images also the true class (`label`) and the predicted one (`prediction`), by name."""
    values: dict[str, list[Any]] = {**evaluate(model, split, task, protocol, dtype=dtype, peers=peers)}
    if isinstance(split.target, Labels):
        values["label"] = [classes[label] for label in split.target.values.tolist()]
        values["prediction"] = [classes[label] for label in predict(model, split, dtype=dtype, peers=peers)]
    return values
