"""ONNX graphs of others in the upscaler: which engine runs them, and that it makes one image of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refusals import refuses
from srae.errors import CheckpointError
from srae.upscaling import backends
from srae.upscaling.backends import open_network
from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("openvino", reason="the extra openvino is not installed")
helper, FLOAT, HALF = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
ENGINES = ("openvino", "onnxruntime")


@pytest.fixture(autouse=True)
def _without_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRAE_CACHE", str(tmp_path / "cache"))


def resized(scale: float, *, antialias: bool = False, names: str = "xy") -> tuple[Any, Any]:
    scales = helper.make_tensor(f"scales_{names}", FLOAT, [4], [1, 1, scale, scale])
    node = helper.make_node(
        "Resize", [names[0], "", f"scales_{names}"], [names[1]], mode="linear", antialias=int(antialias)
    )
    return node, scales


def write(path: Path, *parts: tuple[Any, Any], shape: tuple[Any, ...], kind: int = FLOAT) -> Path:
    taken, given = helper.make_tensor_value_info("x", kind, shape), helper.make_tensor_value_info("y", kind, None)
    nodes, weights = zip(*parts, strict=True)
    graph = helper.make_graph(nodes, "graph", [taken], [given], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("shape", "kind"),
    [(("b", 3, "h", "w"), FLOAT), ((1, 3, "h", "w"), FLOAT), ((1, 3, 16, 24), FLOAT), (("b", 3, "h", "w"), HALF)],
)
def test_pieces_make_the_same_as_the_whole(engine: str, shape: tuple[Any, ...], kind: int, tmp_path: Path) -> None:
    network = open_network(write(tmp_path / "a.onnx", resized(2), shape=shape, kind=kind), engine=engine)
    assert network.engine.name == engine
    pixels = np.random.default_rng(0).integers(0, 256, (37, 61, 3), np.uint8)
    whole = upscale_pixels(pixels, [network])
    for options in (UpscaleOptions(tile=24), UpscaleOptions(self_ensemble=True)):
        found = upscale_pixels(pixels, [network], options)
        # Windows of a fixed size fade into each other, so that their borders show.
        limit = 1 if network.geometry.fixed_size is None else 64
        assert found.shape == (74, 122, 3) and np.abs(found.astype(int) - whole).max() <= limit


def test_an_engine_that_computes_something_else_is_not_taken(tmp_path: Path) -> None:
    """OpenVINO leaves `antialias` out where it shrinks."""
    shape, said = ("b", 3, "h", "w"), list[str]()
    parts = resized(0.25, antialias=True, names="xm"), resized(4, names="my")
    path = write(tmp_path / "a.onnx", *parts, shape=shape)
    assert open_network(path, say=said.append).engine.name == "onnxruntime"
    assert [line.split()[0] for line in said] == ["a.onnx:", "openvino"]
    assert open_network(write(tmp_path / "b.onnx", resized(2), shape=shape)).engine.name == "openvino"


def test_a_graph_that_no_engine_runs_is_refused(tmp_path: Path) -> None:
    node, said = helper.make_node("Unknown", ["x"], ["y"], domain="of.others"), list[str]()
    unused = helper.make_tensor("unused", FLOAT, [1], [0])
    path = write(tmp_path / "a.onnx", (node, unused), shape=("b", 3, "h", "w"))
    with refuses(CheckpointError, path):
        open_network(path, say=said.append)
    assert {line.split()[0] for line in said} == set(ENGINES) <= set(backends.ENGINES)
