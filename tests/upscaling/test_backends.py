"""Every engine gives the image that torch gives, or says why it cannot; `auto` never takes one that differs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

import srae as library
from conftest import Run, clean_environment
from srae.checkpoints.shipped import shipped_models
from srae.errors import CheckpointError, ConfigError, ResourceError
from srae.images.image import read_image
from srae.upscaling import backends
from srae.upscaling.backends import graphs, open_network
from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels
from srae.upscaling.network import Network
from upscale_command import save_run

GRAPH_ENGINES = ("openvino", "onnxruntime")
_opened: dict[tuple[str, str], Network] = {}


def network(name: str, engine: str) -> Network:
    if (name, engine) not in _opened:
        _opened[name, engine] = open_network(shipped_models()[name], engine=engine)
    return _opened[name, engine]


def image(height: int, width: int, channels: int, dtype: Any = np.uint8) -> np.ndarray:
    """Of a photograph; alpha is a soft disc."""
    colors = data.astronaut()[60 : 60 + height, 180 : 180 + width].astype(np.float32) / 255
    y, x = np.mgrid[:height, :width]
    alpha = (2 - np.hypot(y / height * 2 - 1, x / width * 2 - 1) * 2).clip(0, 1)[:, :, None]
    color = colors[:, :, :1] if channels < 3 else colors
    values = np.concatenate((color, alpha), 2)[:, :, :channels] if channels in (2, 4) else color
    return values.astype(np.float32) if dtype == np.float32 else (values * np.iinfo(dtype).max).astype(dtype)


# ------------------------------------------------------------------------- the same image


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_float32_is_that_of_torch_to_one_level(name: str, engine: str) -> None:
    wanted, found = network(name, "torch"), network(name, engine)
    assert found.facts == wanted.facts and found.engine.name == engine
    plain = UpscaleOptions(precision="float32")
    for size in ((1, 1), (1, 2), (3, 1), (7, 9), (40, 53)):
        pixels = image(*size, 3)
        large = [upscale_pixels(pixels, [which], plain).astype(int) for which in (wanted, found)]
        assert np.abs(large[0] - large[1]).max() <= 1
    batch = np.random.default_rng(0).random((2, wanted.facts.channels, 12, 16), np.float32)
    outputs = [which.engine.run(batch, "float32") for which in (wanted, found)]
    assert np.abs(outputs[0] - outputs[1]).max() <= 3e-5


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
@pytest.mark.parametrize(
    ("channels", "dtype", "options"),
    [
        *((channels, dtype, {}) for channels in (1, 2, 3, 4) for dtype in (np.uint8, np.uint16, np.float32)),
        *((4, np.uint8, options) for options in ({"tile": 48}, {"self_ensemble": True}, {"wrap": "xy"})),
        *((channels, np.uint16, {"alpha": "separate", "tile": 48}) for channels in (2, 4)),
    ],
)
def test_all_that_the_upscaler_does_is_done_by_every_engine(
    engine: str, channels: int, dtype: type, options: dict[str, Any]
) -> None:
    pixels, how = image(45, 61, channels, dtype), UpscaleOptions(precision="float32", **options)
    wanted, found = (upscale_pixels(pixels, [network("tiny", by)], how).astype(float) for by in ("torch", engine))
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    assert wanted.shape == (90, 122, channels)
    assert np.abs(wanted - found).max() <= max(3e-4 * most, dtype == np.uint8)


@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_bfloat16_neither_brightens_nor_blurs(name: str) -> None:
    """Of a smooth image: in bfloat16 the levels of 8 bits always round up, where the whole graph is in it."""
    by = network(name, "openvino")
    if not by.engine.has_bfloat16:
        pytest.skip("this CPU has no bfloat16")
    smooth = np.linspace(20, 235, 96 * 80 * 3).reshape(96, 80, 3).astype(np.uint8)
    exact, short = (
        upscale_pixels(smooth, [by], UpscaleOptions(precision=precision)).astype(float)
        for precision in ("float32", "bfloat16")
    )
    assert abs((short - exact).mean()) <= 0.05
    whole = [image(96, 120, 3), data.chelsea()[60:156, 100:220]]
    for pixels in whole:
        exact, short = (
            upscale_pixels(pixels, [by], UpscaleOptions(precision=precision)).astype(float)
            for precision in ("float32", "bfloat16")
        )
        assert ((exact - short) ** 2).mean() < 0.15  # of 255: 56 dB and more, which moves 33 dB by less than 0.01
        assert abs((short - exact).mean()) <= 0.05


def test_a_model_from_python_by_every_engine() -> None:
    pixels = image(20, 30, 3)
    results = {}
    for engine in ("torch", *GRAPH_ENGINES):
        model = library.load_model("tiny", engine=engine)
        assert (model.engine, model.device, model.scale) == (engine, "cpu", 2)
        results[engine] = library.upscale(pixels, model="tiny", engine=engine, precision="float32").astype(int)
        assert np.abs(results[engine] - results["torch"]).max() <= 1
    with pytest.raises(ValueError, match="openvino"):
        library.upscale(pixels, engine="tensorrt")


def test_threads_share_a_network() -> None:
    by, pixels, wrong = network("tiny", "openvino"), [image(30, 20 + n, 3) for n in range(6)], []
    wanted = [upscale_pixels(one, [by]) for one in pixels]

    def work(n: int) -> None:
        wrong.extend(n for _ in range(5) if not np.array_equal(upscale_pixels(pixels[n], [by]), wanted[n]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
def test_out_of_memory_halves_the_tiles(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by, pixels = network("tiny", engine), image(100, 90, 3)
    wanted = upscale_pixels(pixels, [by], UpscaleOptions(precision="float32"))
    sides, real = [], type(by.engine).run

    def starved(self: Any, batch: np.ndarray, precision: str) -> np.ndarray:
        sides.append(max(batch.shape[2:]))
        if sides[-1] > 60:
            raise RuntimeError("[ GENERAL_ERROR ] could not allocate memory")
        return real(self, batch, precision)

    monkeypatch.setattr(type(by.engine), "run", starved)
    found = upscale_pixels(pixels, [by], UpscaleOptions(precision="float32"))
    assert np.abs(found.astype(int) - wanted).max() <= 1 and min(sides) <= 60 < max(sides)


# ------------------------------------------------------------------------------ the choice


def test_auto_takes_the_first_that_is_installed_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    path, said = shipped_models()["tiny"], list[str]()
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: False)
    assert open_network(path).engine.name == "openvino"
    monkeypatch.setattr(backends, "is_installed", lambda name: name != "openvino")
    assert open_network(path).engine.name == "onnxruntime"
    monkeypatch.setattr(backends, "is_installed", lambda name: False)
    assert open_network(path).engine.name == "torch"
    monkeypatch.undo()
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: False)
    monkeypatch.setattr("srae.export.probe.probe_difference", lambda *_: 0.5)
    assert open_network(path, say=said.append).engine.name == "torch"
    assert [line.split()[0] for line in said] == ["openvino", "onnxruntime"]
    with pytest.raises(CheckpointError, match="something else"):
        open_network(path, engine="openvino")


def test_with_a_gpu_torch_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: True)
    assert open_network(shipped_models()["tiny"]).engine.name == "torch"
    assert open_network(shipped_models()["tiny"], device="cpu").engine.name == "openvino"


def test_what_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    path = shipped_models()["tiny"]
    for options in ({"engine": "tensorrt"}, {"engine": "openvino", "device": "cuda"}):
        with pytest.raises(ConfigError):
            open_network(path, **options)
    with pytest.raises(ConfigError, match="bfloat16"):
        network("tiny", "onnxruntime").engine.run(np.zeros((1, 3, 8, 8), np.float32), "bfloat16")
    for engine, extra in (("openvino", "openvino"), ("onnxruntime", "onnx")):
        monkeypatch.setattr(backends, "is_installed", lambda name: False)
        with pytest.raises(ResourceError) as caught:
            open_network(path, engine=engine)
        assert f"srae[{extra}]" in (caught.value.remedy or "")


def test_without_torch_a_model_without_a_graph_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = save_run(tmp_path / "mine", "bicubic", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # other tests make a graph of such a run
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "srae.upscaling.backends.torch")
    with pytest.raises(ResourceError, match="torch") as caught:
        open_network(Path(run))
    assert "srae export" in (caught.value.remedy or "")


# -------------------------------------------------------------------------------- a run's graph


def test_a_runs_graph_is_made_once_and_then_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: False)
    save_run(tmp_path / "mine", "bicubic", 2)
    pixels, said = image(17, 23, 3), list[str]()
    assert open_network(tmp_path / "mine").engine.name == "torch"  # what takes seconds is done when it is asked for
    wanted = upscale_pixels(pixels, [open_network(tmp_path / "mine", engine="torch")])
    for engine in GRAPH_ENGINES:
        opened = open_network(tmp_path / "mine", engine=engine, say=said.append)
        assert np.abs(upscale_pixels(pixels, [opened]).astype(int) - wanted).max() <= 1
    assert len(said) == 1  # the second engine found the graph of the first
    assert open_network(tmp_path / "mine").engine.name == "openvino"
    (graph,) = (tmp_path / "cache" / "srae" / "graphs").iterdir()
    graph.write_bytes(graph.read_bytes()[:-1000])
    assert open_network(tmp_path / "mine", say=said.append).engine.name == "torch" and len(said) == 3
    assert graphs.find_graph(shipped_models()["x2"]) == shipped_models()["x2"].with_suffix(".onnx")


def test_a_cache_that_cannot_be_written_and_a_missing_file_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match="cannot be kept"):
        open_network(save_run(tmp_path / "mine", "bicubic", 2), engine="openvino")
    with pytest.raises(CheckpointError, match="cannot read"):
        open_network(tmp_path / "gone.safetensors")


def test_a_graph_of_other_weights_is_noticed(tmp_path: Path) -> None:
    """The shipped graphs take their weights from the file beside them."""
    path = shipped_models()["tiny"]
    graph, weights = tmp_path / "tiny.onnx", tmp_path / path.name
    graph.write_bytes(path.with_suffix(".onnx").read_bytes())
    content = bytearray(path.read_bytes())
    content[-4000:-2000] = bytes(2000)
    weights.write_bytes(content)
    for engine in GRAPH_ENGINES:
        with pytest.raises(CheckpointError, match="something else"):
            backends._open_graph(graph, engine, weights)


def test_the_command_names_its_engine(tmp_path: Path, srae: Run) -> None:
    from PIL import Image

    Image.fromarray(image(20, 30, 3)).save(tmp_path / "a.png")
    done = srae("upscale", "a.png", "--engine", "onnxruntime", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "by onnxruntime on cpu" in done.stderr
    assert [entry["output"] for entry in json.loads(done.stdout)["files"]] == ["a_x2.png"]


# ------------------------------------------------------------------- an installation without torch

_BARE = """
import subprocess
import sys
from importlib.machinery import PathFinder

class Missing(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

MISSING = set("torch torchvision scipy skimage matplotlib yaml pydantic safetensors jinja2 filelock psutil".split())
sys.meta_path.insert(0, Missing)
from srae.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_upscaling_needs_neither_torch_nor_what_trainings_need(tmp_path: Path) -> None:
    from PIL import Image

    for name, channels in (("a", 3), ("b", 4)):
        Image.fromarray(image(20, 30, channels)).save(tmp_path / f"{name}.png")
    for arguments, code in (
        (("upscale", "a.png", "b.png", "--compare"), 0),
        (("upscale", "a.png", "--scale", "3.5", "--self-ensemble", "--wrap", "x", "-o", "c.webp"), 0),
        (("upscale", "a.png", "--engine", "torch", "-o", "d.png"), ResourceError.exit_code),
        (("train", "--config", "residual"), ResourceError.exit_code),
        (("doctor",), ResourceError.exit_code),
    ):
        done = subprocess.run(
            [sys.executable, "-c", _BARE, *arguments],
            cwd=tmp_path,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        assert (done.returncode, arguments) == (code, arguments), done.stderr
    sizes = {"a_x2.png": (60, 40), "b_x2.png": (60, 40), "c.webp": (105, 70)}
    assert {name: read_image(tmp_path / name).pixels.shape[1::-1] for name in sizes} == sizes


# ------------------------------------------------------------------------------ networks of others


def _compact(path: Path) -> Any:
    """A network of an architecture that spandrel knows, and its weights in a file."""
    import torch
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    model = Compact(num_feat=8, num_conv=2, upscale=2).eval()
    torch.save(model.state_dict(), path)
    return model


@pytest.mark.parametrize("size", [(40, 33), (5, 70)])
@pytest.mark.parametrize("options", [{}, {"tile": 24}, {"self_ensemble": True}])
def test_weights_of_others_are_enlarged_with_like_ours(tmp_path: Path, size: tuple[int, int], options: dict) -> None:
    import torch

    model, pixels = _compact(tmp_path / "compact.pth"), image(*size, 3)
    by = open_network(tmp_path / "compact.pth")
    found = upscale_pixels(pixels, [by], UpscaleOptions(**options)).astype(float)
    with torch.no_grad():
        wanted = model(torch.from_numpy(pixels.transpose(2, 0, 1)[None] / np.float32(255)))[0].clamp(0, 1).numpy() * 255
    assert by.engine.name == "torch" and found.shape == (2 * size[0], 2 * size[1], 3)
    if "self_ensemble" not in options:
        assert np.abs(found - wanted.transpose(1, 2, 0)).max() <= 1
    deep = upscale_pixels(image(*size, 4, np.uint16), [by], UpscaleOptions(**options))
    assert (deep.dtype, deep.shape) == (np.uint16, (2 * size[0], 2 * size[1], 4))


@pytest.mark.parametrize("engine", ["auto", *GRAPH_ENGINES])
def test_an_exported_graph_is_a_model_too(tmp_path: Path, engine: str) -> None:
    """Written from a graph that ships, with the weights inside, as `srae export` writes it."""
    import onnx

    path = shipped_models()["tiny"]
    graph = onnx.load(path.with_suffix(".onnx"))
    onnx.save(graph, tmp_path / "mine.onnx")
    pixels = image(31, 44, 3)
    wanted = upscale_pixels(pixels, [network("tiny", "torch")], UpscaleOptions(precision="float32")).astype(int)
    by = open_network(tmp_path / "mine.onnx", engine=engine)
    assert by.facts == network("tiny", "torch").facts
    assert np.abs(upscale_pixels(pixels, [by], UpscaleOptions(precision="float32")) - wanted).max() <= 1
    (tmp_path / "linked.onnx").write_bytes(path.with_suffix(".onnx").read_bytes())
    with pytest.raises(CheckpointError, match="another file"):
        open_network(tmp_path / "linked.onnx", engine=engine)


def test_engines_refuse_what_they_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _compact(tmp_path / "compact.pth")
    (tmp_path / "a.onnx").write_bytes(b"nonsense")
    for name, options in (("compact.pth", {"engine": "openvino"}), ("a.onnx", {"engine": "torch"})):
        with pytest.raises(ConfigError):
            open_network(tmp_path / name, **options)
    with pytest.raises(CheckpointError, match="damaged"):
        open_network(tmp_path / "a.onnx")
    monkeypatch.setattr(backends, "is_installed", lambda name: False)
    with pytest.raises(ResourceError) as caught:
        open_network(tmp_path / "a.onnx")
    assert "pip install" in (caught.value.remedy or "")
