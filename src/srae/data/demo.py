"""Built-in images: crops of photographs that scikit-image ships, degraded as data set P.

Every image is in the wheel of scikit-image and is free according to its
documentation:

- public domain: astronaut (NASA), rocket (SpaceX), hubble_deep_field (NASA)
- CC0: coffee (Rachel Michetti), chelsea (Stefan van der Walt), camera (Lav
  Varshney), retina (Mikael Haggstrom), brick and gravel (CC0Textures), grass
  (linolafett), clock_motion (Stefan van der Walt)
- no known copyright restrictions: coins (Brooklyn Museum), ihc (Center for
  Microscopy and Molecular Imaging)

An image is in one split only, and its crops are one group: they are no independent
images.  So test has two crops of each of seven images, the fewest by which three
experiments can be told apart (`srae.analysis.permutation`).  Low-resolution images are made as those of data
set P: shrunk to 128x128 after a slight Gaussian blur and enlarged back
bilinearly.  On P's own high-resolution images this reproduces P's low-resolution
images to within one 8-bit level, and 9 of 10 values exactly.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from srae.config.data_sets import ImagesConfig
from srae.data.contract import Data, sample_shapes, take_fingerprint
from srae.data.degrade import (
    add_sizes,
    count_copies,
    describe_copies,
    describe_degrade,
    make_low,
    sizes_of,
    with_sizes,
)
from srae.data.rendered import describe_rendered, note_rendered
from srae.data.store import Shelf, Split
from srae.errors import DataError, ResourceError
from srae.images.image import read_pixels
from srae.images.resample import enlarge, shrink
from srae.images.tensors import to_float, to_uint8

SIDE = 256
CORNERS = None
"""In place of a distance: two crops, at the top left and at the bottom right."""
SPLITS: dict[str, dict[str, int | None]] = {
    "train": {"coffee.png": 64, "retina.jpg": 384, "hubble_deep_field.jpg": 256, "grass.png": 128},
    "val": {"astronaut.png": 128, "chelsea.png": 128},
    # Not cell.png: a phase image with a baseline of 57 dB, whose loss of 4 dB decided the mean of all.
    "test": dict.fromkeys(
        ("rocket.jpg", "camera.png", "coins.png", "ihc.png", "clock_motion.png", "brick.png", "gravel.png"), CORNERS
    ),
}
"""Split -> file -> distance between neighbouring crops, at most."""


def open_demo(options: ImagesConfig, *, for_scoring: bool = False, undivided: bool = False) -> Data:
    """The demo images, for `demo` or in place of pairs that are not there.

    Splits and sizes are fixed: `for_scoring` only leaves out crops and further low-resolution versions.

    Raises:
        DataError: a crop that does not fit, or a number of bands as channels.
        ResourceError: scikit-image was installed without its images.
    """
    if options.channels not in ("L", "RGB", "RGBA"):
        raise DataError(f"the demo images have no {options.channels} channels", "data.channels", "set it to RGB or L")
    splits: dict[str, Split] = {}
    rows = []
    for split, files in SPLITS.items():
        named = [crop for file, stride in files.items() for crop in _cut(file, stride, options.channels)]
        named = named[: options.limit]
        names, factors = [name for name, _ in named], sizes_of(options.degrade, split, for_scoring=for_scoring)
        count = len(named) * (1 + len(factors))
        highs = Shelf(count)
        lows = [Shelf(count) for _ in range(count_copies(options.degrade, split, for_scoring=for_scoring))]
        for index, (name, pixels) in enumerate(named):
            high = pixels
            if options.degrade:
                scale = options.degrade.scale
                high = pixels[: SIDE // scale * scale, : SIDE // scale * scale]
                for copy, shelf in enumerate(lows):
                    kernel = options.degrade.kernel
                    shelf.put(index, make_low(high, kernel, scale, options.enlarge, name=name, copy=copy))
            else:
                lows[0].put(index, _as_data_set_p(high, options.enlarge))
            highs.put(index, high)
            rows.append((split, name, hashlib.sha256(pixels.tobytes()).hexdigest()))
        if options.degrade and factors:
            add_sizes(highs, lows, names, options.degrade, options.enlarge)
        low, *more = (shelf.to_store() for shelf in lows)
        groups = [name.rpartition("-")[0] for name in names] * (1 + len(factors))
        splits[split] = Split(low, highs.to_store(), with_sizes(names, factors), more_inputs=more, groups=groups)
    in_shape, out_shape = sample_shapes(splits["train"], None if for_scoring else options.crop)
    made = describe_degrade(options.degrade, options.enlarge) if options.degrade else options.enlarge or "bilinear"
    return Data(
        name="demo",
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        in_shape=in_shape,
        out_shape=out_shape,
        fingerprint=take_fingerprint(rows, made + describe_rendered(options, for_scoring=for_scoring)),
        notes=describe_copies(splits["train"]) + note_rendered(options, for_scoring=for_scoring),
    )


def demo_image() -> np.ndarray:
    """A photograph that no demo training has seen, uint8 (H, W, 3)."""
    return _read("chelsea.png", "RGB")


TEXTURES = ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png",
            "gravel.png", "ihc.png", "rocket.jpg")  # fmt: skip


def read_textures(side: int) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], list[str]]:
    """Small square crops whose class is the image they come from; train, val and test share no pixel.

    Returns:
        Split -> (uint8 (N, side, side, 3), int64 (N,)), and the names of the classes.
    """
    shares = {"train": (0.0, 0.7), "val": (0.7, 0.85), "test": (0.85, 1.0)}
    cut = min(side, 48)  # the narrowest region has 57 columns: larger images are enlarged
    counts = {"train": 200, "val": 40, "test": 40}
    random = np.random.Generator(np.random.Philox(key=0))
    parts: dict[str, tuple[list[np.ndarray], list[int]]] = {split: ([], []) for split in shares}
    for label, file in enumerate(TEXTURES):
        pixels = _read(file, "RGB")
        for split, (first, last) in shares.items():
            region = pixels[:, int(first * pixels.shape[1]) : int(last * pixels.shape[1])]
            places = random.random((counts[split], 2)) * (np.array(region.shape[:2]) - cut + 1)
            parts[split][0].extend(_resize(region[y : y + cut, x : x + cut], side) for y, x in places.astype(int))
            parts[split][1].extend([label] * counts[split])
    names = [Path(file).stem for file in TEXTURES]
    return {s: (np.stack(crops), np.array(labels, np.int64)) for s, (crops, labels) in parts.items()}, names


def _resize(pixels: np.ndarray, side: int) -> np.ndarray:
    """uint8 (h, w, 3) -> (side, side, 3)"""
    if pixels.shape[0] == side:
        return pixels
    image = to_float(torch.from_numpy(pixels.copy()).permute(2, 0, 1))[None]  # (H, W, C) -> (1, C, H, W)
    return to_uint8(F.interpolate(image, (side, side), mode="bilinear")[0]).permute(1, 2, 0).numpy()


def _read(file: str, channels: str) -> np.ndarray:
    # Not through skimage.data: its functions may reach for the network.
    spec = find_spec("skimage")
    if spec is None or spec.origin is None or not (path := Path(spec.origin).parent / "data" / file).is_file():
        raise ResourceError(f"{file} of scikit-image is missing", "the demo images", "pip install scikit-image")
    return read_pixels(path, channels, name=f"{file} of scikit-image")  # type: ignore[arg-type]


def _starts(length: int, stride: int) -> list[int]:
    """Evenly spread starts of crops that cover the length."""
    count = -(-(length - SIDE) // stride) + 1
    return [round(place) for place in np.linspace(0, length - SIDE, count)]


def _cut(file: str, stride: int | None, channels: str) -> list[tuple[str, np.ndarray]]:
    """(name, uint8 (256, 256, C)) of the crops of one image."""
    pixels = _read(file, channels)
    height, width = pixels.shape[:2]
    if stride is CORNERS:
        starts = [(0, 0), (height - SIDE, width - SIDE)]
    else:
        starts = [(top, left) for top in _starts(height, stride) for left in _starts(width, stride)]
    stem = Path(file).stem
    return [(f"{stem}-{i}.png", pixels[y : y + SIDE, x : x + SIDE]) for i, (y, x) in enumerate(starts)]


def _as_data_set_p(high: np.ndarray, enlarge_kernel: str | None) -> np.ndarray:
    """Low-resolution version of uint8 (256, 256, C), in the same size."""
    image = to_float(torch.from_numpy(high.copy()).permute(2, 0, 1))
    small = shrink(image, 2, "gaussian", "mirror")
    low = to_uint8(enlarge(small, 2, enlarge_kernel or "bilinear", "mirror"))  # type: ignore[arg-type]
    return low.permute(1, 2, 0).contiguous().numpy()  # (C, H, W) -> (H, W, C)
