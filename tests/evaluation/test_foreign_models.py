"""Networks of others beside those of the suite: scored, compared, reported."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch

import srae
from builders import write_image
from refusals import refuses
from srae.analysis.compare import group_runs
from srae.checkpoints.shipped import shipped_models
from srae.cli import main
from srae.errors import DataError
from srae.evaluation.as_run import measure_cost
from srae.evaluation.foreign import load_any
from srae.evaluation.forward import forward_any_size
from srae.evaluation.graph_cost import count_graph
from srae.models import count_multiply_adds, count_parameters
from srae.runs.reader import read_run

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
spandrel = pytest.importorskip("spandrel", reason="the extra spandrel is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

PARAMETERS = 4 * 3 * 9 + 4 + 4 + 4 * 4 * 9 + 4 + 4 + 12 * 4 * 9 + 12


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRAE_CACHE", str(tmp_path / "cache"))


def write_compact(channels: int = 3) -> Path:
    """A network of spandrel's architecture Compact that repeats pixels: all of its convolutions are zero."""
    from spandrel.architectures.Compact import Compact

    weights = Compact(num_in_ch=channels, num_out_ch=channels, num_feat=4, num_conv=1, upscale=2).state_dict()
    path = Path(f"compact{channels}.pth")
    torch.save({name: torch.zeros_like(tensor) for name, tensor in weights.items()}, path)
    return path


def write_nearest() -> Path:
    """A graph that repeats pixels."""
    helper, image = onnx.helper, ("batch", 3, "height", "width")
    taken, given = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, image) for name in "xy")
    scales = helper.make_tensor("scales", onnx.TensorProto.FLOAT, [4], [1, 1, 2, 2])
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    graph = helper.make_graph([node], "nearest", [taken], [given], [scales])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    Path("nearest.onnx").write_bytes(model.SerializeToString())
    return Path("nearest.onnx")


def test_they_are_scored_compared_and_reported_beside_ours(capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        write_image(Path("data") / f"{i}.png", (32, 40), seed=i)
    models = ["tiny", str(write_compact()), str(write_nearest())]
    command = ["eval", "--model", *models, "--data", "data", "--scale", "2", "--protocol", "y", "--json"]
    assert main([*command, "--as-runs", "field"]) == 0
    documents = json.loads(capsys.readouterr().out)
    ours, compact, nearest = (document["val"]["psnr"] for document in documents)
    assert compact == pytest.approx(nearest, abs=1e-6) != ours
    assert documents[1]["protocol"] == documents[0]["protocol"]

    runs = [read_run(path) for path in sorted(Path("field").iterdir())]
    assert [run.name for run in runs] == ["compact3", "nearest", "tiny"]
    (group,) = group_runs(runs)
    rows = {row["run"]: row for row in group.rows}
    assert rows["compact3"]["model"] == "RealESRGAN Compact" and rows["tiny"]["model"] == "residual"
    assert (rows["compact3"]["parameters"], rows["nearest"]["parameters"]) == (PARAMETERS, 0)
    assert rows["compact3"]["multiply_adds"] == (4 * 3 + 4 * 4 + 12 * 4) * 9 * 256**2
    assert {run.status for run in runs} == {"done"} and all(row["seconds"] > 0 for row in rows.values())
    assert rows["compact3"]["val_psnr"] == pytest.approx(compact)
    assert main(["report", *(str(run.path) for run in runs), "-o", "report"]) == 0
    page = Path("report/report.html").read_text()
    assert "compact3" in page and "nearest" in page


def test_a_network_for_grey_is_scored_in_colour() -> None:
    write_image(Path("data") / "0.png", (32, 40), seed=0)
    scores = srae.evaluate(write_compact(channels=1), "data", scale=2, say=lambda _: None)
    assert scores.protocol is not None and scores.protocol.channels == "RGB"


def test_it_has_no_data_of_its_own() -> None:
    with refuses(DataError, "--data"):
        srae.evaluate(write_compact(), say=lambda _: None)


def test_both_ways_make_the_same_image() -> None:
    image = torch.rand(1, 3, 9, 11)
    results = [forward_any_size(load_any(path).model, image) for path in (write_compact(), write_nearest())]
    assert torch.allclose(*results, atol=1e-6)


@pytest.mark.parametrize("architecture", ["Compact", "DITN"])
def test_a_graph_costs_what_its_module_costs(architecture: str) -> None:
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    from importlib import import_module

    options = {"Compact": {"num_feat": 4, "num_conv": 2}, "DITN": {"dim": 4, "UFONE_blocks": 1, "ITL_blocks": 1}}
    module = import_module(f"spandrel.architectures.{architecture}")
    model = getattr(module, architecture)(upscale=2, **options[architecture]).eval()
    for parameter in model.parameters():  # of equal tensors, a graph holds one
        torch.nn.init.normal_(parameter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (torch.zeros(1, 3, 16, 24),), "a.onnx", dynamo=False, dynamic_axes={"x": {2: "h"}}, input_names=["x"]
        )
    parameters, multiply_adds = count_graph(Path("a.onnx"), (3, 16, 24))
    assert parameters == count_parameters(model)
    # DITN computes the shapes of its windows, beyond what can be inferred.
    assert multiply_adds == (None if architecture == "DITN" else count_multiply_adds(model, (3, 16, 24)))


def test_what_ships_is_loaded_as_ever() -> None:
    cost = measure_cost(load_any(shipped_models()["tiny"]))
    assert cost["parameters"] == 25_388
