"""The networks by name.  To add one: its file, an import and an entry here, a YAML.

A network is a torch module with keyword-only arguments `in_shape`, `out_shape`
and its own options; their annotations are the schema of its YAML section.  It
maps (B, *in_shape) to (B, *out_shape).  A network that outputs images states

- `scale`: output side / input side,
- `multiple_of`: sides of its input must be multiples of this,
- `receptive_radius`: input pixels around a pixel that can change its output;
  None: global receptive field, so the image cannot be tiled,

and every one states `fixed_size`: (H, W) of a fixed input size, or None.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from srae.errors import ConfigError, did_you_mean
from srae.models.baselines import Bicubic, Identity
from srae.models.blocks import BranchedConv2d
from srae.models.classifiers import ConvClassifier, ResidualClassifier
from srae.models.conv_autoencoder import ConvAutoencoder
from srae.models.dense import DenseAutoencoder
from srae.models.edsr import EDSR
from srae.models.espcn import ESPCN
from srae.models.fsrcnn import FSRCNN
from srae.models.imdn import IMDN
from srae.models.options import find_problems
from srae.models.residual import ResidualNetwork
from srae.models.span import SPAN
from srae.models.srcnn import SRCNN
from srae.models.srvgg import SRVGG
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
    "span": SPAN,
    "srvgg": SRVGG,
    "dense_autoencoder": DenseAutoencoder,
    "conv_classifier": ConvClassifier,
    "residual_classifier": ResidualClassifier,
}

Shape = tuple[int, ...]


def build_model(name: str, in_shape: Shape, out_shape: Shape, options: dict[str, Any]) -> nn.Module:
    """A network for samples of these shapes.

    Raises:
        ConfigError: unknown name or option, or shapes that the network does not support.
    """
    if problems := check_options(name, options):
        raise ConfigError(f"model {name}: " + "; ".join(f"{key}: {text}" for key, text in problems))
    try:
        return MODELS[name](in_shape=in_shape, out_shape=out_shape, **options)
    except ValueError as error:
        raise ConfigError(f"model {name}: {error}", None, "change the model's options or the data's crop") from None


def keeps_size(name: str) -> bool:
    """Whether a network's output has the size of its input, whatever its options are."""
    return getattr(MODELS.get(name), "scale", None) == 1


def check_options(name: str, options: dict[str, Any]) -> list[tuple[str, str]]:
    """Problems with the options as (option, message) pairs; an unknown name is reported under ``name``."""
    if name not in MODELS:
        return [("name", f"no model {name!r}; {did_you_mean(name, MODELS) or 'known: ' + ', '.join(MODELS)}")]
    return find_problems(MODELS[name], options)


def count_parameters(model: nn.Module) -> int:
    """Of the network that runs: branches count as the one convolution that they are, as papers count them."""
    total = sum(p.numel() for p in model.parameters())
    for module in model.modules():
        if isinstance(module, BranchedConv2d):
            total += sum(value.numel() for value in module.kernel()) - sum(p.numel() for p in module.parameters())
    return total


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
        elif isinstance(module, nn.Conv2d | BranchedConv2d):
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
