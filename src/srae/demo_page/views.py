"""What the browser is shown of an image and its result: 8-bit PNG files that lie over each other in the slider."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from srae.files import resource_error
from srae.images.encode import float_range, to_8_bits, to_image, to_integers
from srae.images.image import TaggedImage
from srae.images.tags import Tags

MAX_SIDE = 4096
"""Pixels of a result that are shown: three layers of this size are 200 MB in a browser."""


class Views(NamedTuple):
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
        ResourceError: the disk is full.
    """
    scale = after.pixels.shape[0] // before.pixels.shape[0]
    extremes = float_range(after.pixels) if after.pixels.dtype == np.float32 else None
    low, high = (_to_8_bits(one, extremes) for one in _middle(before.pixels, after.pixels, scale))
    images = [("input", low), (model, high)]
    if scale > 1:
        images.insert(0, ("bicubic", low.resize(high.size, Image.Resampling.BICUBIC)))
    layers = [(name, stem.with_name(f"{stem.name}_{number}.png")) for number, (name, _) in enumerate(images)]
    for (_, file), (_, image) in zip(layers, images, strict=True):
        _write_png(file, image, after.tags)
    return Views(layers, high.size, high.size != after.pixels.shape[1::-1])


def _middle(before: np.ndarray, after: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """The centre of both, cut at pixels of the input."""
    side = MAX_SIDE // scale
    top, left = (max(0, (size - side) // 2) for size in before.shape[:2])
    high = after[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
    return before[top : top + side, left : left + side], high


def _to_8_bits(pixels: np.ndarray, extremes: tuple[float, float] | None) -> Image.Image:
    """Floats between the extremes of the result, so that before and after are equally bright."""
    if pixels.dtype == np.float32:
        pixels = to_integers(pixels, np.uint8, extremes)
    return to_image(to_8_bits(pixels) if pixels.dtype == np.uint16 else pixels)


def _write_png(file: Path, image: Image.Image, tags: Tags) -> None:
    """Hardly compressed, by Pillow: that takes a quarter of the time of `write_png`, and the browser is next door."""
    buffer, info = io.BytesIO(), PngInfo()
    for kind, data in tags.color:
        info.add(kind, data)
    image.save(buffer, "PNG", compress_level=1, icc_profile=tags.icc, pnginfo=info)
    try:
        file.write_bytes(buffer.getbuffer())
    except OSError as error:
        raise resource_error(error, file) from None
