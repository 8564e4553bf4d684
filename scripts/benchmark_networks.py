"""PSNR against CPU seconds: networks of the suite, trained or not, by every engine, in float32 and bfloat16.

    OMP_NUM_THREADS=1 python scripts/benchmark_networks.py                       # the default networks, untrained
    OMP_NUM_THREADS=1 python scripts/benchmark_networks.py runs/x2 runs/span     # with the PSNR that `srae eval` left
    python scripts/benchmark_networks.py configs/published/span.yaml span:width=32,blocks=4

A network is a run folder, a config, or NAME:OPTION=VALUE,... for the scale 2.  Its cost is the processor time of the
whole process, threads included, for an image of 512x512 made 1024x1024: a busy machine changes it less than the time
on the clock, but it does.  Networks take turns; each has the least of its rounds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml

import srae
from srae.checkpoints.format import save_checkpoint
from srae.checkpoints.loading import load_model
from srae.errors import ConfigError
from srae.models import build_model, count_multiply_adds, count_parameters
from srae.runs.reader import read_run, scored_on
from srae.upscaling.api import Model

DEFAULT = ("residual:width=16,blocks=5,shrink=1", "residual:width=32,blocks=8,shrink=1", "span:width=28",
           "srvgg:width=32,layers=14", "srvgg:width=64,layers=16")  # fmt: skip
ENGINES = [name for name in ("torch", "openvino", "onnxruntime") if find_spec(name)]
SETS = ("set5", "set14", "isr855", "rendered")
SIDE, SCALE = 512, 2


class Column(NamedTuple):
    engine: str
    precision: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=DEFAULT, metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    args = parser.parse_args()
    columns = [Column(engine, precision) for engine in args.engines for precision in ("float32", "bfloat16")]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder  # the graphs of untrained networks are of no use later
        paths = {text: find_weights(text, Path(folder)) for text in args.networks}
        seconds = time_all(list(paths.values()), columns, args.rounds)
        heads = [
            "network",
            "parameters",
            "multiply-adds for 1280 x 720",
            *SETS,
            *(" ".join(column) for column in columns),
        ]
        print("| " + " | ".join(heads) + " |\n|---" + "|---:" * (len(heads) - 1) + "|")
        for text, path in paths.items():
            model = load_model(path).model
            adds = count_multiply_adds(model, (3, 720 // SCALE, 1280 // SCALE)) / 1e9
            cells = [text, f"{count_parameters(model):,}", f"{adds:.1f} G", *(psnr(text, name) for name in SETS)]
            print("| " + " | ".join([*cells, *(show(seconds[path, column]) for column in columns)]) + " |")


def find_weights(text: str, folder: Path) -> Path:
    """A run folder as it is; any other network as a checkpoint with random weights."""
    if Path(text).is_dir():
        return Path(text)
    if text.endswith(".yaml"):
        options = yaml.safe_load(Path(text).read_text(encoding="utf-8"))["model"]
        name = options.pop("name")
    else:
        name, _, pairs = text.partition(":")
        options = {
            key: yaml.safe_load(value) for key, _, value in (pair.partition("=") for pair in pairs.split(",") if pair)
        }
    shapes = (3, 48, 48), (3, 48 * SCALE, 48 * SCALE)
    torch.manual_seed(0)
    model = build_model(name, *shapes, options)
    config = {"model": {"name": name, **options}, "data": {"name": "demo"}}
    meta = {
        "config": config,
        "in_shape": shapes[0],
        "out_shape": shapes[1],
        "data": {"name": "none", "fingerprint": "0"},
    }
    path = folder / f"{len(list(folder.glob('*.safetensors')))}.safetensors"
    save_checkpoint(path, {f"model.{key}": value for key, value in model.state_dict().items()}, meta, None)
    return path


def psnr(text: str, name: str) -> str:
    scored = scored_on(read_run(Path(text)), f"{name}-val-y") if Path(text).is_dir() else None
    return f"{scored.summary['val']['psnr']:.2f}" if scored and scored.summary else "-"


def show(seconds: float) -> str:
    return f"{seconds:.2f}" if np.isfinite(seconds) else "-"


def time_all(paths: list[Path], columns: list[Column], rounds: int) -> dict[tuple[Path, Column], float]:
    """Processor seconds per megapixel of the result; infinite where the engine does not compute so."""
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    least = {(path, column): float("inf") for path in paths for column in columns}
    opened: dict[tuple[Path, str], Model] = {}
    for _ in range(rounds):
        for path, column in least:
            place = path, column.engine
            if place not in opened:
                opened[place] = srae.load_model(path, device="cpu", engine=column.engine)
            for _ in range(2):  # the first call finds the memory as another network left it
                began = time.process_time()
                try:
                    result = srae.upscale(image, model=opened[place], precision=column.precision)
                except ConfigError:
                    break
                found = (time.process_time() - began) / (result.shape[0] * result.shape[1] / 1e6)
                least[path, column] = min(least[path, column], found)
    return least


if __name__ == "__main__":
    main()
