"""A small input whose output is stored in every graph: an engine that opens the graph checks itself.  No torch."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srae.checkpoints.facts import NetworkFacts, round_up

_SIDES = (12, 14)
_STORED = 2048  # values of the output, over all of it: 11 kB of text

Array = NDArray[np.float32]


def make_probe(facts: NetworkFacts) -> Array:
    """(1, C, h, w) in [0, 1], the same for the same facts: noise, so that every mistake shows."""
    geometry = facts.geometry
    sides = [round_up(max(side, geometry.smallest), geometry.multiple_of) for side in _SIDES]
    height, width = geometry.fixed_size or sides
    return np.random.default_rng(0).random((1, facts.channels, height, width), np.float32)


def describe_probe(output: Array) -> dict[str, Any]:
    """What a network made of the probe, as JSON: its shape, and float32 values that lie evenly over it.

    Args:
        output: (1, C, scale * h, scale * w), of torch in float32.
    """
    values = _pick(output).astype("<f4").tobytes()
    return {"shape": list(output.shape), "values": base64.b64encode(values).decode()}


def probe_difference(output: Array, metadata: Mapping[str, Any]) -> float:
    """The largest absolute difference from what torch computed in float32; infinite where the shape is another.

    Args:
        output: what an engine made of `make_probe`.
        metadata: of the graph, see `export.graph.describe`.

    Raises:
        KeyError, TypeError, ValueError: the graph has no probe.
    """
    probe = metadata["probe"]
    if list(output.shape) != probe["shape"]:
        return float("inf")
    stored = np.frombuffer(base64.b64decode(probe["values"]), "<f4")
    return float(np.abs(_pick(output) - stored).max())  # NaN is no small difference: a comparison with it is false


def _pick(output: Array) -> Array:
    """At most `_STORED` values, the first and the last among them."""
    values = output.reshape(-1)
    places = np.linspace(0, values.size - 1, min(values.size, _STORED)).round().astype(int)
    return values[places]
