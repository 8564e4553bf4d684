"""What was measured of a network file, kept in the user's cache folder: measuring it takes seconds.  No torch.

Best effort: without a folder that can be written, or with a damaged file, everything is measured again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from srae.checkpoints.facts import NetworkFacts
from srae.errors import CheckpointError, SraeError
from srae.files import atomic_write, cache_folder, json_text

_FORMAT = 1
"""Raised when the same file would be measured differently."""
_MOST = 1000
"""Files; beyond them the oldest are forgotten."""


def remembered_facts(sha256: str, reader: str, measure: Callable[[], NetworkFacts]) -> NetworkFacts:
    """What `measure` returned for these bytes when they were last read, else what it returns now.

    Args:
        sha256: of the file.
        reader: what made a network of it, with its version.
    """
    place, key = _place(), f"{_FORMAT} {reader} {sha256}"
    known = _read(place)
    try:
        return NetworkFacts.from_json(known[key])
    except (KeyError, TypeError, ValueError):
        pass
    facts = measure()
    known = {**_read(place), key: facts.to_json()}  # another process may have written meanwhile
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(place) as file:
            file.write(json_text(dict(list(known.items())[-_MOST:])).encode())
    except (OSError, SraeError):
        pass
    return facts


def hash_file(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        CheckpointError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(2**22):
                digest.update(block)
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror}", str(path), "name the file of a network") from None
    return digest.hexdigest()


def _place() -> Path:
    return cache_folder() / "networks.json"


def _read(place: Path) -> dict:
    try:
        known = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}
