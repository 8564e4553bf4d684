"""Score a trained network on a data set under a protocol: what `srae eval` does, callable from Python.

Examples:
    scores = score_model(load_model("runs/residual"), folder="data/set5", scale=2, protocol="y")
    scores.document["val"]["psnr"], scores.document["identity"]["psnr"]  # dB
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from pydantic import ValidationError

from srae.checkpoints.loading import TrainedModel
from srae.config.data_sets import DataConfig, PairsConfig
from srae.config.degrade import Degrade
from srae.data import Data, Split, Store, open_data
from srae.data.contract import take_fingerprint
from srae.data.enlarged import enlarge_if_smaller
from srae.device import float32_kernels
from srae.errors import ConfigError, explain_problem
from srae.evaluation.evaluate import (
    answers_in,
    baseline_model,
    evaluate,
    find_exact,
    judge_gains,
    mean_gain,
    means,
    score_split,
)
from srae.evaluation.forward import InColour, SelfEnsemble
from srae.evaluation.metrics import Protocol, show_channels
from srae.evaluation.tasks import TASKS
from srae.models import Shape
from srae.models.baselines import baseline_name
from srae.runs.layout import run_of
from srae.runs.messages import list_names
from srae.runs.trained_on import find_trained_on

_Kernel = Literal["bicubic", "photo"]


@dataclass(frozen=True)
class Scores:
    """Metrics of one model on one split.

    Attributes:
        document: `model`, `data`, `protocol`, the means under the split's name, `identity` (means of the identity
            baseline, or None) and `best_epoch`: what `srae eval --json` prints.
        columns: name of a column -> one value per image: `split`, `name`, each metric, `identity_mse`; of labelled
            images also `label` and `prediction`.
        label: data, split and protocol as a part of file names, for example ``set5-val-y``.
        protocol: how images were prepared for the metrics; None where the model outputs classes.
    """

    document: dict[str, Any]
    columns: dict[str, list[Any]]
    label: str
    protocol: Protocol | None

    @property
    def metrics(self) -> dict[str, float]:
        """Means over the images of the split."""
        return self.document[self.columns["split"][0]]

    @property
    def baseline(self) -> dict[str, float] | None:
        """Those of the identity baseline or of bicubic interpolation, where there is one."""
        return self.document["identity"]


def score_model(
    trained: TrainedModel,
    *,
    folder: str | None = None,
    split: Literal["train", "val", "test"] = "val",
    scale: int | None = None,
    kernel: _Kernel = "bicubic",
    protocol: Literal["rgb", "y"] = "rgb",
    self_ensemble: bool = False,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = lambda _: None,
) -> Scores:
    """Run every image of a split through a trained network and, where there is one, through the identity baseline.

    Args:
        folder: images; all of them are val where no split is on disk.  None: the run's own data, split as they were
            for its training.
        scale: make the low-resolution images from those of the folder, 1/scale of each side; 2 to 8.
        kernel: how `scale` shrinks; "photo": as images from the web were, with blur, noise and JPEG artefacts.
        protocol: "rgb": all pixels; "y": luma, `scale` pixels cut off each border; only for networks that enlarge.
            Where all files are grey, luma is in full range, else in [16, 235], as published scripts have it.
        self_ensemble: score the mean over the eight rotations and flips; only for networks that enlarge.
        say: called with each line that the user should read.

    Raises:
        ConfigError: the data have no such split, or a scale, size or classes that do not fit the model.
        DataError: everything that is wrong with the images.
    """
    if isinstance(trained.config.data.channels, int) and protocol == "y":
        what = f"the model takes {trained.config.data.channels} bands, and bands have no luma"
        raise ConfigError(what, "--protocol y", "leave it out: all bands count then")
    device, task, trained_on = torch.device(device), TASKS[trained.config.task], trained.config.data
    model, section = trained.model, _pick_data(trained_on, folder, scale, kernel)
    if folder and isinstance(section, PairsConfig) and not scale:  # of folders X2, X3, X4 the one for this model
        section = section.model_copy(update={"scale": section.scale or trained.model.scale})
    if task.has_baseline and trained_on.channels == "L":  # scored on the same colour images as every other network
        model, section = InColour(model), section.model_copy(update={"channels": "RGB"})
        say("this model knows grey only: the colours are enlarged bicubically")
    if getattr(trained.model, "scale", None) == 1:
        section = enlarge_if_smaller(section, trained_on.enlarge_kernel)
    with float32_kernels(device):
        # Nothing of another folder was trained on, so all is val; the run's own images keep the split of its training.
        data = open_data(section, for_scoring=True, undivided=bool(folder)).to(device)
        for note in data.notes:
            say(note)
        part, section = _pick_split(data, split), data.section or section
        known = _find_trained_on(trained, data, split, say) if folder else None
        all_channels = Protocol(channels=show_channels(section.channels), levels=section.levels)
        prepare, baseline, identity = all_channels, "", dict[str, list[float]]()
        if task.has_baseline:
            shapes = _sample_shapes(part)
            factor = _check_scale(trained, *shapes)
            if protocol == "y":
                prepare = replace(prepare, channels="grey" if data.grey_files else "Y", border=scale or factor)
            elif not isinstance(section.channels, int):
                prepare = replace(prepare, channels="RGB")
            model = SelfEnsemble(model) if self_ensemble else model
            baseline, identity = baseline_name(factor), evaluate(baseline_model(*shapes), part, task, prepare)
        else:
            _check_targets(trained, data, say)
        values = score_split(model.to(device), part, data.classes, task, prepare)
    ways = [kernel] * (kernel != "bicubic") + [protocol] + ["self-ensemble"] * self_ensemble
    return Scores(
        document=_describe(
            trained,
            data,
            split,
            protocol=prepare.as_dict() | ({"baseline": baseline} if baseline else {}),
            values=values,
            identity=identity,
        )
        | ({"trained_on": {split: len(known)}} if known is not None else {}),
        columns=_columns_of(part, split, values, identity),
        label="-".join([data.name, split, *(ways if task.has_baseline else [])]),
        protocol=prepare if task.images else None,
    )


def _describe(
    trained: TrainedModel,
    data: Data,
    split: str,
    *,
    protocol: dict[str, Any],
    values: dict[str, list[Any]],
    identity: dict[str, list[float]],
) -> dict[str, Any]:
    """The document of `Scores`."""
    digests = data.digests.get(split, {})
    metrics, answers = TASKS[trained.config.task].metrics, answers_in(values)
    balanced = {"balanced_accuracy": answers.balanced_accuracy} if answers else {}
    return {
        "model": str(trained.path),
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "counts": {split: len(_pick_split(data, split))},
            # Of the files alone: equal for two models that need them prepared in different ways, alpha too.
            **(
                {"images": take_fingerprint((("", name, digest[:64]) for name, digest in digests.items()), "")}
                if digests
                else {}
            ),
        },
        "protocol": protocol,
        split: means({name: values[name] for name in metrics}, identity) | balanced,
        "answers": {split: answers.as_dict()} if answers else None,
        "identity": means(identity) or None,
        "gain_db": {split: mean_gain(values, identity)} if identity else None,
        "gain_test": {split: judge_gains(values, identity, _pick_split(data, split).groups)} if identity else None,
        "exact": {split: [_pick_split(data, split).names[i] for i in find_exact(values, identity)]},
        # Shows later whether a longer training has replaced these weights.
        "best_epoch": trained.meta.get("progress", {}).get("best_epoch"),
    }


def _columns_of(
    part: Split, split: str, values: dict[str, list[Any]], identity: dict[str, list[float]]
) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"split": [split] * len(part), "name": part.names, **values}
    columns |= {"identity_mse": identity["mse"]} if identity else {}
    return columns | {"group": list(part.groups) if part.groups else [None] * len(part)}


def _pick_data(trained_on: DataConfig, folder: str | None, scale: int | None, kernel: _Kernel) -> DataConfig:
    """The run's own data or the folder, with low-resolution images as the caller wants them."""
    section = trained_on.to_score(folder) if folder else trained_on
    if scale is None:
        return section
    try:
        return section.degraded(Degrade(kernel=kernel, scale=scale))
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0])
        raise ConfigError(f"{name} {explain_problem(problem)}", name, "see the docstring of score_model") from None


def _pick_split(data: Data, name: str) -> Split:
    split: Split | None = getattr(data, name)
    if split is None:
        raise ConfigError(f"{data.name} has no {name} images", None, "choose another --split")
    return split


def _find_trained_on(trained: TrainedModel, data: Data, split: str, say: Callable[[str], None]) -> list[str] | None:
    """The images that the model was trained on, where its run folder says so."""
    digests = data.digests.get(split, {})
    known = find_trained_on(run_of(trained.path), digests)
    if known:
        count = f"{len(known)} of these {len(digests)} images were trained on ({list_names(known, 3)})"
        say(f"{count}, so these metrics are too good: score other images, or the run's own {split} without the folder")
    return known


def _sample_shapes(split: Split) -> tuple[Shape, Shape]:
    """(C, h, w) of the first input and (C, H, W) of its target."""
    assert isinstance(split.target, Store)
    return tuple(split.input.image(0).shape), tuple(split.target.image(0).shape)


def _check_scale(trained: TrainedModel, in_shape: Shape, out_shape: Shape) -> int:
    """Target side / input side, which must be the scale of the model."""
    scale = out_shape[1] // in_shape[1]
    if scale != trained.model.scale:
        what = f"the model enlarges by {trained.model.scale}, these pairs by {scale}"
        raise ConfigError(what, str(trained.path), "see --scale")
    return scale


def _check_targets(trained: TrainedModel, data: Data, say: Callable[[str], None]) -> None:
    """Raise ConfigError when the model outputs another shape or other classes than the data have."""
    remedy = "score it on the data set that it was trained on"
    if trained.config.task == "classification":
        known = trained.meta["data"].get("classes")
        if not known:
            say(f"{trained.path} does not store the names of its classes; assuming {_list_names(data.classes)}")
        elif known != data.classes:
            there = f"these images are {_list_names(data.classes, known)}"
            what = f"the model knows {_list_names(known, data.classes)}; {there}"
            raise ConfigError(what, str(trained.path), f"{remedy}, or give its classes these names, in this order")
    if tuple(data.out_shape) != tuple(trained.out_shape):
        what = f"the model outputs {trained.out_shape}, these data need {data.out_shape}"
        raise ConfigError(what, str(trained.path), remedy)


def _list_names(names: list[str], others: list[str] | None = None, shown: int = 8) -> str:
    """``cat, dog and 148 more``; those that the others lack come first."""
    ordered = sorted(names, key=lambda name: name in (others or []))
    more = len(names) - shown
    return ", ".join(ordered[:shown]) + (f" and {more} more" if more > 0 else "")
