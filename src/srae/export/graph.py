"""Networks as ONNX graphs: one file with the weights inside, for images of any size where the network allows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from srae import __version__
from srae.checkpoints.facts import NetworkFacts
from srae.checkpoints.loading import TrainedModel
from srae.errors import ConfigError
from srae.export.prepared import fold
from srae.export.probe import describe_probe, make_probe
from srae.files import atomic_write
from srae.models.blocks import enlarge_bicubic
from srae.models.residual import ResidualNetwork

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18
"""Of ONNX: the oldest that torch's exporter writes, so the one that most programs read."""
METADATA_KEY = "srae"
"""Of the graph's `metadata_props`: JSON, see `describe`."""
INPUT, OUTPUT, PARTS = "input", "output", ("baseline", "correction")
_MIN_LINKED = 256  # bytes; an entry that points into a file has about sixty itself


def write_graph(trained: TrainedModel, path: Path, *, parts: bool = False) -> None:
    """Write a network as one ONNX file: `input` (B, C, h, w) in [0, 1] -> `output` (B, C, scale * h, scale * w).

    The sides are dynamic where the network takes any; they must be multiples of `multiple_of` of its geometry.

    Args:
        parts: of a network that adds to the bicubic, two outputs in place of one: `baseline`, the enlarged image, and
            `correction`.  Their sum is the output; an engine may compute the correction in bfloat16, but of the
            baseline bfloat16 would brighten every pixel.

    Raises:
        ConfigError: onnx or onnxscript is missing, or the network puts out no image.
        ResourceError: not writable.
    """
    facts, network = trained.facts, fold(trained.model)
    if in_parts := parts and isinstance(network, ResidualNetwork):
        network = _Parts(network)
    graph = build_graph(network, facts, PARTS if in_parts else (OUTPUT,))
    save_graph(graph, path, {METADATA_KEY: json.dumps(describe(trained))})


class _Parts(nn.Module):
    """(B, C, h, w) -> the enlarged image and what the network adds to it."""

    def __init__(self, network: ResidualNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, input: Tensor) -> tuple[Tensor, Tensor]:
        return enlarge_bicubic(input, self.network.scale), self.network.correct(input)


def build_graph(network: nn.Module, facts: NetworkFacts, outputs: tuple[str, ...] = (OUTPUT,)) -> ModelProto:
    """A graph in memory, without metadata; any batch, and any sides where the network takes any."""
    try:
        import onnx  # noqa: F401  torch names only one of the two when it misses them
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed", "for ONNX graphs", "pip install 'srae[onnx]'") from None
    sides = {} if facts.geometry.fixed_size else {2: "height", 3: "width"}
    example = torch.from_numpy(np.repeat(make_probe(facts), 2, 0))  # a batch of one would be taken for a constant
    program = torch.onnx.export(
        network.eval(),
        (example,),
        input_names=[INPUT],
        output_names=outputs,
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes=({0: "batch", **sides},),
        external_data=False,
        verbose=False,
    )
    assert program is not None
    graph = program.model_proto
    _strip(graph)
    return graph


def save_graph(graph: ModelProto, path: Path, metadata: Mapping[str, str]) -> None:
    """Raises: ResourceError: not writable."""
    for key, value in metadata.items():
        graph.metadata_props.add(key=key, value=value)
    with atomic_write(path) as file:
        file.write(graph.SerializeToString())


def _strip(graph: ModelProto) -> None:
    """Remove where each node stands in the source and what follows from the nodes: most of what is no weight."""
    graph.graph.ClearField("value_info")
    graph.graph.ClearField("metadata_props")
    for part in (*graph.graph.node, *graph.graph.initializer, *graph.graph.input, *graph.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def halve_weights(graph: ModelProto, names: Container[str]) -> None:
    """Store these initializers as float16; engines turn them into float32 when they open the graph."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in graph.graph.initializer:
        if tensor.name in names:
            with np.errstate(over="ignore"):  # infinite then, and refused when the file is checked
                name, values = tensor.name, numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.graph.node]
    graph.graph.ClearField("node")
    graph.graph.node.extend(nodes)


def describe(trained: TrainedModel) -> dict[str, Any]:
    """What a graph says of itself, as JSON.

    `facts` (`NetworkFacts.to_json`), `network`, `weights_sha256` of the checkpoint's bytes, `version` of srae, and
    `probe` (`export.probe`).
    """
    facts = trained.facts
    with torch.inference_mode():
        output = trained.model(torch.from_numpy(make_probe(facts))).numpy()
    return {
        "facts": facts.to_json(),
        "network": trained.config.model.name,
        "weights_sha256": hashlib.sha256(trained.path.read_bytes()).hexdigest(),
        "version": __version__,
        "probe": describe_probe(output),
    }


def link_weights(graph: Path, checkpoint: Path) -> None:
    """Take the weights out of a graph that its checkpoint holds too: entries point into the file beside it.

    Both files must stay in one folder, under their names; for models that ship, which would else ship twice.

    Raises:
        ResourceError: not writable.
    """
    import onnx
    from onnx.external_data_helper import set_external_data

    model, places = onnx.load(graph, load_external_data=False), _tensor_places(checkpoint.read_bytes())
    for tensor in model.graph.initializer:
        data = tensor.raw_data
        if len(data) >= _MIN_LINKED and data in places:
            set_external_data(tensor, checkpoint.name, places[data], len(data))
            tensor.ClearField("raw_data")
    with atomic_write(graph) as file:
        file.write(model.SerializeToString())


def _tensor_places(checkpoint: bytes) -> Mapping[bytes, int]:
    """Bytes of each tensor of a .safetensors file -> where in the file they start."""
    start = 8 + int.from_bytes(checkpoint[:8], "little")
    spans = [entry["data_offsets"] for key, entry in json.loads(checkpoint[8:start]).items() if key != "__metadata__"]
    return {checkpoint[start + first : start + last]: start + first for first, last in spans}
