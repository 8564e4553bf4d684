"""ONNX graphs of others: what they say, what running them shows, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refusals import refuses
from srae.checkpoints.facts import Geometry, NetworkFacts
from srae.checkpoints.foreign_onnx import find_facts, read_onnx
from srae.checkpoints.probing import Run
from srae.errors import CheckpointError

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

ANY = ("batch", 3, "height", "width")
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def blur_weights(scale: int, radius: int, channels: int = 3, kind: type = np.float32) -> np.ndarray:
    """Of a convolution before DepthToSpace: the mean over a square, for each pixel that a pixel becomes."""
    side = 2 * radius + 1
    weights = np.zeros((channels * scale**2, channels, side, side), kind)
    for channel in range(channels):
        weights[channel * scale**2 : (channel + 1) * scale**2, channel] = 1 / side**2
    return weights


def enlarging(scale: int, radius: int, channels: int = 3, kind: type = np.float32) -> tuple[list, list]:
    weights = numpy_helper.from_array(blur_weights(scale, radius, channels, kind), "weights")
    pads = [radius] * 4
    return [
        helper.make_node("Conv", ["x", "weights"], ["many"], pads=pads),
        helper.make_node("DepthToSpace", ["many"], ["y"], blocksize=scale, mode="CRD"),
    ], [weights]


def write(
    path: Path,
    nodes: tuple[list, list],
    *,
    shape: Sequence[Any] = ANY,
    out: Sequence[Any] = ANY,
    kind: int = FLOAT,
    metadata: dict[str, str] | None = None,
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
) -> Path:
    """A graph x -> y; the shape that it states of y is that of x, as many exporters have it."""
    value = helper.make_tensor_value_info
    taken, given = [value("x", kind, shape), *inputs], [value("y", kind, out), *outputs]
    graph = helper.make_graph(nodes[0], "graph", taken, given, nodes[1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    path.write_bytes(model.SerializeToString())
    return path


def node(*arguments: Any, **attributes: Any) -> Any:
    return helper.make_node(*arguments, **attributes)


def constant(name: str, values: Any, kind: type = np.float32) -> Any:
    return numpy_helper.from_array(np.array(values, kind), name)


def opened(content: bytes) -> Run:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {session.get_inputs()[0].name: images})[0]


def facts_of(path: Path) -> NetworkFacts:
    graph = read_onnx(path)
    return find_facts(graph, opened(graph.content), "onnxruntime")


UNSHUFFLED = (
    [
        node("SpaceToDepth", ["x"], ["small"], blocksize=8),
        node("DepthToSpace", ["small"], ["y"], blocksize=8),
    ],
    [],
)
RESIZED = ([node("Resize", ["x", "", "scales"], ["y"], mode="nearest")], [constant("scales", [1, 1, 3, 3])])


@pytest.mark.parametrize(
    ("nodes", "options", "expected"),
    [
        (enlarging(2, 1), {}, Geometry(2, receptive_radius=1)),
        (enlarging(4, 5, 1), {"shape": ("b", 1, "h", "w")}, Geometry(4, receptive_radius=5)),
        (enlarging(2, 2), {"shape": (1, "c", "h", "w")}, Geometry(2, receptive_radius=2)),
        (enlarging(2, 1), {"shape": (1, 3, 24, 32)}, Geometry(2, receptive_radius=None, fixed_size=(24, 32))),
        (enlarging(2, 1), {"shape": (1, 3, 24, "w")}, Geometry(2, receptive_radius=None, fixed_size=(24, 24))),
        (enlarging(2, 1, kind=np.float16), {"kind": HALF}, Geometry(2, receptive_radius=1)),
        (UNSHUFFLED, {}, Geometry(1, 8, receptive_radius=7, smallest=8)),
        (RESIZED, {}, Geometry(3, receptive_radius=0)),
    ],
)
def test_running_it_shows_what_it_is(nodes: Any, options: dict[str, Any], expected: Geometry, tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx", nodes, **options)
    graph, facts = read_onnx(path), facts_of(path)
    stated = options.get("shape", ANY)
    assert facts.geometry == expected
    assert facts.channels == (stated[1] if isinstance(stated[1], int) else 3)
    assert graph.one_at_a_time == (stated[0] == 1) and graph.own is None and graph.licence is None


def test_half_precision_stays_inside(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((1, 3, 9, 7), np.float32)
    half = read_onnx(write(tmp_path / "a.onnx", enlarging(2, 1, kind=np.float16), kind=HALF))
    full = read_onnx(write(tmp_path / "b.onnx", enlarging(2, 1)))
    results = [opened(graph.content)(images) for graph in (half, full)]
    assert results[0].dtype == np.float32
    assert np.abs(results[0] - results[1]).max() < 2e-3


def test_what_srae_wrote_is_taken_as_it_is(tmp_path: Path) -> None:
    facts = NetworkFacts(3, Geometry(2, 4, 17), adds_to_bicubic=True, value_range=(0.0, 4095.0))
    metadata = {"srae": json.dumps({"facts": facts.to_json()}), "licence": "MIT"}
    part = helper.make_tensor_value_info("many", FLOAT, None)
    path = write(tmp_path / "a.onnx", enlarging(2, 1), metadata=metadata, outputs=[part])
    graph = read_onnx(path)
    assert graph.licence == "MIT"
    assert find_facts(graph, lambda images: images[:, :0], "none") == graph.own == facts


def test_a_file_is_measured_once(tmp_path: Path) -> None:
    graph, said = read_onnx(write(tmp_path / "a.onnx", enlarging(2, 1))), list[str]()
    facts = find_facts(graph, opened(graph.content), "engine 1", said.append)
    assert find_facts(graph, lambda images: images[:, :0], "engine 1", said.append) == facts and len(said) == 1
    assert find_facts(graph, opened(graph.content), "engine 2", said.append) == facts and len(said) == 2


# -------------------------------------------------------------------------- what is refused

INTEGER = helper.make_tensor_value_info("other", TensorProto.INT64, [1])


@pytest.mark.parametrize(
    ("nodes", "options", "named"),
    [
        (enlarging(2, 1), {"inputs": [INTEGER]}, "2 inputs"),
        (enlarging(2, 1), {"outputs": [helper.make_tensor_value_info("many", FLOAT, None)]}, "2 outputs"),
        (enlarging(2, 1), {"kind": TensorProto.UINT8}, "uint8"),
        (enlarging(2, 1), {"shape": ("b", "h", "w")}, "any x any x any"),
        (enlarging(2, 1), {"shape": (1, "h", "w", 3), "out": (1, "c", "h", "w")}, "channels"),
        (enlarging(2, 1), {"shape": (4, 3, "h", "w")}, "4 x 3"),
        (enlarging(2, 1, 2), {"shape": (1, 2, "h", "w")}, "1 x 2"),
        (enlarging(2, 1), {"metadata": {"srae": "{"}}, "srae"),
    ],
)
def test_other_graphs_are_refused(nodes: Any, options: dict[str, Any], named: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx", nodes, **options)
    with refuses(CheckpointError, named, path):
        read_onnx(path)


def scaled(factor: float, offset: float) -> tuple[list, list]:
    nodes = [node("Mul", ["x", "f"], ["many"]), node("Add", ["many", "o"], ["y"])]
    return nodes, [constant("f", factor), constant("o", offset)]


@pytest.mark.parametrize(
    ("nodes", "named"),
    [
        (scaled(255, 0), "128"),
        (scaled(2, -1.5), "-0.5"),
        (([node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1)], []), "channels"),
        (([node("Slice", ["x", "s", "e", "a"], ["y"])],
          [constant(name, [value], np.int64) for name, value in zip("sea", (0, -1, 3), strict=True)]),
          "(1, 3, 64, 63)"),
        (([node("Add", ["x", "o"], ["y"])], [constant("o", np.zeros((1, 3, 50, 50)))]), "64x64"),
    ],
)  # fmt: skip
def test_what_does_not_map_images_to_images_is_refused(nodes: Any, named: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx", nodes)
    with refuses(CheckpointError, named, path):
        facts_of(path)


def externally(tensor: Any, name: str = "weights.bin") -> Any:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=name)
    return tensor


def in_a_constant() -> tuple[list, list]:
    return [node("Constant", [], ["o"], value=externally(constant("o", [0]))), node("Add", ["x", "o"], ["y"])], []


def in_a_branch() -> tuple[list, list]:
    result = helper.make_tensor_value_info("z", FLOAT, None)
    branch = helper.make_graph([*in_a_constant()[0][:1], node("Add", ["x", "o"], ["z"])], "branch", [], [result])
    return [node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)], [constant("c", True, np.bool_)]


def in_an_initializer() -> tuple[list, list]:
    nodes, weights = enlarging(2, 1)
    return nodes, [externally(weights[0])]


@pytest.mark.parametrize("build", [in_an_initializer, in_a_constant, in_a_branch])
def test_weights_in_other_files_are_refused(build: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx", build())
    with refuses(CheckpointError, "weights.bin", path):
        read_onnx(path)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "folder", "none"])
def test_damaged_files_are_refused(damage: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx", enlarging(2, 1))
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "text": b"no graph\n"}.get(damage, content))
    wrong = {"folder": tmp_path, "none": tmp_path / "none.onnx"}.get(damage, path)
    with refuses(CheckpointError, wrong):
        read_onnx(wrong)
