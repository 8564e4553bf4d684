"""Shrink and enlarge images as the literature does; pure, of arrays and of tensors alike.

A separable resampler that agrees with MATLAB's `imresize`: pixel centres at
half-integers, kernels widened by the factor when shrinking (antialiasing),
weights normalised, images continued at the border by reflection.

Kernel "gaussian" with border "mirror" is how data set P (isr855) was made, as
found by fitting its images: a Gaussian blur of standard deviation
(factor - 1) / 2 pixels, then linear interpolation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Images = TypeVar("Images", np.ndarray, "Tensor")

_BAND_PIXELS = 2**18
Kernel = Literal["bicubic", "bilinear", "area", "lanczos", "nearest", "gaussian"]
Border = Literal["symmetric", "mirror"]
"""Continuation of a, b, c, ... to the left: "symmetric" b, a; "mirror" c, b."""


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys 1981, a = -1/2."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0.0)


def _box(x: np.ndarray) -> np.ndarray:
    # Pixels often are exactly on the edge of the box; rounding makes the choice of a side independent of float error.
    x = np.round(x, 9)
    return ((-0.5 <= x) & (x < 0.5)).astype(np.float64)


def _lanczos3(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


_KERNELS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "bicubic": (_cubic, 2.0),
    "bilinear": (_triangle, 1.0),
    "area": (_box, 0.5),
    "lanczos": (_lanczos3, 3.0),
}
KERNELS = (*_KERNELS, "nearest", "gaussian")


def _continuous(kernel: str, ratio: float) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    """Weight as a function of the distance in input pixels, and the distance at which it ends.

    Args:
        ratio: input pixels per output pixel.
    """
    if kernel == "nearest":
        return _box, 0.5
    if kernel == "gaussian":
        deviation = max(ratio - 1, 0) / 2
        radius = int(4 * deviation + 0.5)
        steps = np.arange(-radius, radius + 1)
        blur = np.exp(-0.5 * (steps / deviation) ** 2) if radius else np.ones(1)
        blur = blur / blur.sum()
        return lambda x: (_triangle(x[..., None] - steps) * blur).sum(-1), radius + 1.0
    function, radius_ = _KERNELS[kernel]
    widening = max(ratio, 1.0)
    return lambda x: function(x / widening), radius_ * widening


def _weights(length: int, new_length: int, kernel: str, border: str) -> tuple[np.ndarray, np.ndarray]:
    """Input indices and their weights, each (new_length, taps), weights float64."""
    ratio = length / new_length
    function, radius = _continuous(kernel, ratio)
    centre = (np.arange(new_length) + 0.5) * ratio - 0.5
    indices = np.floor(centre - radius).astype(np.int64)[:, None] + np.arange(int(np.ceil(2 * radius)) + 2)
    weights = function(centre[:, None] - indices)
    used = np.any(weights != 0, axis=0)
    indices, weights = indices[:, used], weights[:, used]
    weights = weights / weights.sum(axis=1, keepdims=True)
    if border == "symmetric":
        indices = indices % (2 * length)
        indices = np.minimum(indices, 2 * length - 1 - indices)
    else:
        period = max(2 * length - 2, 1)
        indices = indices % period
        indices = np.minimum(indices, period - indices)
    return indices, weights


def _resample(image: Images, dim: int, new_length: int, kernel: str, border: str) -> Images:
    """Along dimension -2 or -1."""
    return _weigh(image, dim, *_weights(image.shape[dim], new_length, kernel, border))


def _weigh(image: Images, dim: int, indices: np.ndarray, weights: np.ndarray) -> Images:
    """Along dimension -2 or -1: sums of what is at the indices, (new length, taps)."""
    if not isinstance(image, np.ndarray):
        return _weigh_tensor(image, dim, indices, weights)
    weights = weights.astype(image.dtype)
    result = np.zeros((), image.dtype)
    for tap in range(weights.shape[1]):
        weight = weights[:, tap, None] if dim == -2 else weights[:, tap]
        part = image.take(indices[:, tap], dim)
        part *= weight
        result = np.add(part, result, out=part)
    return result


def _weigh_tensor(image: Tensor, dim: int, indices: np.ndarray, weights: np.ndarray) -> Tensor:
    import torch

    index = torch.from_numpy(indices.T.copy()).to(image.device)
    weight = torch.from_numpy(weights.T.copy()).to(image.dtype).to(image.device)  # MPS has no float64
    if dim == -2:
        weight = weight[:, :, None]
    result = image.index_select(dim, index[0]).mul_(weight[0])
    for tap in range(1, len(index)):
        result.addcmul_(image.index_select(dim, index[tap]), weight[tap])
    return result


def resize(image: Images, size: tuple[int, int], kernel: Kernel = "bicubic", border: Border = "symmetric") -> Images:
    """Resample to a size; values may leave the range of the input (bicubic, lanczos).

    Args:
        image: float (C, H, W) or (B, C, H, W).
        size: new height and width, each at least 1.
        kernel: "nearest" takes one pixel; the others are antialiased when they shrink.

    Returns:
        Same type and device as the input, (..., *size).
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel {kernel!r} is not one of {', '.join(KERNELS)}")
    if not (image.dtype.kind == "f" if isinstance(image, np.ndarray) else image.is_floating_point()):
        raise TypeError(f"resize needs floats, not {image.dtype}")
    for dim, new_length in ((-2, size[0]), (-1, size[1])):
        if image.shape[dim] != new_length:
            image = _resample(image, dim, new_length, kernel, border)
    return image


def resize_bands(
    read: Callable[[int, int], np.ndarray],
    size: tuple[int, int],
    new_size: tuple[int, int],
    kernel: Kernel = "bicubic",
    border: Border = "symmetric",
) -> Iterator[tuple[slice, np.ndarray]]:
    """As `resize`, some rows at a time, of an image too large for floats.

    Args:
        read: top and bottom -> float (C, bottom - top, W).

    Yields:
        Rows of the result, and what they are: (C, rows, new width).
    """
    indices, weights = _weights(size[0], new_size[0], kernel, border)
    step = max(1, _BAND_PIXELS // max(1, size[1], new_size[1]))
    for top in range(0, new_size[0], step):
        rows = slice(top, min(top + step, new_size[0]))
        first = int(indices[rows].min())
        band = read(first, int(indices[rows].max()) + 1)
        band = _weigh(band, -2, indices[rows] - first, weights[rows])
        yield rows, band if size[1] == new_size[1] else _resample(band, -1, new_size[1], kernel, border)


def shrink(image: Images, scale: int, kernel: Kernel = "bicubic", border: Border = "symmetric") -> Images:
    """(..., H, W) -> (..., H / scale, W / scale); both sides must be multiples of the scale."""
    height, width = image.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"{height}x{width} is not a multiple of {scale}")
    return resize(image, (height // scale, width // scale), kernel, border)


def enlarge(image: Images, scale: int, kernel: Kernel = "bicubic", border: Border = "symmetric") -> Images:
    """(..., h, w) -> (..., h * scale, w * scale)."""
    height, width = image.shape[-2:]
    return resize(image, (height * scale, width * scale), kernel, border)
