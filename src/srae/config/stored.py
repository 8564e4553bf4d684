"""Upgrade configs that srae stored in run folders and checkpoints to the current sections and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from srae.config.data_sets import find_section, without_foreign_keys
from srae.config.experiment import Config


def upgrade_stored(config: Any) -> Any:
    """Drop the data keys that the training of a stored config did not read; other values are returned unchanged.

    srae 0.1.0 wrote every key of every data set into config.yaml and checkpoints
    (``side: null`` of pairs, ``val_count: 5000`` of demo).  A key of another data
    set was ignored, or refused before there was a run, so dropping it changes no
    result.  The same holds for other keys that are refused today because they have
    no effect.  A user's own YAML is not upgraded: there such a key is a mistake.

    Before there was `bits`, all images became 8 bits.

    The keys get the order of their section, so that old and new runs of one
    experiment have equal text.
    """
    data = config.get("data") if isinstance(config, Mapping) else None
    if not isinstance(data, Mapping) or not (section := find_section(data)):
        return config
    kept = without_foreign_keys(data)
    if isinstance(augment := kept.get("augment"), list) and all(isinstance(kind, str) for kind in augment):
        kept["augment"] = list(dict.fromkeys(augment))
    if kept.get("high") and kept.get("degrade") and not kept.get("folder"):
        kept["folder"] = kept["high"]  # `low` was not read: low-resolution images were made
    if kept.get("folder") and "low" in kept:
        kept |= {"low": None, "high": None}
    if "bits" in section.model_fields:
        kept.setdefault("bits", 8)  # before there was a choice
    ordered = {key: kept[key] for key in section.model_fields if key in kept}
    return {**config, "data": ordered | kept}


def resolve_stored(config: Any) -> Any:
    """A stored config with today's default for every key that it lacks.

    Two runs of one experiment have equal configs then, also when a release between them added a key.  A config that
    is not valid today, as that of a newer srae, is only upgraded, and a task is never guessed.
    """
    upgraded = upgrade_stored(config)
    try:
        resolved = Config.model_validate(upgraded).model_dump()
    except ValidationError:
        return upgraded
    return resolved if "task" in upgraded else {key: value for key, value in resolved.items() if key != "task"}
