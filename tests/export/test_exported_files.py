"""`srae export`: every network, in every format that holds it, gives the image that torch gives."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
import spandrel
import torch
from safetensors.torch import load_file

from graphs import ENGINES, noise, run_torch, save_toy
from refusals import refuses
from srae.checkpoints.facts import NetworkFacts
from srae.checkpoints.loading import TrainedModel, load_model
from srae.checkpoints.shipped import shipped_models
from srae.cli import export as verb
from srae.cli import main
from srae.errors import CheckpointError, ConfigError, SraeError
from srae.evaluation.forward import forward_any_size
from srae.export.api import Exported, export_model, pick_target
from srae.export.formats import FORMATS, PRECISIONS
from srae.export.known_forms import FORMS, to_known_form
from srae.models import MODELS, build_model

SMALL, TWICE, THRICE = (3, 32, 32), (3, 64, 64), (3, 96, 96)
# (name, in_shape, out_shape, options): one of every kind of graph.
TOYS: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("identity", SMALL, SMALL, {}),
    ("bicubic", SMALL, SMALL, {"shrink": 2}),
    ("conv_autoencoder", SMALL, SMALL, {"channels": [4, 8], "batch_norm": True, "skips": True, "value_range": [-1, 1]}),
    ("conv_autoencoder", SMALL, SMALL, {"channels": [4, 8], "latent": 5, "pool": [1, 2], "dropout": 0.5}),
    ("conv_autoencoder", (4, 64, 64), (4, 64, 64), {"channels": [4, 6], "kernel": [3, 17], "stride": [2, 1]}),
    ("unet", SMALL, SMALL, {"channels": [4, 6, 8]}),
    ("residual", SMALL, THRICE, {"width": 6, "blocks": 1, "shrink": 2}),
    ("srcnn", (1, 32, 32), (1, 64, 64), {}),
    ("fsrcnn", SMALL, THRICE, {"features": 6, "shrunk": 3, "mappings": 2}),
    ("espcn", SMALL, TWICE, {}),
    ("vdsr", SMALL, TWICE, {"layers": 4, "width": 5}),
    ("edsr", SMALL, TWICE, {"blocks": 2, "width": 5}),
    ("imdn", SMALL, TWICE, {"blocks": 2, "width": 8}),
    ("span", SMALL, TWICE, {"width": 6}),
    ("srvgg", SMALL, THRICE, {"width": 5, "layers": 2}),
    ("dense_autoencoder", SMALL, SMALL, {"hidden": 5, "dropout": 0.1, "value_range": [-1, 1]}),
]
CLASSIFIER = ("conv_classifier", SMALL, (10,), {"channels": [4]})
DENOISER = ("vdsr", SMALL, SMALL, {"layers": 8, "width": 5})
KNOWN = [
    DENOISER,
    ("span", SMALL, TWICE, {"width": 6}),
    ("span", SMALL, SMALL, {"width": 6, "branches": False, "normalise": False}),
    ("srvgg", SMALL, THRICE, {"width": 5, "layers": 2}),
]
"""Networks that spandrel knows too."""
ODD = [(1, 2), (3, 1), (7, 10)]


def toy_id(toy: tuple) -> str:
    return f"{toy[0]}-{'-'.join(toy[3]) or 'plain'}"


def test_every_network_has_a_toy() -> None:
    assert {toy[0] for toy in TOYS} == {name for name in MODELS if "classifier" not in name}


def largest(done: Exported) -> float:
    return max(check.difference for check in done.checks)


def inferred_sides(graph: onnx.ModelProto, height: int, width: int) -> list[int]:
    """Of the output, as programs find out the scale of a graph before they run it."""
    for side, value in zip(graph.graph.input[0].type.tensor_type.shape.dim, (1, None, height, width), strict=True):
        if value is not None:
            side.dim_value = value
    graph.graph.output[0].type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(graph, data_prop=True).graph.output[0].type.tensor_type.shape
    return [side.dim_value for side in found.dim[2:]]


@pytest.mark.parametrize("toy", TOYS, ids=toy_id)
def test_every_network_becomes_onnx_for_any_size_it_takes(toy: tuple, tmp_path: Path) -> None:
    trained = save_toy(tmp_path, *toy)
    done = export_model(trained, tmp_path / "toy.onnx", licence="CC0")
    graph = onnx.load(done.files[0])
    texts = {entry.key: entry.value for entry in graph.metadata_props}
    assert NetworkFacts.from_json(json.loads(texts["srae"])["facts"]) == trained.facts
    assert (texts["network"], texts["licence"]) == (toy[0], "CC0")
    assert not {"BatchNormalization", "Dropout"} & {node.op_type for node in graph.graph.node}
    geometry = trained.facts.geometry
    assert [check.sizes for check in done.checks] == [1 if geometry.fixed_size else 7] * len(ENGINES)
    assert largest(done) < 0.02
    if geometry.multiple_of == 1:
        assert inferred_sides(graph, 16, 20) == [16 * geometry.scale, 20 * geometry.scale] or geometry.fixed_size
    for engine in ENGINES:
        run = engine(done.files[0])
        for height, width in [geometry.fixed_size] * 2 if geometry.fixed_size else ODD:
            input = noise(2, toy[1][0], height, width)
            with torch.inference_mode():
                expected = forward_any_size(trained.model, torch.from_numpy(input)).numpy()
            assert np.abs(run(input)[0] - expected).max() < 1e-4


@pytest.fixture(scope="module")
def strided(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """Needs sides of multiples of four, and has running means."""
    options = {"channels": [4, 8], "batch_norm": True}
    return save_toy(tmp_path_factory.mktemp("strided"), "conv_autoencoder", SMALL, SMALL, options)


def test_openvino_has_its_own_two_files(strided: TrainedModel, tmp_path: Path) -> None:
    done = export_model(strided, tmp_path / "a.xml", format="openvino", precision="float16")
    assert [file.name for file in done.files] == ["a.xml", "a.bin"] == sorted(p.name for p in tmp_path.iterdir())[::-1]
    model = openvino.Core().read_model(done.files[0])
    assert NetworkFacts.from_json(json.loads(model.get_rt_info(["framework", "srae"]).value)["facts"]) == strided.facts
    assert largest(done) < 1
    assert done.files[1].stat().st_size < 2.5 * sum(value.numel() for value in strided.model.parameters()) + 500


@pytest.mark.parametrize("precision", PRECISIONS)
def test_safetensors_hold_the_plain_state_dict_that_srae_reads(
    strided: TrainedModel, precision: str, tmp_path: Path
) -> None:
    done = export_model(strided, tmp_path / "a.safetensors", format="safetensors", precision=precision)
    again, weights = load_model(done.files[0]), load_file(done.files[0])
    assert (again.config, again.facts) == (strided.config, strided.facts)
    config = strided.config.model
    model = build_model(config.name, strided.in_shape, strided.out_shape, config.options)
    model.load_state_dict(weights)
    assert {value.dtype for value in weights.values()} == {getattr(torch, precision), torch.int64}
    if precision == "float32":
        assert all(torch.equal(value, strided.model.state_dict()[name]) for name, value in weights.items())


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("toy", KNOWN, ids=toy_id)
def test_spandrel_loads_what_it_knows(toy: tuple, precision: str, tmp_path: Path) -> None:
    trained = save_toy(tmp_path, *toy)
    done = export_model(trained, tmp_path / "a.safetensors", format="spandrel", precision=precision, licence="CC0")
    found, input = spandrel.ModelLoader("cpu").load_from_file(done.files[0]), noise(1, 3, 9, 13)
    assert found.architecture.id == FORMS[toy[0]].architecture
    assert (found.scale, found.input_channels) == (trained.facts.geometry.scale, 3)
    with torch.inference_mode():
        output = found(torch.from_numpy(input)).numpy()
    assert np.abs(output - run_torch(trained, input).clip(0, 1)).max() < (1e-5 if precision == "float32" else 4e-3)
    assert largest(done) < 1


@pytest.mark.parametrize("toy", [KNOWN[1], KNOWN[3]], ids=toy_id)
def test_weights_of_the_ecosystem_are_the_same_function_here(toy: tuple, tmp_path: Path) -> None:
    trained = save_toy(tmp_path, *toy)
    own, (_, known) = trained.model.state_dict(), to_known_form(trained)
    of_place = {value.data_ptr(): name for name, value in own.items()}
    theirs = spandrel.ModelLoader("cpu").load_from_state_dict(known).model
    for value in theirs.parameters():
        value.data.add_(0.1 * torch.randn_like(value))
    values = {of_place[known[name].data_ptr()]: value for name, value in theirs.state_dict().items()
              if known[name].data_ptr() in of_place}  # fmt: skip
    assert values.keys() == own.keys()
    trained.model.load_state_dict(values)
    input = torch.from_numpy(noise(1, 3, 9, 13))
    with torch.inference_mode():
        torch.testing.assert_close(trained.model(input), theirs.eval()(input), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("toy", "format", "named"),
    [
        (CLASSIFIER, "onnx", "names images"),
        (CLASSIFIER, "safetensors", "names images"),
        (TOYS[6], "spandrel", "--format onnx"),
        (("vdsr", SMALL, TWICE, {"layers": 8, "width": 5}), "spandrel", "keeps the size"),
        (("vdsr", SMALL, SMALL, {"layers": 7, "width": 5}), "spandrel", "8 layers"),
        (("span", SMALL, SMALL, {"blocks": 2, "width": 4}), "spandrel", "6 blocks"),
        (("span", (1, 32, 32), (1, 32, 32), {"width": 4}), "spandrel", "3 channels"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(toy: tuple, format: str, named: str, tmp_path: Path) -> None:
    trained = save_toy(tmp_path, *toy)
    with refuses(ConfigError, named, trained.path):
        export_model(trained, tmp_path / f"a{FORMATS[format].suffixes[0]}", format=format)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_a_file_that_computes_something_else_does_not_appear(tmp_path: Path) -> None:
    trained = save_toy(tmp_path, "espcn", SMALL, TWICE, {})
    trained.model.layers[0].weight.data.mul_(1e7)  # beyond float16
    with refuses(CheckpointError, "a.onnx", "--precision float32"):
        export_model(trained, tmp_path / "a.onnx", precision="float16")
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_half_the_bytes_for_half_the_precision(tmp_path: Path) -> None:
    trained = save_toy(tmp_path, "espcn", SMALL, TWICE, {})
    graph = export_model(trained, tmp_path / "a.onnx", precision="float16").files[0]
    assert graph.stat().st_size < 0.65 * trained.path.stat().st_size
    kinds = {tensor.data_type for tensor in onnx.load(graph).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds and onnx.TensorProto.FLOAT not in kinds


@pytest.mark.parametrize("format", FORMATS)
def test_files_that_exist_stay(format: str, tmp_path: Path) -> None:
    trained = save_toy(tmp_path / "weights", *DENOISER)
    for suffix in FORMATS[format].suffixes:
        (tmp_path / f"a{suffix}").write_text("mine")
        with refuses(ConfigError, f"a{suffix}", "--overwrite"):
            export_model(trained, tmp_path / f"a{FORMATS[format].suffixes[0]}", format=format)
        assert (tmp_path / f"a{suffix}").read_text() == "mine"
        (tmp_path / f"a{suffix}").unlink()


@pytest.mark.parametrize(
    ("package", "format", "pip"),
    [("onnx", "onnx", "srae[onnx]"), ("onnxscript", "onnx", "srae[onnx]"), ("openvino", "openvino", "srae[openvino")],
)
def test_a_missing_package_is_named_with_its_extra(
    package: str, format: str, pip: str, strided: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with refuses(ConfigError, package, pip):
        export_model(strided, tmp_path / f"a{FORMATS[format].suffixes[0]}", format=format)


def test_names_and_suffixes_of_the_target(tmp_path: Path) -> None:
    assert pick_target("x2", None, "openvino") == Path("x2.xml")
    assert pick_target("x2", tmp_path, "onnx") == tmp_path / "x2.onnx"
    assert pick_target("x2", tmp_path / "b.ONNX", "onnx") == tmp_path / "b.ONNX"
    with refuses(ConfigError, ".onnx", "b.pth"):
        pick_target("x2", tmp_path / "b.pth", "onnx")


def test_the_command_offers_every_format() -> None:
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    choices = {action.dest: action.choices for action in parser._actions}
    assert (choices["format"], choices["precision"]) == (tuple(FORMATS), PRECISIONS)


def test_the_command_states_licence_and_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert main(["export", "tiny", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["files"] == ["tiny.onnx"] and document["licence"].startswith("MIT")
    assert [check["difference"] is None for check in document["checks"]] == [False, True]
    texts = {entry.key: entry.value for entry in onnx.load("tiny.onnx").metadata_props}
    assert texts["card"] == shipped_models()["tiny"].with_suffix(".md").read_text()
    assert main(["export", "tiny"]) == SraeError.exit_code + 1  # it exists now
