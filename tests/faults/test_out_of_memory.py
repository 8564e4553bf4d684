"""F26: out of memory at any tile, the image is the same, or there is none."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import srae.upscaling.tiles
from builders import write_pairs
from conftest import LONG, clean_environment
from one_process import run_python
from refusals import refuses
from srae.cli import main
from srae.errors import ResourceError
from srae.evaluation.evaluate import evaluate
from srae.evaluation.forward import forward_any_size, forward_in_pieces
from srae.evaluation.metrics import Protocol
from srae.evaluation.tasks import TASKS
from srae.images.image import TaggedImage, read_image, write_image
from srae.models import build_model
from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels
from toy_training import toy_text
from toys import as_network, open_named, random_planes, toy

TILE = 56
ERRORS = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore"),
]


class Starved(nn.Module):
    """Has memory for tiles of `most` pixels a side; fails once more at call `failing`."""

    def __init__(self, inner: nn.Module, most: int, failing: int = -1, error: BaseException = ERRORS[-1]) -> None:
        super().__init__()
        self.inner, self.most, self.failing, self.calls, self.error = inner, most, failing, 0, error
        for name in ("scale", "multiple_of", "receptive_radius", "fixed_size"):
            setattr(self, name, getattr(inner, name))

    def forward(self, input: Tensor) -> Tensor:
        self.calls += 1
        if max(input.shape[2:]) > self.most or self.calls == self.failing:
            raise self.error
        return self.inner(input)


def whole(model: nn.Module, image: Tensor) -> Tensor:
    with torch.no_grad():
        return forward_any_size(model, image[None])[0]


def pixels_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_f26_out_of_memory_at_every_tile_in_turn_gives_the_same_image() -> None:
    """As pixels of 8 bits, which is what a user gets; the tile is halved, so other tiles make the same image."""
    model, pixels = toy(scale=2), pixels_of(90, 70)
    expected = upscale_pixels(pixels, [as_network(model, 3)], UpscaleOptions(tile=TILE))
    counter = Starved(model, 10**6)
    upscale_pixels(pixels, [as_network(counter, 3)], UpscaleOptions(tile=TILE))
    assert counter.calls > 4
    for failing in range(1, counter.calls + 1):
        for error in ERRORS if LONG else ERRORS[failing % len(ERRORS) :][:1]:
            starved = Starved(model, 10**6, failing, error)
            found = upscale_pixels(pixels, [as_network(starved, 3)], UpscaleOptions(tile=TILE))
            assert starved.calls > failing  # it was met, and gone on from
            assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
            assert (found != expected).mean() < 1e-3


@pytest.mark.parametrize("error", ERRORS)
def test_f26_every_way_to_be_out_of_memory(error: BaseException) -> None:
    model, image = toy(), random_planes(3, 90, 70)
    assert (forward_in_pieces(Starved(model, 40, error=error), image) - whole(model, image)).abs().max() <= 1e-5


def test_f26_at_the_floor_it_says_what_is_needed_what_there_is_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(srae.upscaling.tiles, "available_memory", lambda: 1_500_000_000)
    # Two margins of 12 and one stride are 28.
    with refuses(ResourceError, 28, "Tried to allocate 2 GiB.", "1.5 GB", "--device cpu"):
        forward_in_pieces(Starved(toy(), 20), random_planes(3, 90, 70))


def test_f26_other_errors_are_not_taken_for_want_of_memory() -> None:
    with pytest.raises(RuntimeError):
        forward_in_pieces(Starved(toy(), 1, error=RuntimeError("mat1 and mat2 shapes")), random_planes(3, 9, 9))


@pytest.mark.parametrize("keep", ["nothing", "precious"])
def test_f26_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keep: str
) -> None:
    """One image is exit 5; of several the others are made."""
    for name, height in (("a", 90), ("b", 12)):
        write_image(tmp_path / f"{name}.png", TaggedImage(pixels_of(height, min(height, 30))))
    if keep == "precious":
        (tmp_path / "a_x2.png").write_bytes(b"precious")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    network = as_network(Starved(toy(scale=2), 20), 3)
    monkeypatch.setattr("srae.upscaling.backends.open_network", lambda *_, **__: network)
    monkeypatch.setattr("srae.checkpoints.shipped.resolve_model", lambda *_: Path("toy"))
    arguments = ["--model", "toy", "--device", "cpu", "--overwrite"]
    assert main(["upscale", str(tmp_path / "a.png"), *arguments]) == 5
    assert "28" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert main(["upscale", str(tmp_path / "a.png"), str(tmp_path / "b.png"), *arguments, "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert [Path(entry["output"]).name for entry in document["files"]] == ["b_x2.png"]
    assert read_image(tmp_path / "b_x2.png").pixels.shape == (24, 24, 3)
    assert (tmp_path / "a_x2.png").exists() == (keep == "precious")
    assert not list(tmp_path.glob(".*.tmp.*"))


_CHILD = """
import re, resource, sys
from pathlib import Path
import numpy as np, torch
from torch import nn
from toys import as_network
from srae.models import build_model
from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels
import srae.upscaling.tiles

class Hungry(nn.Module):
    scale, multiple_of, receptive_radius, fixed_size = 1, 1, 1, None
    sides = []
    def __init__(self):
        super().__init__()
        self.wide, self.back = nn.Conv2d(3, 64, 3, 1, 1), nn.Conv2d(64, 3, 1)
    def forward(self, input):
        self.sides.append(max(input.shape[2:]))
        return self.back(torch.tanh(self.wide(input)))

torch.manual_seed(0)
torch.set_num_threads(1)
model = Hungry().eval()
pixels = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
expected = upscale_pixels(pixels, [as_network(model, 3)], UpscaleOptions(tile=100))
used = int(re.findall(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[0]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + 60 * 2**20, resource.RLIM_INFINITY))
model.sides.clear()
found = upscale_pixels(pixels, [as_network(model, 3)], UpscaleOptions(tile=600))
assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
print(*dict.fromkeys(model.sides))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the limit is set as on Linux")
def test_f26_a_real_want_of_memory() -> None:
    """The process may take 60 MB more; a layer's output for the whole image takes 92."""
    done = run_python(_CHILD, PYTHONPATH=str(Path(__file__).parents[1]))
    first, *others = map(int, done.stdout.split())
    assert first == 600 and others and min(others) < 400


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the limit is set as on Linux")
def test_f26_a_training_says_what_it_lacks(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs")
    wide = "channels: [8192, 8192], kernel: 9, padding: 4"  # 40 GB of weights
    text = toy_text(tmp_path / "pairs").replace("channels: [3, 4]", wide)
    (tmp_path / "wide.yaml").write_text(text)
    command = f"ulimit -v 16000000; exec {shlex.quote(sys.executable)} -m srae train --config wide.yaml --device cpu"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr and "alloc" in done.stderr.splitlines()[-2]
    assert not (tmp_path / "runs" / "wide").exists()


@pytest.mark.parametrize("error", ERRORS)
def test_an_image_that_does_not_fit_is_scored_in_tiles(error: BaseException, tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, val=2, size=(80, 80), scale=2)
    data = open_named("pairs", folder=str(folder))
    torch.manual_seed(0)
    model = build_model("residual", data.in_shape, data.out_shape, {"width": 4, "blocks": 1, "shrink": 1})
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.05)
    task = TASKS["super_resolution"]
    expected = evaluate(model, data.val, task, Protocol())
    starved = Starved(model, TILE, error=error)
    found = evaluate(starved, data.val, task, Protocol())
    assert starved.calls > 2
    for name, values in expected.items():
        # Images are scored in 8 bits: a value between two levels may be rounded either way.
        assert found[name] == pytest.approx(values, rel=1e-4)
