"""Networks in .onnx files, srae's own and of others: what the graph says, and what only running it shows.  No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srae.checkpoints.facts import NetworkFacts
from srae.checkpoints.probing import Run, UnfitNetwork, find_sizes, measure_reach
from srae.checkpoints.remembered import remembered_facts
from srae.errors import CheckpointError

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

CHANNELS = (3, 1, 4)
"""In the order in which they are tried where the graph states none."""
METADATA = "srae"
"""Key of a graph's metadata under which srae writes its facts."""
_OTHER = "use another model, or export it anew"


@dataclass(frozen=True)
class OnnxGraph:
    """A graph with one image as input and one as output, both float32 in [0, 1], (B, C, H, W).

    Attributes:
        content: what an engine opens; not the bytes of the file where these take float16.
        input_name: of its input.
        channels: None where any number is taken.
        fixed_size: height and width, where it takes no others.
        one_at_a_time: its batch is fixed to one image.
        own: facts that srae wrote.
        licence: where the graph states one.
    """

    path: Path
    content: bytes
    sha256: str
    input_name: str
    channels: int | None
    fixed_size: tuple[int, int] | None
    one_at_a_time: bool
    own: NetworkFacts | None
    licence: str | None


def read_onnx(path: Path) -> OnnxGraph:
    """The graph in a file; it is not run.

    Raises:
        CheckpointError: the package onnx is missing, the file is damaged, refers to other files, or has not one image
            as input and one as output.
    """
    content, model = _parse(path)
    for name in _external_names(model):
        what = f"its weights are in another file ({name})"
        raise CheckpointError(what, str(path), "export it with the weights inside: onnx.save(onnx.load(FILE), NEW)")
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    own = _own_facts(metadata, path)
    taken, given = _find_ends(model.graph, path, parts=own is not None)
    channels, height, width = _check_shape(taken, path)
    sizes = {side for side in (height, width) if side}
    fixed = (height or max(sizes), width or max(sizes)) if sizes else None
    sha256 = hashlib.sha256(content).hexdigest()
    if _takes_half(taken):
        content = _cast_to_float32(model, taken, given)
    return OnnxGraph(
        path=path,
        content=content,
        sha256=sha256,
        input_name=taken.name,
        channels=channels,
        fixed_size=fixed,
        one_at_a_time=taken.type.tensor_type.shape.dim[0].dim_value == 1,
        own=own,
        licence=metadata.get("license") or metadata.get("licence"),
    )


def find_facts(graph: OnnxGraph, run: Run, engine: str, say: Callable[[str], None] = lambda _: None) -> NetworkFacts:
    """What srae wrote into the graph, else what running it shows; that is remembered by its SHA-256.

    Args:
        run: one image through the graph.
        engine: name and version of what runs it.
        say: told when the network must be measured, which takes seconds and is done once for a file.

    Raises:
        CheckpointError: no network from images to images, or its values are not those of [0, 1].
    """
    if graph.own:
        return graph.own

    def measure() -> NetworkFacts:
        say(f"{graph.path.name}: a network of others, measured once")
        try:
            return _measure(graph, run)
        except UnfitNetwork as error:
            raise CheckpointError(str(error), str(graph.path), _OTHER) from None

    return remembered_facts(graph.sha256, engine, measure)


def _measure(graph: OnnxGraph, run: Run) -> NetworkFacts:
    reason = UnfitNetwork("")
    for channels in [graph.channels] if graph.channels else CHANNELS:
        try:
            sizes = find_sizes(run, channels, graph.fixed_size)
            break
        except UnfitNetwork as error:
            reason = reason if reason.args[0] else error  # what is wrong with three channels, not with four
    else:
        raise reason
    _check_range(graph, run, channels, sizes.fixed_size or (sizes.smallest * -(-64 // sizes.smallest),) * 2)
    return NetworkFacts(channels, measure_reach(run, channels, sizes))


def _check_range(graph: OnnxGraph, run: Run, channels: int, size: tuple[int, int]) -> None:
    """Refuse networks of which a mid-grey image does not become one, such as those for [0, 255] or [-1, 1]."""
    output = run(np.full((1, channels, *size), 0.5, np.float32))[0]
    height, width = (side // 4 for side in output.shape[1:])
    level = float(output[:, height : 3 * height, width : 3 * width].mean())  # its borders may be darker
    changes = size == output.shape[1:]  # it may have to brighten
    least, most = (0.0, 1.0) if changes else (0.25, 0.75)
    if not least <= level <= most:
        what = f"grey of 0.5 becomes {level:.3g}: its values are not in [0, 1]"
        raise CheckpointError(what, str(graph.path), "export it with the division and multiplication by 255 inside")


# -------------------------------------------------------------------------- the graph


def _parse(path: Path) -> tuple[bytes, ModelProto]:
    try:
        import onnx
    except ImportError:
        what = "networks in .onnx need the package onnx"
        raise CheckpointError(what, str(path), "pip install 'srae[onnx]'") from None
    from google.protobuf.message import DecodeError

    try:
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror}", str(path), "name the file of a network") from None
    except (DecodeError, ValueError):
        raise CheckpointError("no ONNX model, or damaged", str(path), "use another copy of the file") from None
    if not model.graph.node:  # as of an empty file, which is valid
        raise CheckpointError("no ONNX model, or damaged", str(path), "use another copy of the file")
    return content, model


def _external_names(model: ModelProto) -> Iterator[str]:
    """The files that tensors anywhere in it refer to: initializers, constants, in subgraphs and functions too."""
    from google.protobuf.message import Message
    from onnx import TensorProto

    todo: list[Any] = [model]
    while todo:
        message = todo.pop()
        if isinstance(message, TensorProto) and message.data_location == TensorProto.EXTERNAL:
            yield next((entry.value for entry in message.external_data if entry.key == "location"), "unnamed")
        for _, value in message.ListFields():
            values = [value] if isinstance(value, Message) else value
            if not isinstance(values, str | bytes | int | float):
                todo += [one for one in values if isinstance(one, Message)]


def _find_ends(graph: Any, path: Path, *, parts: bool) -> tuple[ValueInfoProto, ValueInfoProto]:
    """The one input, without initializers that are listed as such, and the one output.

    Args:
        parts: the output may be in two, as srae writes it.
    """
    known = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1 or not 1 <= len(graph.output) <= 1 + parts:
        what = f"it has {len(inputs)} inputs and {len(graph.output)} outputs, not one image each"
        raise CheckpointError(what, str(path), _OTHER)
    return inputs[0], graph.output[0]


def _check_shape(taken: ValueInfoProto, path: Path) -> tuple[int | None, int | None, int | None]:
    """Channels, height and width of the input, None for those that are not fixed.

    The output's shape is not looked at: many exporters state that of the input.
    """
    from onnx import TensorProto

    kind, dims = taken.type.tensor_type.elem_type, taken.type.tensor_type.shape.dim
    if kind not in (TensorProto.FLOAT, TensorProto.FLOAT16):
        name = TensorProto.DataType.Name(kind).lower()
        raise CheckpointError(f"its input is {name}, not float", str(path), "export it for values in [0, 1]")
    stated = [dim.dim_value if dim.dim_value > 0 else None for dim in dims]
    fits = len(stated) == 4 and stated[0] in (None, 1) and stated[1] in (None, *CHANNELS)
    if not fits or (stated[1] is None and stated[3] in CHANNELS):  # the latter with channels last
        shape = " x ".join(str(size or "any") for size in stated)
        what = f"its input is {shape}, not a batch of images (any or 1) x channels (1, 3 or 4) x height x width"
        raise CheckpointError(what, str(path), "export it with channels first, and without a fixed batch")
    return stated[1], stated[2], stated[3]


def _takes_half(taken: ValueInfoProto) -> bool:
    from onnx import TensorProto

    return bool(taken.type.tensor_type.elem_type == TensorProto.FLOAT16)


def _cast_to_float32(model: ModelProto, taken: ValueInfoProto, given: ValueInfoProto) -> bytes:
    """The graph with float32 outside; inside all stays float16.  The names of input and output stay."""
    from onnx import TensorProto, helper

    inside, result = f"{taken.name}_float16", f"{given.name}_float16"
    for node in model.graph.node:
        node.input[:] = [{taken.name: inside, given.name: result}.get(name, name) for name in node.input]
        node.output[:] = [result if name == given.name else name for name in node.output]
    model.graph.node.insert(0, helper.make_node("Cast", [taken.name], [inside], to=TensorProto.FLOAT16))
    model.graph.node.append(helper.make_node("Cast", [result], [given.name], to=TensorProto.FLOAT))
    for value in (taken, given):
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    return model.SerializeToString()


def _own_facts(metadata: dict[str, str], path: Path) -> NetworkFacts | None:
    if METADATA not in metadata:
        return None
    try:
        return NetworkFacts.from_json(json.loads(metadata[METADATA])["facts"])
    except (KeyError, TypeError, ValueError, RecursionError):
        what = "what srae wrote into it cannot be read"
        raise CheckpointError(what, str(path), "export it with this version of srae") from None
