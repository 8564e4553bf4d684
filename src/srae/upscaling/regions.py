"""Any rectangle of an image, computed when it is asked for.

A hundred megapixels as floats are more memory than most machines have; a tile
of them is not.  Everything that is done to an image before a network sees it
is therefore a function from rectangle to floats, and these functions stack.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from srae.images.image import from_pixels
from srae.images.resample import Kernel, resize

_LEVELS = 6
_BLOCK = 2**_LEVELS
_REACH = 4  # pixels of the input that any kernel takes at most on each side when it enlarges


@dataclass(frozen=True)
class Planes:
    """An image of this size as floats.

    Attributes:
        read: (top, bottom, left, right) inside the image -> (C, bottom - top, right - left).
    """

    height: int
    width: int
    read: Callable[[int, int, int, int], np.ndarray]


def of_pixels(pixels: np.ndarray) -> Planes:
    """uint8, uint16 or float32 (H, W, C) -> values in [0, 1]."""
    height, width = pixels.shape[:2]
    return Planes(height, width, lambda top, bottom, left, right: from_pixels(pixels[top:bottom, left:right]))


def of_array(planes: np.ndarray) -> Planes:
    """(C, H, W)."""
    height, width = planes.shape[1:]
    return Planes(height, width, lambda top, bottom, left, right: planes[:, top:bottom, left:right])


def changed(planes: Planes, change: Callable[[np.ndarray], np.ndarray]) -> Planes:
    """With every pixel changed by itself."""
    return Planes(planes.height, planes.width, lambda *box: change(planes.read(*box)))


def stacked(first: Planes, second: Planes) -> Planes:
    """The planes of both, in this order."""
    return Planes(first.height, first.width, lambda *box: np.concatenate((first.read(*box), second.read(*box))))


def enlarged(planes: Planes, factor: int, kernel: Kernel) -> Planes:
    """As `resample.resize` makes them of the whole image."""
    if factor == 1:
        return planes

    def read(top: int, bottom: int, left: int, right: int) -> np.ndarray:
        y = max(top // factor - _REACH, 0), min(-(-bottom // factor) + _REACH, planes.height)
        x = max(left // factor - _REACH, 0), min(-(-right // factor) + _REACH, planes.width)
        piece = resize(planes.read(*y, *x), ((y[1] - y[0]) * factor, (x[1] - x[0]) * factor), kernel)
        return piece[:, top - y[0] * factor : bottom - y[0] * factor, left - x[0] * factor : right - x[0] * factor]

    return Planes(planes.height * factor, planes.width * factor, read)


def extended(planes: Planes, height: int, width: int) -> Planes:
    """Grown to the right and below: mirrored, or the last pixel repeated where there is too little to mirror."""
    if (height, width) == (planes.height, planes.width):
        return planes
    rows, columns = mirrored(planes.height, height), mirrored(planes.width, width)

    def read(top: int, bottom: int, left: int, right: int) -> np.ndarray:
        if bottom <= planes.height and right <= planes.width:
            return planes.read(top, bottom, left, right)
        y, x = rows[top:bottom], columns[left:right]
        first_y, first_x = int(y.min()), int(x.min())
        piece = planes.read(first_y, int(y.max()) + 1, first_x, int(x.max()) + 1)
        return piece[:, y - first_y][:, :, x - first_x]

    return Planes(height, width, read)


def mirrored(size: int, new_size: int) -> np.ndarray:
    """For each of `new_size` places the one of `size` that it is taken from: mirrored, or else the last one."""
    places = np.arange(new_size)
    can_mirror = new_size - size < size
    return np.where(places < size, places, 2 * (size - 1) - places if can_mirror else size - 1)


# ------------------------------------------------------------------ what nobody sees


def filled(color: Planes, alpha: Planes) -> Planes:
    """As `fill_hidden` makes them of the whole image.

    Its averages are of aligned squares: those of 64 pixels and more are few and
    made once, smaller ones again for every rectangle.
    """
    coarse = _fill_coarse(color, alpha)
    if coarse is None:
        return color

    def read(top: int, bottom: int, left: int, right: int) -> np.ndarray:
        first_y, first_x = top // _BLOCK, left // _BLOCK
        last_y, last_x = -(-bottom // _BLOCK), -(-right // _BLOCK)
        y, x = first_y * _BLOCK, first_x * _BLOCK
        box = (y, min(last_y * _BLOCK, color.height), x, min(last_x * _BLOCK, color.width))
        planes, seen = color.read(*box), (alpha.read(*box) > 0).astype(np.float32)
        far = coarse[: len(planes), first_y:last_y, first_x:last_x]
        return _fill(planes, seen, far, _LEVELS)[:, top - y : bottom - y, left - x : right - x]

    return Planes(color.height, color.width, read)


def _fill_coarse(color: Planes, alpha: Planes) -> np.ndarray | None:
    """A colour for every square of 64 pixels, (3, rows, columns); None where nothing is to be filled, or from nothing.

    Reads the image once, a row of squares at a time.
    """
    size, hidden = (-(-color.height // _BLOCK), -(-color.width // _BLOCK)), False
    coarse, coarse_seen = np.zeros((3, *size), np.float32), np.zeros((1, *size), np.float32)
    for row in range(size[0]):
        box = (row * _BLOCK, min((row + 1) * _BLOCK, color.height), 0, color.width)
        seen = (alpha.read(*box) > 0).astype(np.float32)
        hidden |= not bool(seen.all())
        planes = color.read(*box)
        for _ in range(_LEVELS):
            planes, seen = _halve(planes, seen)
        coarse[: len(planes), row], coarse_seen[:, row] = planes[:, 0], seen[:, 0]
    return fill_hidden(coarse, coarse_seen) if hidden and bool(coarse_seen.any()) else None


def fill_hidden(color: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give invisible pixels the colour of visible ones near them, so that a model does not smear what nobody sees.

    Coarse to fine: averages of visible pixels over ever larger squares.

    Args:
        color: (C, H, W).
        alpha: (1, H, W); 0 is invisible.
    """
    seen = (alpha > 0).astype(color.dtype)
    if not bool(seen.any()):
        return color
    levels = math.ceil(math.log2(max(color.shape[1:]))) if color.size else 0
    return _fill(color, seen, np.zeros((len(color), 1, 1), color.dtype), levels)


def _fill(color: np.ndarray, seen: np.ndarray, coarse: np.ndarray, levels: int) -> np.ndarray:
    """Args: coarse: colours of squares of 2**levels pixels, for what no smaller square knows."""
    if bool(seen.all()):
        return color
    if levels:
        coarse = _fill(*_halve(color, seen), coarse, levels - 1)
        coarse = coarse.repeat(2, 1).repeat(2, 2)[:, : color.shape[1], : color.shape[2]]
    return np.where(seen > 0, color, coarse)


def _halve(color: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Averages of the seen pixels of each square of four, and whether there are any."""
    count = _sum_fours(seen)
    return _sum_fours(color * seen) / np.maximum(count, 1), (count > 0).astype(color.dtype)


def _sum_fours(planes: np.ndarray) -> np.ndarray:
    """(C, H, W) -> (C, ceil(H / 2), ceil(W / 2)); beyond an odd side are zeros."""
    padded = np.pad(planes, ((0, 0), (0, planes.shape[1] % 2), (0, planes.shape[2] % 2)))
    rows = padded[:, ::2] + padded[:, 1::2]
    return rows[:, :, ::2] + rows[:, :, 1::2]
