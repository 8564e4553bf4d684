"""The low side of high-resolution pictures: by resampling alone, or as photographs from the web are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch

from srae.data.degrade import Kernel, enlarge, shrink
from srae.data.photo import LONGEST_SIDE, VERSION, make_photo, photo_generator
from srae.data.store import Split
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


def describe_low_side(degrade: Mapping[str, Any] | None, enlarge: str | None) -> str:
    """``bicubic x2``, ``photo 1 x2``, ``bicubic x2, enlarged bilinear`` or the empty string; part of the fingerprint.

    How many copies there are is left out: val and test have one, and a sample of train draws one.
    """
    made = ""
    if degrade:
        version = f" {VERSION}" if degrade["kernel"] == "photo" else ""
        made = f"{degrade['kernel']}{version} x{degrade['scale']}"
    return f"{made}, enlarged {enlarge}".removeprefix(", ") if enlarge else made
