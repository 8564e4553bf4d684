"""The formats of `srae export`: a row each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor

from srae.checkpoints.format import save_checkpoint
from srae.checkpoints.loading import TrainedModel
from srae.errors import ConfigError, ResourceError
from srae.export.graph import METADATA_KEY, OPSET, build_graph, describe, halve_weights, save_graph
from srae.export.known_forms import to_known_form
from srae.export.prepared import AnySize, fold
from srae.files import atomic_write

PRECISIONS = ("float32", "float16")
"""Of the stored weights.  Every program computes with float32 values of them; float16 halves the file."""


def write_onnx(trained: TrainedModel, path: Path, precision: str, about: dict[str, str]) -> str:
    """One file, the weights inside; padding too, so that images of any size go in where the network allows it."""
    facts = trained.facts
    network = AnySize(fold(trained.model), facts.geometry)
    graph = build_graph(network, facts)
    if precision == "float16":
        halve_weights(graph, network.state_dict().keys())
    save_graph(graph, path, {**about, METADATA_KEY: json.dumps(describe(trained))})
    return f"ONNX, opset {OPSET}"


def write_openvino(trained: TrainedModel, path: Path, precision: str, about: dict[str, str]) -> str:
    """What `write_onnx` makes as OpenVINO's own .xml and .bin."""
    try:
        import openvino
    except ImportError:
        raise ConfigError("openvino is not installed", "--format", "pip install 'srae[openvino,onnx]'") from None
    graph = path.with_suffix(".onnx")
    said = write_onnx(trained, graph, precision, about)
    # By default OpenVINO writes every weight as float16; `precision` has decided already.
    try:
        openvino.save_model(openvino.Core().read_model(str(graph)), str(path), compress_to_fp16=False)
    except RuntimeError as error:
        raise ResourceError("OpenVINO cannot write the file", str(path), str(error).splitlines()[-1]) from None
    graph.unlink()
    return f"OpenVINO IR, of {said}"


def write_safetensors(trained: TrainedModel, path: Path, precision: str, about: dict[str, str]) -> str:
    """The state dict of srae's own class under its own names, as `load_state_dict` takes them; srae reads it too.

    The header has the config, the shapes and a SHA-256, as a checkpoint of srae.
    """
    meta = {key: value for key, value in trained.meta.items() if key not in ("machine", "progress")}
    save_checkpoint(path, _stored(trained.model.state_dict(), precision), {**meta, **about, "prefix": ""}, None)
    return f"safetensors, the state dict of srae.models {type(trained.model).__name__}"


def write_spandrel(trained: TrainedModel, path: Path, precision: str, about: dict[str, str]) -> str:
    """The state dict in the names of an architecture that spandrel recognises."""
    architecture, weights = to_known_form(trained)
    data = save(_stored(weights, precision), {"format": "pt", "architecture": architecture, **about})
    with atomic_write(path) as file:
        file.write(data)
    return f"safetensors, {architecture} as spandrel knows it"


def _stored(weights: dict[str, Tensor], precision: str) -> dict[str, Tensor]:
    half = precision == "float16"
    return {
        name: (value.half() if half and value.dtype == torch.float32 else value).contiguous()
        for name, value in weights.items()
    }


class Format(NamedTuple):
    """How a network is written, and which engines check the file.

    Attributes:
        suffixes: of its files; the first is the one that is named.
        write: network, path, precision of the weights, texts about it -> what was written, in words.
        readers: of `verify.READERS`.
    """

    suffixes: tuple[str, ...]
    write: Callable[[TrainedModel, Path, str, dict[str, str]], str]
    readers: tuple[str, ...]


FORMATS: dict[str, Format] = {
    "onnx": Format((".onnx",), write_onnx, ("onnxruntime", "OpenVINO")),
    "openvino": Format((".xml", ".bin"), write_openvino, ("OpenVINO",)),
    "safetensors": Format((".safetensors",), write_safetensors, ("srae",)),
    "spandrel": Format((".safetensors",), write_spandrel, ("spandrel",)),
}
