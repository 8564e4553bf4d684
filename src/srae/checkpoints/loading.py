"""Networks from checkpoints: `load_model` restores a trained network, `start_from` copies weights into a new one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from srae.checkpoints.facts import ADD_TO_BICUBIC, Geometry, NetworkFacts
from srae.checkpoints.format import read_checkpoint
from srae.checkpoints.shipped import find_weights
from srae.config.experiment import Config
from srae.config.stored import upgrade_stored
from srae.errors import CheckpointError, ConfigError
from srae.models import build_model


@dataclass(frozen=True)
class TrainedModel:
    """A trained network with its config, shapes and meta data."""

    model: nn.Module
    config: Config
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    data_name: str
    path: Path
    meta: dict[str, Any]

    @property
    def facts(self) -> NetworkFacts:
        """What the upscaler must know of a network that maps images to images."""
        data = self.config.data
        return NetworkFacts(
            channels=self.in_shape[0],
            geometry=read_geometry(self.model),
            adds_to_bicubic=self.config.model.name in ADD_TO_BICUBIC,
            value_range=data.value_range,
            enlarge_kernel=data.enlarge_kernel,
            trained_scale=data.degrade_scale,
        )


def read_geometry(model: nn.Module) -> Geometry:
    """What a network of the suite states about sizes, see `srae.models`."""
    stated = {name: getattr(model, name) for name in ("scale", "multiple_of", "receptive_radius", "fixed_size")}
    return Geometry(**stated, smallest=getattr(model, "smallest", 1))


def load_model(source: str | Path) -> TrainedModel:
    """The best weights of a run folder, or a checkpoint file; the model is on the CPU, in eval mode.

    Raises:
        CheckpointError: no such file, damaged, or its weights do not fit its config.
    """
    path = find_weights(Path(source))
    tensors, meta = read_checkpoint(path)
    weights = _of_model(tensors, meta)
    try:
        config, data_name = Config.model_validate(upgrade_stored(meta["config"])), str(meta["data"]["name"])
        in_shape, out_shape = tuple(meta["in_shape"]), tuple(meta["out_shape"])
        build = partial(build_model, config.model.name, in_shape, out_shape, config.model.options)
        with torch.device("meta"):  # nothing is allocated for what does not fit
            _check_fit(build(), weights, path)
        model = build()
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError, ConfigError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"its config cannot be read: {reason}", str(path), "use the version of srae that wrote it"
        ) from None
    load_weights(model, weights, path)
    return TrainedModel(model.eval(), config, in_shape, out_shape, data_name, path, meta)


class StartingPoint(NamedTuple):
    """What a training started from.

    Attributes:
        note: which tensors were taken, for the user.
    """

    path: Path
    sha256: str
    note: str

    def describe(self) -> dict[str, str]:
        """For files: `path` and `sha256`."""
        return {"path": str(self.path), "sha256": self.sha256}


def start_from(model: nn.Module, path: Path) -> StartingPoint:
    """Copy the weights that have the same name and shape here.

    Raises:
        CheckpointError: damaged, or no weight fits.
    """
    own, weights = model.state_dict(), _of_model(*read_checkpoint(path))
    fitting = {name: t for name, t in weights.items() if name in own and own[name].shape == t.shape}
    if not fitting:
        raise CheckpointError(
            "none of its weights fits this network", str(path), "start from a model with equal layers"
        )
    model.load_state_dict(fitting, strict=False)
    new = sorted(own.keys() - fitting.keys())
    left = f"; new here: {', '.join(new[:4])}{' ...' if len(new) > 4 else ''}" if new else ""
    note = f"starts from {path}: {len(fitting)} of {len(own)} tensors{left}"
    return StartingPoint(path, hashlib.sha256(path.read_bytes()).hexdigest(), note)


def _of_model(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> dict[str, Tensor]:
    """The network's own; `prefix` is empty in the plain state dict that `srae export` writes."""
    prefix = str(meta.get("prefix", "model."))
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Copy weights into a model; every one must be there and fit.

    Raises:
        CheckpointError: names the first missing, unknown or ill-shaped tensors.
    """
    _check_fit(model, weights, path)
    model.load_state_dict(dict(weights))


def _check_fit(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    own = model.state_dict()
    wrong = [f"{name} is missing" for name in own.keys() - weights.keys()]
    wrong += [f"{name} is not in this network" for name in weights.keys() - own.keys()]
    wrong += [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(own[name].shape)}"
        for name in own.keys() & weights.keys()
        if own[name].shape != weights[name].shape
    ]
    if wrong:
        raise CheckpointError(
            "made by another network: " + "; ".join(sorted(wrong)[:3]), str(path), "use the config it was trained with"
        )
