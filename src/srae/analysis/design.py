"""What the settings of a group of runs can tell apart, and what mattered.  No torch.

A share of variance belongs to a setting only if the runs cross it with the others.  Settings that always change
together are one factor, and no statistics can tell which of them a difference comes from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from srae.analysis.compare import Group
from srae.analysis.rows import measured_by
from srae.analysis.stats import share_of_variance
from srae.runs.reader import Run

MOST_CELLS = 64
"""A grid of more combinations is not proposed."""


@dataclass(frozen=True)
class Design:
    """The varied settings of trained runs; seeds, and options that only one network has, are none."""

    levels: Mapping[str, list[Any]]
    """Dotted key -> its value in each run."""
    together: list[list[str]]
    """Keys that always change together: what one of them does cannot be told from what the others do."""
    missing: list[dict[str, Any]]
    """Combinations (key -> value) that would tell the keys apart."""
    grid: dict[str, list[Any]]
    """Key -> values: the grid of a study that has them all; empty where nothing is missing or it would be too large."""


def read_design(runs: Sequence[Run]) -> Design:
    """What the runs vary; runs without parameters are baselines, not part of it."""
    trained = trained_runs(runs)
    levels = _varied_keys(trained)
    together = [keys for keys in _group_keys(levels).values() if len(keys) > 1]
    values = {key: _distinct(found) for key, found in levels.items()}
    if "model.name" in levels or len(levels) < 2 or math.prod(map(len, values.values())) > MOST_CELLS:
        return Design(levels, together, [], {})  # options of one network may not exist in another
    present = {tuple(repr(found[i]) for found in levels.values()) for i in range(len(trained))}
    cells = [cell for cell in product(*values.values()) if tuple(map(repr, cell)) not in present]
    if len(cells) > len(present) and not together:  # one setting at a time, not an unfinished grid
        cells = []
    return Design(levels, together, [dict(zip(values, cell, strict=True)) for cell in cells], values if cells else {})


def trained_runs(runs: Iterable[Run]) -> list[Run]:
    """The runs of networks with parameters."""
    return [run for run in runs if (run.summary or {}).get("parameters") != 0]


def what_mattered(group: Group) -> dict[str, float]:
    """Share of the variance of the score per varied key, or keys that change together, and per pair of them.

    Empty where the design cannot tell: no full grid, a level per run, or all varied keys change together.
    """
    trained = trained_runs(group.runs)
    scores = [measured_by(run, group.measurements)[group.score.column] for run in trained]
    values = [value for value in scores if value is not None]
    if len(values) < max(4, len(scores)):
        return {}
    factors = find_factors(trained)
    if not factors or (len(factors) == 1 and _SEPARATOR in next(iter(factors))):
        return {}
    if any(len(_distinct(levels)) == len(values) for levels in factors.values()):
        return {}  # a factor with a level per run explains all variance by definition
    rows = [{key: levels[i] for key, levels in factors.items()} for i in range(len(values))]
    try:
        return share_of_variance(rows, values)
    except ValueError:
        return {}


_SEPARATOR = " + "


def find_factors(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Factor -> its level in each run; ``a + b`` are keys that always change together, their levels ``1, 2``."""
    levels = _varied_keys(runs)
    factors = {}
    for keys in _group_keys(levels).values():
        values = levels[keys[0]]
        if len(keys) > 1:
            values = [", ".join(str(levels[key][i]) for key in keys) for i in range(len(runs))]
        factors[_SEPARATOR.join(keys)] = values
    return factors


def _group_keys(levels: Mapping[str, list[Any]]) -> dict[tuple[int, ...], list[str]]:
    """Keys by how they divide the runs."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for key, found in levels.items():
        texts = [repr(level) for level in found]
        groups.setdefault(tuple(texts.index(text) for text in texts), []).append(key)
    return groups


def _varied_keys(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """`differing_keys` without the seed, and without keys that follow from another one: options of one network."""
    varied = differing_keys(runs)
    configs = [dict(_flatten(run.config or {})) for run in runs]
    return {
        key: found
        for key, found in varied.items()
        if key != "seed" and (all(key in config for config in configs) or not key.startswith(("model.", "data.")))
    }


def _distinct(levels: Iterable[Any]) -> list[Any]:
    return list({repr(level): level for level in levels}.values())


def differing_keys(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Dotted config keys whose values differ -> the value of each run."""
    flat = [dict(_flatten(run.config or {})) for run in runs]
    keys = dict.fromkeys(key for config in flat for key in config)
    values = {key: [config.get(key) for config in flat] for key in keys}
    return {key: found for key, found in values.items() if len({repr(value) for value in found}) > 1}


def _flatten(config: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
