"""Whether an exported file computes what torch does, in every program for it that is installed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from srae import __version__
from srae.checkpoints.facts import Geometry, round_up
from srae.checkpoints.loading import TrainedModel, load_model
from srae.export.prepared import AnySize

Array = NDArray[np.float32]
Run = Callable[[Array], Array]
"""(B, C, h, w) -> (B, C, scale * h, scale * w), float32."""

_BEYOND = [(0, 0), (1, 0), (0, 1), (3, 5), (7, 2), (4, 13), (11, 11)]
_SIDE = 48  # of the smallest image, where the network's samples are no smaller


@dataclass(frozen=True)
class Check:
    """What a program made of a file.

    Attributes:
        reader: its name and version, or its name where it is not installed.
        difference: largest absolute difference from torch in float32, in levels of 255; None: not installed.
    """

    reader: str
    difference: float | None
    sizes: int = 0


def verify(file: Path, trained: TrainedModel, readers: Sequence[str]) -> list[Check]:
    """One check for each reader, see `READERS`."""
    inputs = list(_make_inputs(trained))
    reference = run_torch(trained.model, trained.facts.geometry)
    expected = [reference(input) for input in inputs]
    checks = []
    for name in readers:
        try:
            run, version = READERS[name](file)
        except ImportError:
            checks.append(Check(name, None))
            continue
        difference = np.max([_levels(run(input), wanted) for input, wanted in zip(inputs, expected, strict=True)])
        checks.append(Check(f"{name} {version}", float(difference), len(inputs)))
    return checks


def _levels(output: Array, expected: Array) -> float:
    """NaN where one of them is; of outputs beyond [-1, 1] as a share of the largest, for rounding grows with them."""
    if output.shape != expected.shape:
        return float("inf")
    return float(np.abs(output - expected).max() / max(1.0, np.abs(expected).max()) * 255)


def _make_inputs(trained: TrainedModel) -> Iterator[Array]:
    """Noise, one image of each size: of its only size, or of seven, odd ones among them."""
    geometry, random = trained.facts.geometry, np.random.default_rng(1)
    for height, width in [geometry.fixed_size] if geometry.fixed_size else _pick_sizes(geometry, trained.in_shape):
        yield random.random((1, trained.in_shape[0], height, width), np.float32)


def _pick_sizes(geometry: Geometry, in_shape: tuple[int, int, int]) -> list[tuple[int, int]]:
    """From a size up that the network surely takes: that of its samples, or as far as it reaches."""
    reach = max(_SIDE, geometry.receptive_radius or 0)
    height, width = (round_up(min(side, reach), geometry.multiple_of) for side in in_shape[1:])
    return [(height + more, width + wider) for more, wider in _BEYOND]


def run_torch(network: nn.Module, geometry: Geometry) -> Run:
    """In float32 on the CPU, padded as `AnySize` does."""
    any_size = AnySize(network, geometry).float().eval()

    def run(input: Array) -> Array:
        with torch.inference_mode():
            output: Array = any_size(torch.from_numpy(input)).numpy()
        return output

    return run


Opened = tuple[Run, str]
"""What runs the file, and the version of the program."""


def _open_onnxruntime(file: Path) -> Opened:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda input: session.run(None, {name: input})[0], onnxruntime.__version__


def _open_openvino(file: Path) -> Opened:
    import openvino

    # Without the hint a CPU that has bfloat16 computes in it, two or three levels off.
    network = openvino.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda input: network(input)[network.output(0)], openvino.__version__.partition("-")[0]


def _open_srae(file: Path) -> Opened:
    trained = load_model(file)
    return run_torch(trained.model, trained.facts.geometry), __version__


def _open_spandrel(file: Path) -> Opened:
    import spandrel

    network = spandrel.ModelLoader("cpu").load_from_file(file).model
    return run_torch(network, Geometry()), spandrel.__version__


READERS: dict[str, Callable[[Path], Opened]] = {
    "onnxruntime": _open_onnxruntime,
    "OpenVINO": _open_openvino,
    "srae": _open_srae,
    "spandrel": _open_spandrel,
}
"""Programs by name; opening raises ImportError where one is not installed."""
