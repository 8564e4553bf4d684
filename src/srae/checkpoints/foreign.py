"""Networks of others from .safetensors and .pth, by spandrel: every architecture that it knows.

No code of a file runs: spandrel's unpickler knows the classes of tensors and no others.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from srae.checkpoints.facts import Geometry, NetworkFacts, round_up
from srae.checkpoints.probing import Run, UnfitNetwork, check_smallest, find_sizes, measure_reach
from srae.checkpoints.remembered import hash_file, remembered_facts
from srae.errors import CheckpointError

if TYPE_CHECKING:
    from torch import nn

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
CHANNELS = (1, 3, 4)
_WINDOW = 256
"""Least side of the windows of a network that takes square images only."""


@dataclass(frozen=True)
class ForeignModel:
    """A network that srae did not train.

    Attributes:
        model: (B, C, h, w) in [0, 1] -> (B, C, scale * h, scale * w) in [0, 1]; float32, on the CPU, in eval mode.
        architecture: spandrel's name of it.
        licence: where the file states one.
    """

    path: Path
    model: nn.Module
    facts: NetworkFacts
    architecture: str
    licence: str | None


def is_foreign(path: Path) -> bool:
    """Whether a file of weights is none of srae's own: by its suffix, a .safetensors by its header."""
    suffix = path.suffix.lower()
    return suffix in SUFFIXES and (suffix != ".safetensors" or "srae" not in _read_metadata(path))


def load_foreign(path: Path, say: Callable[[str], None] = lambda _: None) -> ForeignModel:
    """A network with weights in a file, by whatever architecture spandrel finds in their names.

    Args:
        say: told when the network must be measured, which takes seconds and is done once for a file.

    Raises:
        CheckpointError: spandrel is not installed, the file is damaged, holds code, is of no known architecture,
            or the network does not map images of 1, 3 or 4 channels to as many.
    """
    spandrel_version = _check_installed(path)
    sha256 = hash_file(path)
    descriptor = _read_network(path)
    channels, stated = _read_geometry(descriptor, path)

    from srae.checkpoints.foreign_module import ForeignNetwork

    model = ForeignNetwork(descriptor).eval()
    name = str(descriptor.architecture.name)

    def measure() -> NetworkFacts:
        say(f"{path.name}: a network of others ({name}), measured once")
        try:
            return NetworkFacts(channels, _measure(model.run, channels, stated, tiles=_allows_tiles(descriptor)))
        except UnfitNetwork as error:
            raise CheckpointError(f"{name}: {error}", str(path), "use another model") from None

    facts = remembered_facts(sha256, f"spandrel {spandrel_version}", measure)
    model.state_geometry(facts.geometry)
    metadata = _read_metadata(path) if path.suffix.lower() == ".safetensors" else {}
    licence = next((metadata[key] for key in ("license", "licence", "modelspec.license") if key in metadata), None)
    return ForeignModel(path, model, facts, name, licence)


def _measure(run: Run, channels: int, stated: Geometry, *, tiles: bool) -> Geometry:
    if stated.fixed_size:
        return find_sizes(run, channels, stated.fixed_size)
    sizes = check_smallest(run, channels, stated)
    return measure_reach(run, channels, sizes) if tiles else sizes


def _check_installed(path: Path) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("spandrel")
    except PackageNotFoundError:
        what = "networks of others in .safetensors and .pth need spandrel"
        raise CheckpointError(what, str(path), "pip install 'srae[spandrel]'") from None


def _read_network(path: Path) -> Any:
    """spandrel's descriptor of a file."""
    from spandrel import ModelLoader, UnsupportedModelError

    other = "use another copy of the file"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old calls in architectures, about which a user can do nothing
            if path.suffix.lower() != ".pt":
                return ModelLoader().load_from_file(path).eval().float()
            import torch

            # spandrel would try TorchScript first, which is code.
            state = torch.load(path, map_location="cpu", weights_only=True)
            return ModelLoader().load_from_state_dict(state).eval().float()
    except UnsupportedModelError:  # its message is empty
        what = "spandrel knows no architecture with tensors of these names and shapes"
        remedy = "see the architectures in its README; of networks with fused layers use the file that was not fused"
        raise CheckpointError(what, str(path), remedy) from None
    except UnpicklingError as error:
        if not re.search("forbidden|unsupported", str(error), re.IGNORECASE):
            raise CheckpointError(f"no file of weights, or damaged: {_first_line(error)}", str(path), other) from None
        what = f"it holds more than weights: {_first_line(error)}"
        raise CheckpointError(what, str(path), "use a .safetensors of it: srae runs no code of files") from None
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror or error}", str(path), other) from None
    except Exception as error:  # of any of forty architectures, and of the zip and pickle readers
        what = f"damaged, or unlike the architecture that its names are of: {_first_line(error)}"
        raise CheckpointError(what, str(path), other) from None


def _first_line(error: Exception) -> str:
    """The first two, where the first announces the second."""
    first, *others = (str(error) or type(error).__name__).strip().splitlines()
    return f"{first} {others[0].strip()}" if first.endswith(":") and others else first


def _read_geometry(descriptor: Any, path: Path) -> tuple[int, Geometry]:
    """Channels and what the descriptor states about sizes; the radius is not among it.

    Raises:
        CheckpointError: it is no network from images to images.
    """
    from spandrel import ImageModelDescriptor

    name, channels, out = descriptor.architecture.name, descriptor.input_channels, descriptor.output_channels
    if not isinstance(descriptor, ImageModelDescriptor):
        raise CheckpointError(f"{name} takes a mask beside the image", str(path), "use a model that takes images alone")
    if channels != out or channels not in CHANNELS:
        what = f"{name} makes {out} channels of {channels}, images have 1, 3 or 4"
        raise CheckpointError(what, str(path), "use a model for images")
    if not (isinstance(descriptor.scale, int) and descriptor.scale >= 1):
        raise CheckpointError(f"{name} enlarges by {descriptor.scale}", str(path), "use one with a whole scale")
    sizes = descriptor.size_requirements
    geometry = Geometry(descriptor.scale, sizes.multiple_of, None, smallest=max(1, sizes.minimum))
    if sizes.square:
        side = round_up(max(_WINDOW, sizes.minimum), sizes.multiple_of)
        geometry = replace(geometry, fixed_size=(side, side))
    return channels, geometry


def _allows_tiles(descriptor: Any) -> bool:
    from spandrel import ModelTiling

    return bool(descriptor.tiling == ModelTiling.SUPPORTED)


def _read_metadata(path: Path) -> dict[str, str]:
    """Texts in the header of a .safetensors; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if 2 <= length <= 2**24 else {}
    except (OSError, ValueError, RecursionError):
        return {}
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    return {key: text for key, text in metadata.items() if isinstance(text, str)} if isinstance(metadata, dict) else {}
