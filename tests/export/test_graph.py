"""Graphs: the shipped ones, and what any of them holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch

from graphs import ENGINES, by_onnxruntime, noise, run_torch, save_toy
from srae.checkpoints.facts import NetworkFacts
from srae.checkpoints.loading import TrainedModel, load_model
from srae.checkpoints.shipped import shipped_models
from srae.export.graph import link_weights, write_graph
from srae.export.probe import make_probe, probe_difference
from srae.models.blocks import enlarge_bicubic

SHIPPED = shipped_models()
SIDES = [(1, 1), (1, 2), (2, 1), (3, 3), (4, 7), (13, 20), (61, 45)]


def read_metadata(graph: Path) -> dict:
    return json.loads(onnxruntime.InferenceSession(str(graph)).get_modelmeta().custom_metadata_map["srae"])


def is_linked(graph: Path) -> bool:
    return any(t.external_data for t in onnx.load(graph, load_external_data=False).graph.initializer)


def test_every_model_that_ships_has_its_graph() -> None:
    assert [path.with_suffix(".onnx").is_file() for path in SHIPPED.values()] == [True] * len(SHIPPED)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_graph_computes_what_torch_does(name: str, engine) -> None:  # else: scripts/ship_graphs.py
    graph, trained = SHIPPED[name].with_suffix(".onnx"), load_model(SHIPPED[name])
    metadata, run = read_metadata(graph), engine(graph)
    assert metadata["weights_sha256"] == hashlib.sha256(SHIPPED[name].read_bytes()).hexdigest()
    assert NetworkFacts.from_json(metadata["facts"]) == trained.facts
    assert probe_difference(sum(run(make_probe(trained.facts))), metadata) < 2e-5
    assert graph.stat().st_size < 40_000 and is_linked(graph)
    multiple = trained.facts.geometry.multiple_of
    for height, width in SIDES:
        input = noise(2, 3, height * multiple, width * multiple)
        baseline, correction = run(input)
        assert np.abs(baseline + correction - run_torch(trained, input)).max() < 2e-5
        enlarged = enlarge_bicubic(torch.from_numpy(input), trained.facts.geometry.scale)
        assert np.abs(baseline - enlarged.numpy()).max() < 2e-5


@pytest.mark.parametrize("scale", range(1, 9))
def test_the_bicubic_of_graphs_is_that_of_torch(scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for channels, (height, width) in zip((1, 2, 3, 4, 1, 1, 5), SIDES, strict=True):
        input = torch.from_numpy(noise(2, channels, height, width)).double()
        expected = enlarge_bicubic(input, scale)
        with monkeypatch.context() as exporting:
            exporting.setattr(torch.compiler, "is_exporting", lambda: True)
            assert torch.allclose(enlarge_bicubic(input, scale), expected, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Path]:
    folder = tmp_path_factory.mktemp("toy")
    trained = save_toy(folder, "residual", (2, 8, 8), (2, 40, 40), {"width": 4, "blocks": 1, "shrink": 1})
    write_graph(trained, folder / "toy.onnx")
    return trained, folder / "toy.onnx"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_is_one_file_for_any_size_and_batch(toy: tuple[TrainedModel, Path], engine, tmp_path: Path) -> None:
    trained, graph = toy
    assert not is_linked(graph)
    renamed = tmp_path / "other.onnx"
    renamed.write_bytes(graph.read_bytes())
    run = engine(renamed)
    for batch, (height, width) in enumerate(SIDES, 1):
        input = noise(batch, 2, height, width)
        (output,) = run(input)
        assert np.abs(output - run_torch(trained, input)).max() < 2e-5
    assert probe_difference(*run(make_probe(trained.facts)), read_metadata(graph)) < 2e-5


def test_both_engines_show_the_metadata_without_onnx(toy: tuple[TrainedModel, Path]) -> None:
    text = openvino.Core().read_model(toy[1]).get_rt_info(["framework", "srae"]).value
    assert json.loads(text) == read_metadata(toy[1])


def test_weights_are_linked_by_name_and_stay_right(toy: tuple[TrainedModel, Path], tmp_path: Path) -> None:
    trained, graph = toy
    for file in (graph, trained.path):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    linked, input = tmp_path / graph.name, noise(1, 2, 9, 6)
    before = by_onnxruntime(linked)(input)[0]
    link_weights(linked, tmp_path / trained.path.name)
    assert is_linked(linked) and linked.stat().st_size < graph.stat().st_size
    assert np.array_equal(by_onnxruntime(linked)(input)[0], before)


def test_the_probe_tells_a_right_output_from_wrong_ones(toy: tuple[TrainedModel, Path]) -> None:
    trained, graph = toy
    metadata, right = read_metadata(graph), run_torch(trained, make_probe(trained.facts))
    assert probe_difference(right, metadata) == 0
    assert probe_difference(right + np.float32(0.01), metadata) == pytest.approx(0.01, abs=1e-6)
    assert probe_difference(right[:, :, ::-1], metadata) > 0.1
    assert probe_difference(right[:, :, 1:], metadata) == float("inf")
    assert not probe_difference(np.full_like(right, np.nan), metadata) < 1


def test_branches_are_one_convolution_in_the_graphs_of_engines(tmp_path: Path) -> None:
    trained = save_toy(tmp_path, "span", (3, 32, 32), (3, 64, 64), {"width": 6})
    graph, input = tmp_path / "a.onnx", noise(1, 3, 9, 14)
    write_graph(trained, graph, parts=True)
    kernels = [tuple(t.dims) for t in onnx.load(graph).graph.initializer if len(t.dims) == 4]
    assert sorted(kernels) == sorted([(6, 3, 3, 3), (6, 24, 1, 1), (12, 6, 3, 3), *[(6, 6, 3, 3)] * 19])
    for engine in ENGINES:
        assert np.abs(engine(graph)(input)[0] - run_torch(trained, input)).max() < 2e-5
