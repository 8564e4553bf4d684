"""One page of a TIFF: by Pillow where it has mode and codec for every bit, else by tifffile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import IO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile
from tifffile import TiffFile, TiffPage

from srae.images.deep_color import load_pixels
from srae.images.metadata import FoundTags, read_page_tags
from srae.images.modes import pillow_quiet
from srae.images.tiff import (
    check_codec,
    check_limits,
    is_exact_in_pillow,
    needs_extra,
    pick_page,
    prefers_pillow,
    read_samples,
    silence_libtiff,
)
from srae.images.tiff_colors import read_layout, to_colors
from srae.images.tiff_tags import hide_folders

_ORIENTATION = 274  # tag


def read_tiff(file: IO[bytes], name: str, max_pixels: int, frame: int | None) -> tuple[np.ndarray, FoundTags]:
    """Pixels (H, W, C) as they lie in the file, and what is beside them, notes for the user with it.

    Raises:
        DataError: a camera's raw file, a layout that nobody here reads, too large, or `frame` is missing or wrong.
        Exception: of many kinds, when the file is damaged.
    """
    silence_libtiff()
    with TiffFile(file) as tiff:
        index, page = pick_page(tiff, name, frame)
        check_limits(page, name, max_pixels)
        layout = read_layout(page, name)
        with pillow_quiet():
            found = read_page_tags(file, page.offset)
        again = partial(_open_page, file, index)
        image = again() if is_exact_in_pillow(page) else None
        if image is not None and (prefers_pillow(page) or needs_extra(page)):
            pixels = _load_page(image, page, again, name)
            if _ORIENTATION not in image.tag_v2:  # Pillow has turned it upright
                found = found._replace(orientation=1)
        else:
            check_codec(page, name)
            pixels, lost = to_colors(read_samples(page, name), page, layout, found.tags.icc, name)
            found = found._replace(notes=(*found.notes, *lost))
    if layout.converted:
        found = found._replace(tags=found.tags.without_color_space())
    return pixels, found._replace(notes=(*found.notes, *layout.notes))


def _open_page(file: IO[bytes], index: int) -> TiffImageFile | None:
    """A page for Pillow, None where it has no mode for it."""
    try:
        with pillow_quiet():
            file.seek(0)
            image = Image.open(file, formats=("TIFF",))
            image.seek(index)
            assert isinstance(image, TiffImageFile)
            hide_folders(image)
    except Exception:  # UnidentifiedImageError of the first page, nearly any of the others
        return None
    return image


def _load_page(image: Image.Image, page: TiffPage, again: Callable[[], Image.Image | None], name: str) -> np.ndarray:
    """What this build of Pillow lacks shows when it is needed."""
    try:
        return load_pixels(image, again, name)
    except OSError:
        if not prefers_pillow(page):
            check_codec(page, name)
        raise
