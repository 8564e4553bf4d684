"""The sections of an experiment: frozen, typed, with their defaults; `loading` reads them from YAML.

Options of networks are checked by `models.check_options`; the keys of each data
set are in `data_sets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from srae.config.data_section import DataSection
from srae.config.data_sets import PairsConfig, find_section
from srae.config.measures import LOSSES
from srae.config.schedules import SCHEDULES
from srae.config.section import Section


class ModelConfig(BaseModel):
    """A network's name; every other key is an option of its constructor."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, use_attribute_docstrings=True)

    name: str
    """A key of `models.MODELS`."""

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class TrainConfig(Section):
    epochs: Annotated[int, Field(ge=1, le=10**6)] = 20
    """Passes over the training images."""
    batch_size: Annotated[int, Field(ge=1, le=10**6)] = 16
    """Samples per step."""
    shards: Literal[1, 2, 4, 8, 16, 32, 64, 128, 256] = 1
    """Parts of a batch that up to as many processes share: equal shards, equal results, however many processes."""
    shuffle: bool = True
    """New order every epoch, drawn from (seed, epoch)."""
    loss: Literal[tuple(LOSSES)] = "mse"  # type: ignore[valid-type]
    """What the optimizer minimises, images in [0, 1]."""
    loss_options: dict[str, Any] = {}
    """Options of the loss: keyword-only arguments of its function in `evaluation.losses`."""
    loss_weight: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the loss; 4 gives the squared error of a report that measured in [-1, 1]."""
    optimizer: Literal["adam", "adamw", "sgd", "adadelta", "muon"] = "adam"
    """Update rule; muon: orthogonalised momentum for the kernels of hidden layers, adam for the rest."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Rate at the start (after warm-up)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """L2 term, added to the gradient (adamw: decoupled)."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of sgd (muon: 0.95)."""
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    """Moment decay rates of adam and adamw (muon: of its adam part)."""
    rho: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Decay rate of adadelta."""
    epsilon: Annotated[float, Field(gt=0)] | None = None
    """Term added to the denominator; default 1e-8, adadelta 1e-7."""
    schedule: Literal[tuple(SCHEDULES)] = "constant"  # type: ignore[valid-type]
    """Learning-rate schedule."""
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    """Epochs of linear warm-up from zero."""
    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Steps that the warm-up has at least, up to a quarter of all: an epoch may have fewer than a network needs."""
    step_epochs: list[Annotated[int, Field(ge=1)]] = []
    """Epochs at which schedule `step` multiplies the rate by step_factor."""
    step_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """See step_epochs."""
    precision: Literal["float32", "tf32", "bfloat16", "float16", "auto"] = "float32"
    """Arithmetic of the network; auto takes bfloat16 where the machine has it. tf32, float16: GPUs only."""
    clip_gradient: Annotated[float, Field(gt=0)] | None = None
    """Largest gradient norm."""
    weight_average: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay per step of a moving average of the weights; the average is validated and kept as best."""
    start_from: str | None = None
    """Model (shipped name, run, file): training begins with its weights; layers of another shape start as usual."""
    validate_every: Annotated[int, Field(ge=1)] = 1
    """Epochs between validations; the last epoch has one."""
    val_limit: Annotated[int, Field(ge=1)] | None = None
    """Images, spread over the val split, that a validation scores; at the end the entire split is scored."""
    val_crop: Annotated[int, Field(ge=8, le=65_536)] | None = None
    """Side of the middle part of each image that a validation scores, in pixels of the high-resolution image."""
    log: Annotated[list[Literal["tensorboard"]], Field(json_schema_extra={"uniqueItems": True})] = []
    """Also write the measurements, sample strips and the config for TensorBoard: `tensorboard --logdir runs`."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Stop after this many epochs without a better validation score."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 1
    """Epochs between checkpoints (the best weights too); the last epoch writes one, a long one every ten minutes."""


class Config(Section):
    """One experiment."""

    task: Literal["super_resolution", "reconstruction", "classification"] = "super_resolution"
    """A key of `tasks.TASKS`: metrics, and which of them picks the best epoch."""
    model: ModelConfig
    data: DataSection = PairsConfig()
    train: TrainConfig = TrainConfig()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Draws weights, order, crops, augmentation and dropout."""

    @model_validator(mode="before")
    @classmethod
    def _reconstruct_images_alone(cls, values: Any) -> Any:
        """Task reconstruction: a folder of images without counterparts is enough."""
        if not isinstance(values, Mapping) or values.get("task") != "reconstruction":
            return values
        data = values.get("data", {})
        if (
            not isinstance(data, Mapping)
            or find_section(data) is not PairsConfig
            or data.keys() & {"own_target", "degrade"}
        ):
            return values
        return {**values, "data": {**data, "own_target": True}}


def find_ineffective(config: Section) -> list[tuple[tuple[str, ...], str]]:
    """Settings of a user's config that have no effect, as (key, reason); they are refused.

    Configs that srae stored are not checked: an older version may have allowed them.
    """
    if not isinstance(config, Config):
        return []
    train, fresh = config.train, TrainConfig()
    users = {
        "momentum": ("sgd",),
        "betas": ("adam", "adamw", "muon"),
        "rho": ("adadelta",),
        "epsilon": ("adam", "adamw", "adadelta", "muon"),
        "weight_decay": ("adam", "adamw", "sgd", "adadelta"),
    }
    found = [
        (key, f"{train.optimizer} does not use it; it is for {', '.join(optimizers)}")
        for key, optimizers in users.items()
        if getattr(train, key) != getattr(fresh, key) and train.optimizer not in optimizers
    ]
    if train.schedule != "step":
        found += [
            (key, f"schedule {train.schedule} has no steps; set train.schedule: step")
            for key in ("step_epochs", "step_factor")
            if getattr(train, key) != getattr(fresh, key)
        ]
    elif not train.step_epochs:
        found.append(("schedule", "step needs step_epochs"))
    if train.shards > train.batch_size:
        found.append(("shards", f"a batch of {train.batch_size} cannot be cut into {train.shards}"))
    if train.warmup_epochs and train.warmup_epochs >= train.epochs:
        found.append(("warmup_epochs", f"{train.warmup_epochs:g} epochs leave nothing of {train.epochs} to train"))
    if train.val_crop and config.task == "classification":
        found.append(("val_crop", "it is for images as targets: a class belongs to the entire image"))
    return [(("train", key), reason) for key, reason in found]
