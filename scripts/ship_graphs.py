"""Write the graphs of the models that ship, NAME.onnx beside NAME.safetensors: what the engines run without torch.

    python scripts/ship_graphs.py

The weights stay in the .safetensors file; a graph points into it.
"""

from __future__ import annotations

from pathlib import Path

from srae.checkpoints.loading import load_model
from srae.checkpoints.shipped import shipped_models
from srae.export.graph import link_weights, write_graph


def ship_graph(weights: Path) -> Path:
    """The graph of a shipped model, written beside its weights."""
    graph = weights.with_suffix(".onnx")
    write_graph(load_model(weights), graph, parts=True)
    link_weights(graph, weights)
    return graph


def main() -> int:
    for weights in shipped_models().values():
        graph = ship_graph(weights)
        print(f"{graph}: {graph.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
