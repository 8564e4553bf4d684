"""What the browser is shown of an image and its result: 8-bit PNG files that lie over each other in the slider."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srae.images.encode import float_range, to_8_bits, to_integers
from srae.images.image import TaggedImage, write_image
from srae.images.tags import Tags
from srae.upscaling.exact_size import resize_pixels

MAX_SIDE = 4096  # pixels of a result that are shown: three layers of this size are 200 MB in a browser


@dataclass(frozen=True)
class Views:
    """The layers of a slider.

    Attributes:
        layers: (name, PNG file); what was before comes first, the result last.
        size: (width, height) of the result, as far as it is shown.
        is_part: only the middle is shown.
    """

    layers: list[tuple[str, Path]]
    size: tuple[int, int]
    is_part: bool


def write_views(before: TaggedImage, after: TaggedImage, stem: Path, model: str) -> Views:
    """Write the layers beside `stem`: the input enlarged bicubically, where sizes differ; the input; the result.

    Raises:
        ResourceError: the disk is full, or too little memory.
    """
    scale = after.pixels.shape[0] // before.pixels.shape[0]
    low, high = _middle(before.pixels, after.pixels, scale)
    images = {"input": low, model: high}
    if scale > 1:
        images = {"bicubic": resize_pixels(low, high.shape[:2]), **images}
    extremes = float_range(after.pixels) if after.pixels.dtype == np.float32 else None
    colors = Tags(icc=after.tags.icc, color=after.tags.color)
    layers = []
    for number, (name, pixels) in enumerate(images.items()):
        file = stem.with_name(f"{stem.name}_{number}.png")
        write_image(file, TaggedImage(_to_8_bits(pixels, extremes), colors))
        layers.append((name, file))
    return Views(layers, (high.shape[1], high.shape[0]), high.shape != after.pixels.shape)


def _middle(before: np.ndarray, after: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """The centre of both, cut at pixels of the input."""
    side = MAX_SIDE // scale
    top, left = (max(0, (size - side) // 2) for size in before.shape[:2])
    high = after[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
    return before[top : top + side, left : left + side], high


def _to_8_bits(pixels: np.ndarray, extremes: tuple[float, float] | None) -> np.ndarray:
    """Floats between the extremes of the result, so that before and after are equally bright."""
    if pixels.dtype == np.float32:
        return to_integers(pixels, np.uint8, extremes)
    return to_8_bits(pixels) if pixels.dtype == np.uint16 else pixels
