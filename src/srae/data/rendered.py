"""Rendered images among the training samples.

Sample k of an epoch is rendered where k * share passes a whole number, so that every batch has its
share; what it shows follows from (seed, epoch, k), like crops and flips.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from srae.config.data_sets import ImagesConfig, Rendered
from srae.data.degrade import make_low
from srae.errors import ConfigError
from srae.rendering.scenes import render_image, rendering_digest, to_grey

TRAINING, SCORING = 4, 5
"""Streams of the generator beside those of `batches`: no rendered image is in both."""


def is_rendered(sample: int, share: float) -> bool:
    return int((sample + 1) * share) > int(sample * share)


def put_rendered(sides: list[Tensor], rendered: Rendered, *, seed: int, epoch: int, first: int) -> None:
    """Replace the rows that are rendered, in place.

    Args:
        sides: integers (B, h, w, C) and (B, H, W, C): samples of an epoch from the `first` on.
    """
    low, high = sides
    height, width, channels = high.shape[1:]
    degrade, key = rendered.degrade, np.array([seed, epoch], np.uint64)
    for row, sample in enumerate(range(first, first + len(high))):
        if not is_rendered(sample, rendered.share):
            continue
        bits = np.random.Philox(key=key, counter=np.array([0, 0, sample, TRAINING], np.uint64))
        pixels = with_channels(render_image(bits, height, width), channels)
        if high.dtype != torch.uint8:
            pixels = pixels.astype(np.uint16) * 257  # 255 -> 65535
        name = f"rendered {seed} {epoch} {sample}"
        small = make_low(pixels, degrade.kernel, degrade.scale, rendered.enlarge, has_alpha=channels == 4, name=name)
        for side, image in ((low, small), (high, pixels)):
            side[row] = torch.from_numpy(image.view(np.int16) if image.dtype == np.uint16 else image)


def with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """uint8 (H, W, 3) -> (H, W, channels): grey, colour, or colour that is opaque."""
    if channels == 1:
        return to_grey(pixels)
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return np.ascontiguousarray(np.concatenate((pixels, opaque), axis=2) if channels == 4 else pixels)


def describe_rendered(options: ImagesConfig, *, for_scoring: bool) -> str:
    """What rendered samples depend on, for the fingerprint; not their share, as `copies` and `sizes` are left out.

    Raises:
        ConfigError: the images have bands that are no colours.
    """
    if not options.rendered or for_scoring:
        return ""
    if isinstance(options.channels, int):
        what = f"rendered images have colours, and these have {options.channels} bands"
        raise ConfigError(what, "data.rendered", "leave it out")
    return f", rendered {rendering_digest()}"


def note_rendered(options: ImagesConfig, *, for_scoring: bool) -> list[str]:
    """A note for the user; none without rendered samples."""
    noted = options.rendered and not for_scoring
    return [f"{100 * options.rendered:g} % of the training samples are rendered images"] if noted else []
