"""The networks by name.  To add one: its file, an import and an entry here, a YAML.

A network is a torch module with keyword-only arguments `in_shape`, `out_shape`
and its own options; their annotations are the schema of its YAML section.  It
maps (B, *in_shape) to (B, *out_shape).  One that puts out pictures states

- `scale`: output side / input side,
- `multiple_of`: sides of its input must be multiples of this,
- `receptive_radius`: input pixels around a pixel that can change its output;
  None when the whole picture can: then there are no tiles,

and every one states `fixed_size`: (H, W) when it is bound to the size it was
built for, else None.
"""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any

import torch
from torch import Tensor, nn

from srae.errors import ConfigError, did_you_mean
from srae.models.baselines import Bicubic, Identity
from srae.models.classifiers import ConvClassifier, ResidualClassifier
from srae.models.conv_autoencoder import ConvAutoencoder
from srae.models.dense import DenseAutoencoder
from srae.models.edsr import EDSR
from srae.models.espcn import ESPCN
from srae.models.fsrcnn import FSRCNN
from srae.models.imdn import IMDN
from srae.models.residual import ResidualNetwork
from srae.models.srcnn import SRCNN
from srae.models.unet import UNet
from srae.models.vdsr import VDSR

MODELS: dict[str, type[nn.Module]] = {
    "identity": Identity,
    "bicubic": Bicubic,
    "conv_autoencoder": ConvAutoencoder,
    "unet": UNet,
    "residual": ResidualNetwork,
    "srcnn": SRCNN,
    "fsrcnn": FSRCNN,
    "espcn": ESPCN,
    "vdsr": VDSR,
    "edsr": EDSR,
    "imdn": IMDN,
    "dense_autoencoder": DenseAutoencoder,
    "conv_classifier": ConvClassifier,
    "residual_classifier": ResidualClassifier,
}

Shape = tuple[int, ...]


def build_model(name: str, in_shape: Shape, out_shape: Shape, options: dict[str, Any]) -> nn.Module:
    """A network for samples of these shapes.

    Raises:
        ConfigError: unknown name or option, or shapes the network cannot have.
    """
    if problems := check_options(name, options):
        raise ConfigError(f"model {name}: " + "; ".join(f"{key}: {text}" for key, text in problems))
    try:
        return MODELS[name](in_shape=in_shape, out_shape=out_shape, **options)
    except ValueError as error:
        raise ConfigError(f"model {name}: {error}", None, "change the model's options or the data's crop") from None


def model_options(name: str) -> dict[str, inspect.Parameter]:
    """The options of a network: the keyword-only arguments of its constructor, shapes left out.

    Annotations are resolved to types.
    """
    signature = inspect.signature(MODELS[name], eval_str=True)
    return {key: p for key, p in signature.parameters.items() if key not in ("in_shape", "out_shape")}


def check_options(name: str, options: dict[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with them, as (option, message) pairs; an unknown name is reported under ``name``."""

    def meant(word: str, known: typing.Iterable[str]) -> str:
        return did_you_mean(word, known) or f"known: {', '.join(known)}"

    if name not in MODELS:
        return [("name", f"no model {name!r}; {meant(name, MODELS)}")]
    known = model_options(name)
    problems = [(key, f"unknown option of {name}; {meant(key, known)}") for key in options if key not in known]
    problems += [
        (key, f"needs {describe_type(known[key].annotation)}, not {value!r}")
        for key, value in options.items()
        if key in known and not _fits(value, known[key].annotation)
    ]
    problems += [(key, "is missing") for key, p in known.items() if p.default is p.empty and key not in options]
    return problems


def _fits(value: Any, wanted: Any) -> bool:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, choice) for choice in arguments)
    if origin is list:
        return isinstance(value, list) and len(value) > 0 and all(_fits(item, arguments[0]) for item in value)
    if origin is typing.Literal:
        return value in arguments
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is int:  # sizes, counts and sides: none of them may be negative
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value is None if wanted is types.NoneType else isinstance(value, wanted)


def describe_type(wanted: Any) -> str:
    """An annotation in words: ``a whole number or a list of whole numbers``."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe_type(choice) for choice in arguments)
    if origin is list:
        return f"a list of {describe_type(arguments[0]).removeprefix('a ')}s"
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, arguments))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", types.NoneType: "null"}
    return names.get(wanted, str(wanted))


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@torch.inference_mode()
def count_multiply_adds(model: nn.Module, in_shape: Shape) -> int:
    """Multiply-adds of one forward pass of one sample, as papers count them.

    Convolutions by their definition (a fast algorithm does not lower the count) and Linear
    layers; biases, activations, norms and resampling are left out.
    """
    total = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
        elif isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.ConvTranspose2d):
            total += inputs[0].numel() * module.weight[0].numel()

    hooks = [module.register_forward_hook(add) for module in model.modules()]
    was_training = model.training
    try:
        parameter = next(model.parameters(), torch.empty(0))
        model.eval()(torch.zeros(1, *in_shape, device=parameter.device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return total
