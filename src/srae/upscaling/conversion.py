"""An image as a network of some channels takes it, and the network's output as the image wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from srae.images.color import to_luma
from srae.upscaling.limits import limited, limited_at_border
from srae.upscaling.network import Network
from srae.upscaling.ranges import WHOLE, ValueRange, measure_range
from srae.upscaling.regions import Planes, changed, enlarged, filled, of_pixels, stacked
from srae.upscaling.tiles import Box

_ALPHA_SLACK = 1.0  # less costs thin lines their contrast: 0.8 dB at x4 (docs/lab_log.md, "Alpha through the network")


class Conversion(NamedTuple):
    """What one run of a network works on.

    Attributes:
        input: in the network's channels, [0, 1].
        finish: the network's output (C, h, w) in a box -> planes of the image, in its own units.
    """

    input: Planes
    finish: Callable[[Box, np.ndarray], np.ndarray]


def is_grey(pixels: np.ndarray) -> bool:
    """Whether (H, W, C) has one channel of colour, or three that are the same everywhere."""
    if pixels.shape[2] < 3:
        return True
    first = pixels[:, :, 0]
    # Most colour images differ in their first rows already.
    return all(
        np.array_equal(first[rows], pixels[rows, :, other])
        for rows in (slice(0, 16), slice(16, None))
        for other in (1, 2)
    )


def convert_color(
    pixels: np.ndarray, alpha: np.ndarray | None, network: Network, factor: int, *, fill: bool = True
) -> Conversion:
    """Grey or colour (H, W, 1|3), through a network of 1, 3 or 4 channels.

    Args:
        alpha: (H, W, 1); a network of four channels sees it, and makes it: a plane more in the result.
        fill: invisible pixels get the colour of their neighbours.
    """
    values, colors = measure_range(pixels, network.facts.value_range), pixels.shape[2]
    channels = network.facts.channels
    own_scale, original = network.geometry.scale, of_pixels(pixels)
    visible = None if alpha is None else of_pixels(alpha)
    if visible is not None and fill:
        original = filled(original, visible)
    color = _preenlarged(changed(original, values.stretch), network, factor)
    input = changed(color, to_luma if channels == 1 else _as_rgb)
    if channels == 4:
        opaque = changed(color, lambda planes: np.ones_like(planes[:1]))
        input = stacked(input, opaque if visible is None else _preenlarged(visible, network, factor))
    chroma = None
    if channels == 1 and colors == 3:
        chroma = enlarged(changed(color, lambda planes: planes - to_luma(planes)), own_scale, "bicubic")
    spill = enlarged(changed(original, values.spill), factor, "bicubic") if values.spilled else None
    integers = pixels.dtype != np.float32
    hold_border = own_scale == factor and network.facts.adds_to_bicubic

    def finish(box: Box, piece: np.ndarray) -> np.ndarray:
        own_alpha = piece[3:].clip(0, 1) if channels == 4 and alpha is not None else None
        if hold_border:
            piece = limited_at_border(piece, box, input, own_scale)
        if chroma is not None:
            # Y + (R-Y, G-Y, B-Y): the differences are linear in Cb and Cr, so enlarging them enlarges those.
            piece = piece + chroma.read(*box)
        elif channels != 1:
            piece = to_luma(piece[:3]) if colors == 1 else piece[:3]
        if not (integers and values.is_whole):  # those are clamped on their way to levels
            piece = piece.clip(0, 1)
            piece = values.restore(piece if spill is None else piece + spill.read(*box))
        return piece if own_alpha is None else np.concatenate((piece, own_alpha))

    return Conversion(input, finish)


def _as_rgb(planes: np.ndarray) -> np.ndarray:
    return planes if len(planes) == 3 else np.broadcast_to(planes, (3, *planes.shape[1:]))


def convert_alpha(alpha: np.ndarray, network: Network, factor: int) -> Conversion:
    """(H, W, 1) as a grey image through a network of 1 or 3 channels.

    So a shape in the transparency becomes as sharp as the same shape in the colours.  What is opaque or invisible, and
    so is all around it, remains so.
    """
    scale = network.geometry.scale
    grey = _preenlarged(of_pixels(alpha), network, factor)
    input = changed(grey, lambda planes: np.broadcast_to(planes, (network.facts.channels, *planes.shape[1:])))

    def finish(box: Box, piece: np.ndarray) -> np.ndarray:
        return limited(to_luma(piece), box, grey, scale, slack=_ALPHA_SLACK).clip(0, 1)

    return Conversion(input, finish)


def describe_range(pixels: np.ndarray, network: Network) -> str | None:
    """For the user: what of its range an image uses, where that is stretched for the network."""
    values: ValueRange = measure_range(pixels, network.facts.value_range)
    if values == WHOLE:
        return None
    unit = 1.0 if pixels.dtype == np.float32 else float(np.iinfo(pixels.dtype).max)
    lowest, highest = values.low * unit, (values.low + values.width) * unit
    return f"values from {lowest:.6g} to {highest:.6g} are stretched to the whole range for the network, and back"


def _preenlarged(planes: Planes, network: Network, factor: int) -> Planes:
    """For networks that keep the size: enlarged as their training images were."""
    if network.geometry.scale == factor:
        return planes
    return changed(enlarged(planes, factor, network.facts.enlarge_kernel), lambda some: some.clip(0, 1))
