"""YAML <-> frozen, typed `Config`; `--set` overrides.

Everything that is wrong with a file is collected and raised once, each problem
with its line and, for a misspelt key, the key that was probably meant.  The
options of a network or of a data set are checked by whoever owns them: pass
`check_options` (see `models.check_options`) to have them reported together
with the rest; without it no torch is imported.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from srae.errors import ConfigError
from srae.yaml_text import Key, Problem, dump_yaml, parse_yaml, read_text

CONFIG_FOLDERS = (Path(__file__).parent / "configs", Path(__file__).parents[2] / "configs")

CheckOptions = Callable[[str, dict[str, Any]], list[tuple[str, str]]]


class Section(BaseModel):
    # The sentence under each field is what `srae schema` prints.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


SectionType = TypeVar("SectionType", bound=Section)


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
    epochs: Annotated[int, Field(ge=0)] = 20
    """Passes over the training pictures."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Samples per step."""
    shuffle: bool = True
    """New order every epoch, drawn from (seed, epoch)."""
    loss: Literal["mse", "l1", "charbonnier", "cross_entropy"] = "mse"
    """What the optimizer minimises, images in [0, 1]."""
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
    betas: Annotated[list[float], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    """Moment decay rates of adam and adamw (muon: of its adam part)."""
    rho: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Decay rate of adadelta."""
    epsilon: Annotated[float, Field(gt=0)] | None = None
    """Term added to the denominator; default 1e-8, adadelta 1e-7."""
    schedule: Literal["constant", "cosine", "step"] = "constant"
    """Course of the learning rate."""
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    """Epochs of linear warm-up from zero."""
    step_epochs: list[int] = []
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


def find_config(name: str) -> Path:
    """A path, or the bare name of a shipped YAML (``cnn4_tanh``, ``studies/report_a``).

    Raises:
        ConfigError: neither exists; names the closest shipped one.
    """
    path = Path(name)
    if path.is_file():
        return path
    folders = reversed(CONFIG_FOLDERS)  # of two files with one name, the installed package's own wins
    shipped = {p.relative_to(f).with_suffix("").as_posix(): p for f in folders for p in f.rglob("*.yaml")}
    bare = name.removesuffix(".yaml")
    if bare in shipped:
        return shipped[bare]
    by_stem = [p for key, p in shipped.items() if key.rsplit("/", 1)[-1] == bare]
    if len(by_stem) == 1:
        return by_stem[0]
    if by_stem:
        matches = ", ".join(sorted(key for key, p in shipped.items() if p in by_stem))
        raise ConfigError(f"several shipped configs are called {bare}", None, f"name one of {matches}")
    close = did_you_mean(bare, [*shipped, *(key.rsplit("/", 1)[-1] for key in shipped)])
    some, more = sorted(shipped, key=lambda key: (key.count("/"), key))[:12], len(shipped) - 12
    told = f"shipped configs: {', '.join(some)}" + (f" and {more} more" if more > 0 else "")
    raise ConfigError(f"no such config: {name}", None, close or told)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean X?`` or the empty string; upper and lower case count as alike."""
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return f"did you mean {folded[close[0]]}?" if close else ""


def load_config(
    path: str | Path, overrides: Sequence[str] = (), *, check_options: CheckOptions | None = None
) -> Config:
    """Read, override and check one YAML.

    Args:
        path: file, or bare name of a shipped config.
        overrides: ``train.epochs=5`` and the like, in the YAML's own notation.
        check_options: ``(model name, options) -> [(option, problem), ...]``.

    Raises:
        ConfigError: lists every problem with file, line and key.
    """
    file = find_config(str(path))
    return parse_config(read_text(file), str(file), overrides, check_options=check_options)


def parse_config(
    text: str, source: str, overrides: Sequence[str] = (), *, check_options: CheckOptions | None = None
) -> Config:
    """As `load_config`, from text; `source` names it in messages."""
    return parse_section(Config, text, source, overrides, check_options=check_options)


def parse_section(
    kind: type[SectionType],
    text: str,
    source: str,
    overrides: Sequence[str] = (),
    *,
    check_options: CheckOptions | None = None,
) -> SectionType:
    """A YAML as any section; `parse_config` is this for a whole experiment."""
    value, lines, problems = parse_yaml(text, source)
    if not isinstance(value, dict):
        raise ConfigError("a config is a mapping of keys", source, "start from a file in configs/")
    sources: dict[Key, str] = {}
    for override in overrides:
        _apply(value, override, sources)
    section: SectionType | None = None
    try:
        section = kind.model_validate(value)
    except ValidationError as error:
        problems += [(tuple(e["loc"]), _explain(kind, tuple(e["loc"]), dict(e))) for e in error.errors()]
    model = value.get("model")
    if check_options and isinstance(model, dict) and isinstance(model.get("name"), str):
        options = {key: option for key, option in model.items() if key != "name"}
        problems += [(("model", key), text) for key, text in check_options(model["name"], options)]
    if problems:
        _raise(problems, source, lines, sources)
    assert section is not None
    return section


def _apply(value: dict[str, Any], override: str, sources: dict[Key, str]) -> None:
    dotted, equals, text = override.partition("=")
    if not equals or not all(dotted.split(".")):
        raise ConfigError(f"--set needs KEY=VALUE, not {override!r}", None, "for example --set train.epochs=5")
    *parents, last = dotted.split(".")
    for depth, name in enumerate(parents, start=1):
        if value.get(name) is None:  # absent, or `degrade: null`
            value[name] = {}
            sources[tuple(parents[:depth])] = f"--set {override}"
        value = value[name]
        if not isinstance(value, dict):
            raise ConfigError(f"{name} has no keys of its own", f"--set {override}", "`srae schema` lists every key")
    value[last], _, problems = parse_yaml(text, f"--set {dotted}")
    if problems:
        raise ConfigError(problems[0][1], f"--set {override}", "give each key once")
    place = (*parents, last)
    sources[place] = f"--set {override}"


_PLAIN = {
    "int_type": "needs a whole number",
    "float_type": "needs a number",
    "string_type": "needs text",
    "bool_type": "needs true or false",
    "list_type": "needs a list, e.g. [1, 2]",
    "missing": "is missing",
    "model_type": "needs keys of its own",
}


def _explain(root: type[BaseModel], key: Key, error: dict[str, Any]) -> str:
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        known = _fields(root, key[:-1])
        return f"unknown key; {did_you_mean(str(key[-1]), known) or 'known keys: ' + ', '.join(known)}"
    if kind == "literal_error":
        expected = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{_show(given)} is not one of {', '.join(expected)}. {did_you_mean(str(given), expected)}".strip()
    if kind in ("too_short", "too_long"):
        least_or_most = error["ctx"].get("min_length", error["ctx"].get("max_length"))
        return f"needs {least_or_most} items, not {_show(given)}"
    if kind in _PLAIN:
        return _PLAIN[kind] if kind == "missing" else f"{_PLAIN[kind]}, not {_show(given)}"
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return message if kind == "value_error" else f"{message}, not {_show(given)}"


def _show(given: Any) -> str:
    """A value as YAML writes it, at most a line of it."""
    words = {None: "nothing", True: "true", False: "false"}
    text = words[given] if given is None or isinstance(given, bool) else repr(given)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _dotted(key: Key) -> str:
    """``train.epochs``; a key with control characters or endless length cannot spoil the terminal."""
    return ".".join(str(k) if str(k).isprintable() and len(str(k)) <= 60 else _show(k) for k in key) or "config"


def _fields(section: type[BaseModel], key: Key) -> list[str]:
    for name in key:
        annotation = section.model_fields[str(name)].annotation
        found = [t for t in (annotation, *getattr(annotation, "__args__", ())) if isinstance(t, type)]
        section = next(t for t in found if issubclass(t, BaseModel))
    return list(section.model_fields)


def _raise(problems: list[Problem], source: str, lines: dict[Key, int], sources: dict[Key, str]) -> None:
    told = []
    for key, message in problems:
        places = [key[:length] for length in range(len(key), -1, -1)]
        line = next((lines[place] for place in places if place in lines), 1)
        where = next((sources[place] for place in places if place in sources), f"{source}:{line}")
        told.append((line, f"{where}: {_dotted(key)}: {message}"))
    told.sort(key=lambda item: item[0])
    count = f"{len(told)} problems" if len(told) > 1 else "1 problem"
    raise ConfigError(
        f"{count} in the config", "\n".join(text for _, text in told), "`srae schema` lists every key and its meaning"
    )


def dump_config(config: Config) -> str:
    """The resolved YAML, every default written out; `parse_config` gives the same Config back."""
    return dump_yaml(config.model_dump())  # mode="json" would write infinite options as null
