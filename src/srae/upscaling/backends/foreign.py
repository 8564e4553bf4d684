"""Networks that srae did not train, opened: .onnx by the engines for graphs, other files by torch through spandrel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from srae.checkpoints.facts import round_up
from srae.checkpoints.foreign import is_foreign, load_foreign
from srae.checkpoints.foreign_onnx import OnnxGraph, find_facts, read_onnx
from srae.errors import CheckpointError, ConfigError, ResourceError
from srae.upscaling.network import Engine, Network, Precision

_TOLERANCE = 1 / 255


def takes_file(path: Path) -> bool:
    """Whether a file is one of these networks."""
    return path.suffix.lower() == ".onnx" or is_foreign(path)


def open_foreign(
    path: Path,
    engines: Mapping[str, tuple[str, str]],
    *,
    engine: str,
    device: str,
    say: Callable[[str], None] = lambda _: None,
) -> Network:
    """A network in a file that srae did not write, or that `srae export` wrote as ONNX.

    Args:
        engines: module and class of those that run graphs and are installed, the preferred first.
        engine, device: as of `open_network`.
        say: told why an engine is not taken, and when the network must be measured.

    Raises:
        ConfigError: this engine or device does not run such files.
        CheckpointError: see `load_foreign`, `read_onnx` and `find_facts`.
        ResourceError: no engine for it is installed, or the device is not available.
    """
    if path.suffix.lower() == ".onnx":
        return _open_onnx(path, _pick_engines(path, engines, engine, device), say)
    if engine not in ("auto", "torch"):
        what = f"{engine} runs ONNX graphs, not {path.suffix}"
        raise ConfigError(what, str(path), "leave --engine out: torch runs it")
    return _open_by_torch(path, device, say)


def _pick_engines(
    path: Path, engines: Mapping[str, tuple[str, str]], engine: str, device: str
) -> Mapping[str, tuple[str, str]]:
    if device not in ("auto", "cpu"):
        raise ConfigError("ONNX graphs are run on the CPU", f"--device {device}", "leave it out")
    if engine == "torch":
        raise ConfigError("torch runs no ONNX graphs", str(path), "leave --engine out, or name another one")
    if engine != "auto":
        return {engine: engines[engine]}
    if not engines:
        raise ResourceError("nothing that runs ONNX graphs is installed", str(path), "pip install 'srae[onnx]'")
    return engines


def _open_onnx(path: Path, engines: Mapping[str, tuple[str, str]], say: Callable[[str], None]) -> Network:
    """By the first engine that computes what the next one does, where there are several; else by the next."""
    from importlib.metadata import version

    graph, network, problem = read_onnx(path), None, None
    for name, opened in _opened(graph, engines, say):
        if network is None:
            run = partial(opened.run, precision="float32")
            try:
                network = Network(path, find_facts(graph, run, f"{name} {version(name)}", say), opened)
            except CheckpointError as error:  # the next engine may run it
                problem = error
        elif _differs(network, opened):
            say(f"{network.engine.name} is not used: it computes something else than {name}")
            network = Network(path, network.facts, opened)
        if graph.own:
            break
    if network is None:
        what = f"it does not run in {' and '.join(engines)}"
        raise problem or CheckpointError(what, str(path), "export it anew")
    return network


def _opened(
    graph: OnnxGraph, engines: Mapping[str, tuple[str, str]], say: Callable[[str], None]
) -> Iterator[tuple[str, Engine]]:
    for name, (module, kind) in engines.items():
        try:
            opened = getattr(import_module(module), kind)(graph.content)
        except Exception as error:  # each engine has its own
            reason = (str(error) or type(error).__name__).strip().splitlines()[0]
            say(f"{name} cannot open {graph.path.name}: {reason}")
            continue
        yield name, OneAtATime(opened) if graph.one_at_a_time else opened


class OneAtATime:
    """An engine for graphs whose batch is fixed to one image."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.device, self.has_bfloat16 = engine.name, engine.device, engine.has_bfloat16

    def run(self, batch: np.ndarray, precision: Precision) -> np.ndarray:
        """See `Engine.run`."""
        return np.concatenate([self._engine.run(image[None], precision) for image in batch])


def _differs(network: Network, other: Engine) -> bool:
    """Whether another engine, if it runs it, makes something else of noise."""
    geometry = network.geometry
    side = round_up(max(32, geometry.smallest), geometry.multiple_of)
    size = geometry.fixed_size or (side, side)
    images = np.random.default_rng(0).random((1, network.facts.channels, *size), np.float32)
    ours = network.engine.run(images, "float32").clip(0, 1)
    try:
        theirs = other.run(images, "float32").clip(0, 1)
    except Exception:  # each engine has its own
        return False
    return not bool(np.abs(ours - theirs).max() <= _TOLERANCE)


def _open_by_torch(path: Path, device: str, say: Callable[[str], None]) -> Network:
    try:
        from srae.device import pick_device
        from srae.upscaling.backends.torch import TorchEngine
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        remedy = "install torch, or convert it to .onnx where torch is installed"
        raise ResourceError("this network needs torch, which is not installed", str(path), remedy) from None
    foreign = load_foreign(path, say)
    return Network(path, foreign.facts, TorchEngine(foreign.model, pick_device(device)))
