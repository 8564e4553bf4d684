"""Networks as ONNX graphs: one file with the weights inside, for images of any size where the network allows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from srae import __version__
from srae.checkpoints.loading import TrainedModel
from srae.errors import ConfigError
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
    graph = build_graph(trained, parts=parts)
    with atomic_write(path) as file:
        file.write(graph.SerializeToString())


def build_graph(trained: TrainedModel, *, parts: bool = False) -> ModelProto:
    """The graph of `write_graph`, in memory."""
    facts, network = trained.facts, trained.model
    if in_parts := parts and isinstance(network, ResidualNetwork):
        network = _Parts(network)
    sides = {} if facts.geometry.fixed_size else {2: "height", 3: "width"}
    example = torch.from_numpy(np.repeat(make_probe(facts), 2, 0))  # a batch of one would be taken for a constant
    graph = _export(network, example, PARTS if in_parts else (OUTPUT,), {0: "batch", **sides})
    _strip(graph)
    entry = graph.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(describe(trained))
    return graph


class _Parts(nn.Module):
    """(B, C, h, w) -> the enlarged image and what the network adds to it."""

    def __init__(self, network: ResidualNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, input: Tensor) -> tuple[Tensor, Tensor]:
        return enlarge_bicubic(input, self.network.scale), self.network.correct(input)


def _export(network: nn.Module, example: Tensor, outputs: tuple[str, ...], dynamic: dict[int, str]) -> ModelProto:
    try:
        import onnx  # noqa: F401  torch names only one of the two when it misses them
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed", "for ONNX graphs", "pip install 'srae[onnx]'") from None
    program = torch.onnx.export(
        network.eval(),
        (example,),
        input_names=[INPUT],
        output_names=outputs,
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes=(dynamic,),
        external_data=False,
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def _strip(graph: ModelProto) -> None:
    """Remove where each node stands in the source and what follows from the nodes: most of what is no weight."""
    graph.graph.ClearField("value_info")
    graph.graph.ClearField("metadata_props")
    for part in (*graph.graph.node, *graph.graph.initializer, *graph.graph.input, *graph.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


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
