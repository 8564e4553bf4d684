"""Pairs of two sizes for networks that keep the size: the low-resolution image is enlarged before it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from srae.config.data_sets import DataConfig, ImagesConfig, PairsConfig
from srae.data.degrade import enlarge_pixels
from srae.data.fit import Fit
from srae.data.layouts import find_pairs
from srae.data.scan import ScannedPair, scale_of
from srae.errors import DataError
from srae.images.decode import read_header

EnlargeKernel = Literal["bilinear", "bicubic"]


def enlarge_if_smaller(section: DataConfig, kernel: EnlargeKernel = "bicubic") -> DataConfig:
    """The section with `enlarge`, where its low-resolution images are smaller; for a network that keeps the size.

    Args:
        kernel: where the section names none.
    """
    if not isinstance(section, ImagesConfig) or section.enlarge:
        return section
    smaller = bool(section.degrade) or (isinstance(section, PairsConfig) and _are_smaller(section))
    return section.model_copy(update={"enlarge": kernel}) if smaller else section


def _are_smaller(options: PairsConfig) -> bool:
    """Whether the first pair is of two sizes; False where no pairs are found, which opening them will tell."""
    paths = [Path(os.path.expanduser(path)) if path else None for path in (options.folder, options.low, options.high)]
    if not all(path is None or path.exists() for path in paths) or not any(paths):
        return False
    try:
        found = find_pairs(*paths, alone=bool(options.own_target), scale=options.scale)
        pair = next((pair for pairs in found.splits.values() for pair in pairs if pair.low), None)
        if pair is None or pair.low is None:
            return False
        low, high = read_header(pair.low), read_header(pair.high)
    except DataError:
        return False
    return max(low.height, low.width) < max(high.height, high.width)


def fit_low(low: np.ndarray, fit: Fit, kernel: EnlargeKernel | None, *, has_alpha: bool) -> np.ndarray:
    """The part of (h, w, C) that fits, enlarged to the size of its counterpart if there is a kernel."""
    low = low[: fit.low[0], : fit.low[1]]
    return enlarge_pixels(low, fit.scale, kernel, has_alpha=has_alpha) if kernel and fit.scale > 1 else low


def note_enlarged(scanned: Mapping[str, list[ScannedPair]], options: PairsConfig) -> list[str]:
    """A note with the number of enlarged images; none if there are none."""
    scales = [scale for items in scanned.values() for item in items if item.low and (scale := scale_of(item)) != 1]
    if not scales or not options.enlarge:
        return []
    return [f"{len(scales)} low-resolution images are enlarged x{scales[0]} (data.enlarge: {options.enlarge})"]
