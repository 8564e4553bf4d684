"""The low side of high-resolution pictures: by resampling alone, or as photographs from the web are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch

from srae.data.degrade import Kernel, enlarge, resize, shrink
from srae.data.photo import LONGEST_SIDE, VERSION, make_photo, photo_generator
from srae.data.store import Shelf, Split, Store
from srae.images import to_float, to_uint8

LowKernel = Kernel | Literal["photo"]


def make_low(
    high: np.ndarray,
    kernel: LowKernel,
    scale: int,
    enlarge_kernel: Kernel | None = None,
    *,
    name: str = "",
    copy: int = 0,
) -> np.ndarray:
    """The low side of uint8 (H, W, C), rounded to 8 bits as a file would be; enlarged again when a kernel is given.

    Args:
        kernel: "photo" blurs, adds noise and saves as JPEG too, see `photo`.
        name: of the picture; with the number of the copy it seeds "photo", the others draw nothing.
    """
    if kernel == "photo":
        low = torch.from_numpy(make_photo(high, scale, photo_generator(name, copy))).permute(2, 0, 1)
    else:
        planes = to_float(torch.from_numpy(high).permute(2, 0, 1))  # (H, W, C) -> (C, H, W)
        low = to_uint8(shrink(planes, scale, kernel))
    if enlarge_kernel:
        low = to_uint8(enlarge(to_float(low), scale, enlarge_kernel))
    return low.permute(1, 2, 0).contiguous().numpy()  # (C, h, w) -> (h, w, C)


def count_copies(degrade: Mapping[str, Any] | None, split: str, *, whole: bool) -> int:
    """Low sides that are made of each picture: several only for training."""
    return degrade.get("copies", 1) if degrade and split == "train" and not whole else 1


def describe_copies(train: Split) -> list[str]:
    """A note for the user, where there is something to note."""
    copies = 1 + len(train.more_inputs)
    return [f"every train picture has {copies} low sides: a sample draws one of them"] if copies > 1 else []


def find_misfit(size: tuple[int, int], kernel: str, scale: int) -> str | None:
    """Why no low side can be made of a picture of this height and width, or None."""
    if min(size) < scale:
        return f"too small to be shrunk by {scale}"
    if kernel == "photo" and max(size) > LONGEST_SIDE:
        return f"longer than {LONGEST_SIDE} pixels, which no JPEG can be"
    return None


def add_sizes(train: Split, degrade: Mapping[str, Any] | None, enlarge_kernel: Kernel | None) -> Split:
    """The pictures, and each of them shrunk by every factor in `sizes`; that sharpens what a camera or JPEG blurred.

    As the 91 pictures of SRCNN's successors were multiplied (Dong et al. 2016, FSRCNN: 0.9 to 0.6).
    """
    sizes = degrade.get("sizes", []) if degrade else []
    if not sizes or not degrade or not isinstance(train.target, Store):
        return train
    kernel, scale, count = degrade["kernel"], degrade["scale"], len(train)
    high, lows = Shelf(count * (1 + len(sizes))), [Shelf(count * (1 + len(sizes))) for _ in train.inputs]
    names = list(train.names)
    for index, pixels in enumerate(train.target.pixels):
        high.put(index, pixels.numpy())
        for shelf, store in zip(lows, train.inputs, strict=True):
            shelf.put(index, store.pixels[index].numpy())
    for size in sizes:
        for index, name in enumerate(train.names):
            pixels = train.target.picture(index)
            height, width = (max(1, round(side * size / scale)) * scale for side in pixels.shape[1:])
            small = to_uint8(resize(to_float(pixels), (height, width))).permute(1, 2, 0).contiguous().numpy()
            place = len(names)
            names.append(f"{name} x{size:g}")
            high.put(place, small)
            for copy, shelf in enumerate(lows):
                shelf.put(place, make_low(small, kernel, scale, enlarge_kernel, name=names[-1], copy=copy))
    low, *more = (shelf.to_store() for shelf in lows)
    return Split(low, high.to_store(), names, more_inputs=more)


def describe_low_side(degrade: Mapping[str, Any] | None, enlarge: str | None) -> str:
    """``bicubic x2``, ``photo 1 x2``, ``bicubic x2, enlarged bilinear`` or the empty string; part of the fingerprint.

    How many copies and sizes of a train picture there are is left out: val and test have one.
    """
    made = ""
    if degrade:
        version = f" {VERSION}" if degrade["kernel"] == "photo" else ""
        made = f"{degrade['kernel']}{version} x{degrade['scale']}"
    return f"{made}, enlarged {enlarge}".removeprefix(", ") if enlarge else made
