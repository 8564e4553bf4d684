"""Low-resolution images from high-resolution ones: by resampling alone, or degraded like photographs from the web."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from srae.config.degrade import Degrade
from srae.data.mapped import FileShelf
from srae.data.photo import LONGEST_SIDE, VERSION, make_photo, photo_generator
from srae.data.scan import in_threads
from srae.data.store import Shelf, Split
from srae.images.resample import Kernel, enlarge, resize, shrink
from srae.images.tensors import quantize, to_float

LowKernel = Kernel | Literal["photo"]
AnyShelf = Shelf | FileShelf
_INVISIBLE = 1 / 512
"""Alpha that 8 bits round to 0."""


def make_low(
    high: np.ndarray,
    kernel: LowKernel,
    scale: int,
    enlarge_kernel: Kernel | None = None,
    *,
    has_alpha: bool = False,
    name: str = "",
    copy: int = 0,
) -> np.ndarray:
    """The low-resolution version of (H, W, C), rounded as in a file; with a kernel enlarged back.

    Args:
        high: uint8, uint16, or float32 in [0, 1].
        kernel: "photo" blurs, adds noise and saves as JPEG too, see `photo`; of 16 bits it leaves 8.
        has_alpha: the last channel is alpha; colours become means weighted by it, as they are seen.
        name: name of the image; it seeds kernel "photo" together with `copy`.  Other kernels draw nothing.
    """
    if kernel == "photo":
        bytes_of_high = quantize(_to_planes(high), np.uint8).permute(1, 2, 0).contiguous().numpy()
        photo = make_photo(bytes_of_high, scale, photo_generator(name, copy))
        low = torch.from_numpy(photo).permute(2, 0, 1)
    else:
        low = quantize(_as_seen(_to_planes(high), lambda image: shrink(image, scale, kernel), has_alpha), high.dtype)
    if enlarge_kernel:
        large = _as_seen(to_float(low), lambda image: enlarge(image, scale, enlarge_kernel), has_alpha)
        low = quantize(large, high.dtype)
    if high.dtype != np.uint8 and low.dtype == torch.uint8:
        low = quantize(to_float(low), high.dtype)
    return low.permute(1, 2, 0).contiguous().numpy()  # (C, h, w) -> (h, w, C)


def _as_seen(planes: Tensor, resample: Callable[[Tensor], Tensor], has_alpha: bool) -> Tensor:
    """Resampled (C, H, W), with colours weighted by alpha, the last plane, if there is one: else the colour of
    invisible pixels, most often black, darkens the edges.
    """
    plain = resample(planes)
    if not has_alpha or bool(planes[-1].min() == 1):
        return plain
    weighted = resample(torch.cat((planes[:-1] * planes[-1:], planes[-1:])))
    # Not clamped before the division: colour and alpha overshoot alike.
    color = torch.where(weighted[-1:] > _INVISIBLE, weighted[:-1] / weighted[-1:], plain[:-1])
    return torch.cat((color, plain[-1:]))


def enlarge_pixels(low: np.ndarray, scale: int, kernel: Kernel, *, has_alpha: bool = False) -> np.ndarray:
    """uint8 or uint16 (h, w, C) -> (h * scale, w * scale, C), rounded as in a file."""
    enlarged = _as_seen(_to_planes(low), lambda planes: enlarge(planes, scale, kernel), has_alpha)
    return quantize(enlarged, low.dtype).permute(1, 2, 0).contiguous().numpy()  # (C, H, W) -> (H, W, C)


def _to_planes(pixels: np.ndarray) -> Tensor:
    """uint8, uint16 or float32 (H, W, C) -> float32 (C, H, W) in [0, 1]."""
    return to_float(torch.from_numpy(pixels).permute(2, 0, 1))


def count_copies(degrade: Degrade | None, split: str, *, for_scoring: bool) -> int:
    """Number of low-resolution versions of each image: several only for training."""
    return degrade.copies if degrade and split == "train" and not for_scoring else 1


def describe_copies(train: Split) -> list[str]:
    """A note for the user; none where every image has one version."""
    copies = 1 + len(train.more_inputs)
    return [f"every train image has {copies} low-resolution versions; a sample draws one of them"] if copies > 1 else []


def find_misfit(size: tuple[int, int], kernel: str, scale: int) -> str | None:
    """Why an image of this height and width cannot be degraded, or None."""
    if min(size) < scale:
        return f"too small to be shrunk by {scale}"
    if kernel == "photo" and max(size) > LONGEST_SIDE:
        return f"a side is longer than {LONGEST_SIDE} pixels, the limit of JPEG"
    return None


def sizes_of(degrade: Degrade | None, split: str, *, for_scoring: bool) -> list[float]:
    """Factors of the smaller versions that are added to the training images; empty for val and test."""
    return degrade.sizes if degrade and split == "train" and not for_scoring else []


def shrunk(size: tuple[int, int], factor: float, scale: int) -> tuple[int, int]:
    """Height and width of an image shrunk by a factor of `sizes_of`: multiples of the scale."""
    height, width = (max(1, round(side * factor / scale)) * scale for side in size)
    return height, width


def add_sizes(
    high: AnyShelf,
    lows: Sequence[AnyShelf],
    names: Sequence[str],
    degrade: Degrade,
    enlarge_kernel: Kernel | None,
    *,
    has_alpha: bool = False,
) -> None:
    """Append every image shrunk by every factor of `degrade.sizes`; shrinking sharpens what a camera or JPEG blurred.

    As the 91 images of SRCNN's successors were multiplied (Dong et al. 2016, FSRCNN: 0.9 to 0.6).
    """
    kernel, scale, count = degrade.kernel, degrade.scale, len(names)
    all_names = with_sizes(names, degrade.sizes)

    def add(place: int) -> None:
        factor, pixels = degrade.sizes[place // count - 1], high.pixels(place % count)
        size = shrunk((pixels.shape[0], pixels.shape[1]), factor, scale)
        planes = _as_seen(_to_planes(pixels), lambda image: resize(image, size), has_alpha)
        small = quantize(planes, pixels.dtype).permute(1, 2, 0).contiguous().numpy()
        high.put(place, small)
        for copy, shelf in enumerate(lows):
            how = partial(make_low, has_alpha=has_alpha, name=all_names[place], copy=copy)
            shelf.put(place, how(small, kernel, scale, enlarge_kernel))

    for _ in in_threads(add, range(count, len(all_names)), "shrinking images"):
        pass


def with_sizes(names: Sequence[str], factors: Sequence[float]) -> list[str]:
    """Names of the images and of the smaller versions that `add_sizes` appends."""
    return [*names, *(f"{name} x{factor:g}" for factor in factors for name in names)]


def describe_degrade(degrade: Degrade | None, enlarge: str | None) -> str:
    """``bicubic x2``, ``photo 1 x2``, ``bicubic x2, enlarged bilinear`` or the empty string; part of the fingerprint.

    `copies` and `sizes` are left out: they change train images only, and metrics on val stay comparable.
    """
    made = ""
    if degrade:
        version = f" {VERSION}" if degrade.kernel == "photo" else ""
        made = f"{degrade.kernel}{version} x{degrade.scale}"
    return f"{made}, enlarged {enlarge}".removeprefix(", ") if enlarge else made
