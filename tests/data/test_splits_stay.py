"""Data sets that an earlier version read keep their splits and fingerprints: old runs stay comparable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srae.data import Data
from toys import open_named

Rows = dict[str, tuple[int, int]]
"""Path of each file and its size."""

NAMES = [f"im{i:02}" for i in range(12)]


def _write(folder: Path, files: Rows) -> None:
    """Binary PPM files, because no library decides their bytes."""
    for number, (name, (height, width)) in enumerate(files.items()):
        pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"P6\n%d %d\n255\n" % (width, height) + pixels.tobytes())


def _pairs(pattern: str, names: list[str] = NAMES) -> Rows:
    """`pattern` holds a star for the side and a plus for the name."""
    sides = (("low", (6, 8)), ("high", (12, 16)))
    return {pattern.replace("*", side).replace("+", name): size for side, size in sides for name in names}


def _read(data: Data) -> str:
    counts = "/".join(str(len(split)) if split else "-" for split in (data.train, data.val, data.test))
    return f"{data.fingerprint} {counts} {data.val.names[0]}"


SETS: dict[str, tuple[Rows, dict[str, Any], str]] = {
    "split/side": (_pairs("train/*/+.ppm") | _pairs("valid/*/+.ppm", ["a", "b"]), {}, "bba9d04ee83fb038 12/2/- a.ppm"),
    "side/split": (
        _pairs("*_res/train/c/+.ppm") | _pairs("*_res/val/c/+.ppm", ["a", "b"]),
        {},
        "3fe59bb143510da2 12/2/- c/a.ppm",
    ),
    "side": (_pairs("*/+.ppm"), {}, "c5b1939d6da41b71 10/1/1 im04.ppm"),
    "words of both kinds": (
        _pairs("*/+.ppm") | _pairs("lq/+.ppm") | _pairs("gt/+.ppm"),
        {},
        "c5b1939d6da41b71 10/1/1 im04.ppm",
    ),
    "single scale folder": (
        _pairs("high/+.ppm") | {f"low/X2/{n}x2.ppm": (6, 8) for n in NAMES},
        {},
        "960188f0a8f272d5 10/1/1 im04.ppm",
    ),
    "joined names": (
        {f"D_train_HR/{n}.ppm": (12, 16) for n in NAMES} | {f"D_train_LR/{n}.ppm": (6, 8) for n in NAMES},
        {},
        "960188f0a8f272d5 10/1/1 im04.ppm",
    ),
    "images alone": (
        {f"{n}.ppm": (12, 16) for n in NAMES},
        {"degrade": {"scale": 2}},
        "7ca2905d178bc687 10/1/1 im04.ppm",
    ),
    "images in groups": (
        {f"{n[-1]}/{n}.ppm": (12, 16) for n in NAMES},
        {"degrade": {"scale": 2}},
        "a34d2722e21a17f4 11/1/- 4/im04.ppm",
    ),
    "classes": (
        {f"{label}/{n}.ppm": (8, 8) for label in "ab" for n in NAMES},
        {"name": "class_folders", "side": 8},
        "00845bba3c65d454 20/2/2 a/im07.ppm",
    ),
    "classes by split": (
        {f"{split}/{label}/{n}.ppm": (8, 8) for split in ("train", "val") for label in "ab" for n in NAMES},
        {"name": "class_folders", "side": 8},
        "f14acf4e4ed8f7bc 24/24/- a/im00.ppm",
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_splits_and_fingerprints_are_as_they_were(tmp_path: Path, name: str) -> None:
    files, options, expected = SETS[name]
    _write(tmp_path, files)
    data = open_named(**{"name": "pairs", "folder": str(tmp_path), **options})
    assert _read(data) == expected
