"""A network's output held within the range that its input has nearby."""

from __future__ import annotations

import numpy as np

from srae.upscaling.regions import Planes
from srae.upscaling.tiles import Box

_REACH = 1
_BORDER = 8
# A network with zero padding takes the outside of an image for black: flat colours are off by 5 to 13 of 255 at the
# border.  Half of the local range beyond the local range mends that and costs photographs nothing; padding with the
# edge's pixels costs them 0.4 to 0.8 dB there (docs/lab_log.md, "Borders of flat art").
_BORDER_SLACK = 0.5


def limited(piece: np.ndarray, box: Box, input: Planes, scale: int, *, slack: float) -> np.ndarray:
    """Every pixel clamped to the range of the input's 3x3 pixels around it.

    Args:
        piece: (C, h, w), a network's output in this box; the box is aligned to `scale`.
        input: (C, H, W) of the network.
        slack: how far beyond that range a value may lie, as a share of its width.
    """
    top, bottom, left, right = (place // scale for place in box)
    y, x = max(top - _REACH, 0), max(left - _REACH, 0)
    near = input.read(y, min(bottom + _REACH, input.height), x, min(right + _REACH, input.width))
    lowest, highest = _around(near, np.minimum), _around(near, np.maximum)
    width = (highest - lowest) * np.float32(slack)
    low, high = (
        plane[:, top - y : bottom - y, left - x : right - x].repeat(scale, 1).repeat(scale, 2)
        for plane in (lowest - width, highest + width)
    )
    return piece.clip(low, high)


def _around(planes: np.ndarray, extreme: np.ufunc) -> np.ndarray:
    """The extreme of the 3x3 values around each of (C, H, W); beyond the border is nothing."""
    for axis in (1, 2):
        result, size = planes.copy(), planes.shape[axis]
        for shift in range(1, _REACH + 1):
            first, rest = _slices(axis, slice(0, size - shift)), _slices(axis, slice(shift, size))
            extreme(result[first], planes[rest], out=result[first])
            extreme(result[rest], planes[first], out=result[rest])
        planes = result
    return planes


def _slices(axis: int, along: slice) -> tuple[slice, ...]:
    return tuple(along if i == axis else slice(None) for i in range(3))


def limited_at_border(piece: np.ndarray, box: Box, input: Planes, scale: int) -> np.ndarray:
    """`limited` in the outermost pixels of the image, if the box has some of them; the rest as it is.

    In place: `piece` is the network's own, and a copy of it is a hundredth of the network's time.
    """
    top, bottom, left, right = box
    height, width, depth = input.height * scale, input.width * scale, _BORDER * scale
    strips = (
        (top, min(bottom, depth), left, right),
        (max(top, height - depth), bottom, left, right),
        (top, bottom, left, min(right, depth)),
        (top, bottom, max(left, width - depth), right),
    )
    for strip in (strip for strip in strips if strip[0] < strip[1] and strip[2] < strip[3]):
        inside = piece[:, strip[0] - top : strip[1] - top, strip[2] - left : strip[3] - left]
        inside[...] = limited(inside, strip, input, scale, slack=_BORDER_SLACK)
    return piece
