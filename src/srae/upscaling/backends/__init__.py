"""Engines that run networks, and the choice among them.

`torch` opens any checkpoint on any device.  The others run an ONNX graph on the CPU, without torch: one image takes a
third of the time and of the memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from srae.checkpoints.facts import NetworkFacts
from srae.checkpoints.shipped import find_weights
from srae.errors import CheckpointError, ConfigError, ResourceError, SraeError
from srae.upscaling.backends.foreign import open_foreign, takes_file
from srae.upscaling.network import Network, Precision

_GRAPH_ENGINES = {
    "openvino": ("srae.upscaling.backends.openvino", "OpenvinoEngine"),
    "onnxruntime": ("srae.upscaling.backends.onnxruntime", "OnnxruntimeEngine"),
}
"""Module and class of each, which are imported with what they need; the fastest first."""
ENGINES = ("auto", "torch", *_GRAPH_ENGINES)
EXTRAS = {"openvino": "openvino", "onnxruntime": "onnx"}
"""Engine -> the extra of srae that installs it."""
_TOLERANCE = 1 / 255


def open_network(
    path: Path, *, engine: str = "auto", device: str = "auto", say: Callable[[str], None] = lambda _: None
) -> Network:
    """A run's best weights or a checkpoint file, opened by an engine.

    Args:
        engine: one of `ENGINES`.  "auto" is the fastest that is installed, has the network's graph, and computes on
            this machine what torch computed; torch where there is a GPU, or no such engine.
        device: "auto" (CUDA where it works), "cpu", "cuda", "cuda:N" or "mps".
        say: told why an engine is not taken.

    Raises:
        ConfigError: no such engine, it has no such device, or the network does not enlarge images.
        CheckpointError: the file is damaged, or the engine computes something else.
        ResourceError: the engine or the device is not available.
    """
    check_engine(engine, device)
    path = find_weights(path)
    if takes_file(path):
        graph_engines = {name: place for name, place in _GRAPH_ENGINES.items() if is_installed(name)}
        return open_foreign(path, graph_engines, engine=engine, device=device, say=say)
    if engine in _GRAPH_ENGINES:
        from srae.upscaling.backends.graphs import prepare_graph

        return _open_graph(prepare_graph(path, say), engine, path)
    on_cpu = device == "cpu" or (device == "auto" and not _may_have_gpu())
    network = next(_opened(path, say), None) if engine == "auto" and on_cpu else None
    return network or _open_by_torch(path, device)


def check_engine(engine: str, device: str) -> None:
    """Raises: ConfigError or ResourceError, as of `open_network`, where no model can be opened so."""
    if engine not in ENGINES:
        raise ConfigError(f"no engine is called {engine!r}", "--engine", f"one of {', '.join(ENGINES)}")
    if engine in _GRAPH_ENGINES:
        if device not in ("auto", "cpu"):
            raise ConfigError(f"{engine} runs on the CPU", f"--device {device}", "leave one of them out")
        if not is_installed(engine):
            raise ResourceError(f"{engine} is not installed", "--engine", f"pip install 'srae[{EXTRAS[engine]}]'")
    elif device not in ("auto", "cpu"):
        from srae.device import pick_device

        pick_device(device)


def _opened(path: Path, say: Callable[[str], None]) -> Iterator[Network]:
    """By the engines that are installed and do what they should."""
    from srae.upscaling.backends.graphs import find_graph

    graph = None
    for engine in filter(is_installed, _GRAPH_ENGINES):
        graph = graph or find_graph(path)
        if graph is None:
            return
        try:
            yield _open_graph(graph, engine, path)
        except SraeError as error:
            say(f"{engine} is not used: {error.what}")


def _open_graph(graph: Path, engine: str, path: Path) -> Network:
    """Raises: CheckpointError: it cannot be opened, or computes something else than torch."""
    from srae.export.probe import make_probe, probe_difference

    module, name = _GRAPH_ENGINES[engine]
    try:
        opened = getattr(import_module(module), name)(graph)
        metadata = json.loads(opened.metadata["srae"])
        facts = NetworkFacts.from_json(metadata["facts"])
        precision: Precision = "bfloat16" if facts.adds_to_bicubic and opened.has_bfloat16 else "float32"
        difference = probe_difference(opened.run(make_probe(facts), precision), metadata)
    except Exception as error:  # each engine has its own; onnxruntime's are no RuntimeError
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{engine} cannot run it: {reason}", str(path), "use --engine torch") from None
    if not difference <= _TOLERANCE * (4 if precision == "bfloat16" else 1):
        what = f"{engine} computes something else on this machine: {255 * difference:.2g} of 255 levels off"
        raise CheckpointError(what, str(path), "use --engine torch")
    return Network(path, facts, opened)


def _open_by_torch(path: Path, device: str) -> Network:
    try:
        from srae.upscaling.backends.torch import open_checkpoint
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        remedy = "install torch, or export the model where it is installed: srae export MODEL"
        raise ResourceError("this model needs torch, which is not installed", str(path), remedy) from None
    return open_checkpoint(path, device)


def is_installed(engine: str) -> bool:
    """Whether its package is there; it is not imported."""
    return find_spec(engine) is not None


def _may_have_gpu() -> bool:
    """Whether there is a driver of NVIDIA's; what it can do is known when torch is imported."""
    import ctypes
    import sys

    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
