"""The ONNX graph of a checkpoint, for engines other than torch: shipped, or made once and kept in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from srae.checkpoints.remembered import hash_file
from srae.checkpoints.shipped import FOLDER
from srae.errors import ResourceError
from srae.files import cache_folder

_FORMAT = 1
"""Of the graphs in the cache; older ones are not found any more."""


def find_graph(checkpoint: Path) -> Path | None:
    """The graph that belongs to these weights, if there is one."""
    beside = checkpoint.with_suffix(".onnx")
    if checkpoint.parent == FOLDER and beside.is_file():
        return beside
    cached = _cached(checkpoint)
    return cached if cached.is_file() else None


def prepare_graph(checkpoint: Path, say: Callable[[str], None]) -> Path:
    """The graph that belongs to these weights; made if there is none, which takes some seconds and needs torch.

    Raises:
        ConfigError, CheckpointError: no network for images; see `checkpoints.loading.load_model`.
        ResourceError: the cache cannot be written.
    """
    if found := find_graph(checkpoint):
        return found
    say(f"preparing {checkpoint} for engines other than torch, once")
    from srae.checkpoints.loading import load_model
    from srae.export.graph import write_graph
    from srae.upscaling.backends.torch import check_enlarges

    trained, graph = load_model(checkpoint), _cached(checkpoint)
    check_enlarges(trained)
    try:
        graph.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the graph cannot be kept: {error.strerror}"
        raise ResourceError(what, str(graph.parent), "make that folder writable, or use --engine torch") from None
    write_graph(trained, graph, parts=True)
    return graph


def _cached(checkpoint: Path) -> Path:
    return cache_folder() / "graphs" / f"{hash_file(checkpoint)}.{_FORMAT}.onnx"
