"""The sections of an experiment: frozen, typed, with their defaults; `loading` reads them from YAML.

Options of a network are checked by whoever owns them, see `models.check_options`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from srae.config.measures import LOSSES
from srae.config.schedules import SCHEDULES


class Section(BaseModel):
    # The sentence under each field is what `srae schema` prints.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class ModelConfig(BaseModel):
    """A network's name; every other key is an option of its constructor."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, use_attribute_docstrings=True)

    name: str
    """A key of `models.MODELS`."""

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Degrade(Section):
    kernel: Literal["bicubic", "bilinear", "area", "lanczos", "nearest", "gaussian", "photo"] = "bicubic"
    """How to shrink: as MATLAB's imresize; gaussian: as data set P; photo: random blur, kernel, noise and JPEG."""
    scale: Annotated[int, Field(ge=2, le=8)] = 2
    """Shrinking factor."""
    copies: Annotated[int, Field(ge=1, le=64)] = 1
    """Different low sides of every training picture (kernel photo), kept in memory; each sample draws one."""

    sizes: list[Annotated[float, Field(gt=0, lt=1)]] = []
    """Factors by which every training picture is shrunk first, to be trained on too: finer detail for its pixels."""

    @model_validator(mode="after")
    def _differ(self) -> Degrade:
        if self.copies > 1 and self.kernel != "photo":
            raise ValueError(f"copies needs kernel photo: {self.kernel} makes the same low side every time")
        return self


class DataConfig(Section):
    name: str = "pairs"
    """A key of `data.DATASETS`."""
    folder: str | None = None
    """Folder (or two-column CSV) with the pictures; relative to the working directory."""
    low: str | None = None
    """With `high`, and without `folder`: the folder of low-resolution pictures."""
    high: str | None = None
    """The folder of their counterparts."""
    otherwise: Literal["demo"] | None = None
    """Data to fall back on when the folder is not there."""
    channels: Literal["L", "RGB", "RGBA"] = "RGB"
    """Colour channels fed to the network."""
    degrade: Degrade | None = None
    """Make the low side from a folder of high-resolution pictures."""
    enlarge: Literal["bilinear", "bicubic"] | None = None
    """How the low side was (or, with `degrade`, will be) enlarged back to the high side's size."""
    crop: Annotated[int, Field(ge=4)] | None = None
    """Side of random square training crops, in pixels of the high side; whole pictures without it."""
    crops_per_picture: Annotated[int, Field(ge=1)] = 1
    """Random crops that an epoch draws from each training picture."""
    augment: list[Literal["flip", "vertical_flip", "rotate", "tilt"]] = []
    """Random flips, quarter turns (rotate) and turns by up to 15 degrees (tilt) of training pictures."""
    test_from_val: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the val split that a fixed permutation sets aside as test."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Use only the first N pictures of each split."""
    target: Literal["label", "input"] = "label"
    """Of labelled pictures: what is to be put out, the class or (autoencoders) the picture itself."""
    val_count: Annotated[int, Field(ge=0)] = 5000
    """Of data sets that come as train and test: training pictures set aside as val; 0: the test pictures are val."""
    side: Annotated[int, Field(ge=4)] | None = None
    """Of class folders: every picture is resized to this many pixels a side."""
    per_class: Annotated[int, Field(ge=1)] | None = None
    """Training samples of every class in an epoch: pictures of small classes are repeated."""

    @model_validator(mode="after")
    def _consistent(self) -> DataConfig:
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high come together")
        if self.crop and self.degrade and self.crop % self.degrade.scale:
            raise ValueError(f"crop must be a multiple of degrade.scale, {self.degrade.scale}")
        if self.crops_per_picture > 1 and not self.crop:
            raise ValueError("crops_per_picture needs crop")
        if "tilt" in self.augment and (self.name in ("pairs", "demo") or self.target == "input"):
            raise ValueError("tilt resamples the input alone: it is for labelled pictures")
        return self


class TrainConfig(Section):
    epochs: Annotated[int, Field(ge=1, le=10**6)] = 20
    """Passes over the training pictures."""
    batch_size: Annotated[int, Field(ge=1, le=10**6)] = 16
    """Samples per step."""
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
    """Model (shipped name, run, file) whose weights to begin with; layers of another shape start as usual."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Stop after this many epochs without a better validation score."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 1
    """Epochs between checkpoints (the best weights too); the last epoch writes one, a long one every ten minutes."""


class Config(Section):
    """One experiment."""

    task: Literal["super_resolution", "reconstruction", "classification"] = "super_resolution"
    """A key of `tasks.TASKS`: metrics, and which of them picks the best epoch."""
    model: ModelConfig
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Draws weights, order, crops, augmentation and dropout."""


def find_ineffective(config: Section) -> list[tuple[tuple[str, ...], str]]:
    """Settings of a user's config that can have no effect, as (key, reason): better refused than ignored.

    Not asked of configs that srae stored itself: an older one may have allowed them.
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
        (key, f"{train.optimizer} has none; it is for {', '.join(optimizers)}")
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
    if train.warmup_epochs and train.warmup_epochs >= train.epochs:
        found.append(("warmup_epochs", f"{train.warmup_epochs:g} epochs leave nothing of {train.epochs} to train"))
    return [(("train", key), reason) for key, reason in found]
