"""Config keys that may change when a run is resumed; all others stay, so that its rows remain comparable."""

from __future__ import annotations

from collections.abc import Iterable

from srae.errors import ConfigError

ALWAYS = ("train.epochs", "train.patience", "train.checkpoint_every", "train.log")
ON_DEMAND = ("train.batch_size", "data.")
"""With --allow-changed; keys, or prefixes of keys."""


def check_changes(keys: Iterable[str], *, renamed: bool, allow_changed: bool) -> None:
    """Raises: ConfigError: one of the keys (``train.epochs``) may not change, or the run would get another name."""
    changed = [key for key in keys if key not in ALWAYS]
    if renamed or not all(allow_changed and key.startswith(ON_DEMAND) for key in changed):
        may = f"only these may change: --set {', '.join(ALWAYS)}"
        asked = "; with --allow-changed also --data, --set data..., --set train.batch_size"
        anew = "; a new run with other settings goes on from these weights with train.start_from: RUN"
        raise ConfigError("a resumed run keeps its config", ", ".join(changed) or None, may + asked + anew)
