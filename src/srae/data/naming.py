"""What the names of folders and files say: split, side and scale, in any case and in the field's usual words."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import NamedTuple

_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_MORE_SPLITS = {"training": "train", "testing": "test"}
_LOW_WORDS, _HIGH_WORDS = {"low", "lr", "lowres", "input"}, {"high", "hr", "highres", "target"}
_SIDES = dict.fromkeys(_LOW_WORDS, "low") | dict.fromkeys(_HIGH_WORDS, "high")
_MORE_SIDES = dict.fromkeys(("lq", "lrbic", "lrbicx"), "low") | dict.fromkeys(("gt", "hq", "gtmod"), "high")
_SCALE = re.compile(r"^x?([2-8])x?$|(?:[^a-z0-9]x?|x)([2-8])$")
_FILE_SIDE = re.compile(r"[ _.-](?:bic)?(lr|lq|low|hr|hq|gt|high)(?:[ _.-]?res)?(?:[ _.-]?x?[2-8])?$")


class Meaning(NamedTuple):
    """What a word says, and whether it is one of the usual words, which win over the rarer ones."""

    what: str
    usual: bool


def split_named(name: str) -> Meaning | None:
    """``valid`` -> val: the split that a whole name means."""
    word = name.casefold()
    what = _SPLITS.get(word) or _MORE_SPLITS.get(word)
    return Meaning(what, word in _SPLITS) if what else None


def split_in(name: str) -> Meaning | None:
    """``DIV2K_valid_HR`` -> val: the split that one of the words of a name means."""
    return _only([found for word in _words(name) if (found := split_named(word))])


def side_in(name: str) -> Meaning | None:
    """``LR_bicubic`` -> low, ``gt`` -> high; None where both sides or none are named."""
    words = _words(name)
    usual = {_SIDES[word] for word in words if word in _SIDES}
    found = usual or {_MORE_SIDES[word] for word in words if word in _MORE_SIDES}
    return Meaning(next(iter(found)), bool(usual)) if len(found) == 1 else None


def scale_in(name: str) -> int | None:
    """``X2``, ``2``, ``LRbicx2``, ``image_SRF_2`` -> 2: the scale at the end of a folder's name."""
    found = _SCALE.search(name.casefold())
    return int(found[1] or found[2]) if found else None


def side_of_file(name: str) -> str | None:
    """``0001_HR.png`` -> high, ``0001_LR4.png`` -> low: the side at the end of a file's name."""
    found = _FILE_SIDE.search(PurePosixPath(name).stem.casefold())
    return None if not found else "low" if found[1].startswith("l") else "high"


def without_side(stem: str) -> str:
    """``0001_bicLRx4`` -> ``0001``, in lower case: a stem without the side and the scale at its end."""
    folded = stem.casefold()
    return _FILE_SIDE.sub("", folded) if _FILE_SIDE.search(folded) else re.sub(r"[ _.-]?x[2-8][mdw]?$", "", folded)


def _words(name: str) -> set[str]:
    # trainHR is two words; lowRes is read as one and as two.
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return set(re.findall(r"[a-z]+", f"{name} {parted}".casefold()))


def _only(found: list[Meaning]) -> Meaning | None:
    return found[0] if len({meaning.what for meaning in found}) == 1 else None
