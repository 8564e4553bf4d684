"""`trained_on.json`: which images a run was trained on, so that `srae eval` can say so of other folders."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from srae.files import json_text, write_text

NAME = "trained_on.json"
KEPT = 10_000
"""Digests that are stored, 190 KB."""
_DIGITS = 16


def record_images(run: Path, digests: Collection[str]) -> None:
    """Add the images of a training to those that the run folder names; none where the data set has no files.

    Args:
        digests: SHA-256 of every train image, hexadecimal.

    Raises:
        ResourceError: disk full.
    """
    if not digests:
        return
    known = {digest[:_DIGITS] for digest in digests} | (_read(run) or set())
    write_text(run / NAME, json_text({"digests": sorted(known)[:KEPT]}) + "\n")


def find_trained_on(run: Path | None, digests: Mapping[str, str]) -> list[str] | None:
    """Those names whose images the run was trained on; None where the run does not say.

    Of runs with more than `KEPT` images some are not found.

    Args:
        digests: name -> SHA-256 of the image.
    """
    known = _read(run) if run else None
    return None if known is None else [name for name, digest in digests.items() if digest[:_DIGITS] in known]


def _read(run: Path) -> set[str] | None:
    """None where there is no such file, or a damaged one: nothing but a remark depends on it."""
    try:
        return set(map(str, json.loads((run / NAME).read_text(encoding="utf-8"))["digests"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
