"""One page of a TIFF: by Pillow where it has mode and codec for every bit, else by tifffile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from tifffile import TiffFile, TiffPage

from srae.errors import DataError
from srae.images.deep_color import load_pixels
from srae.images.headers import Header
from srae.images.metadata import FoundTags, read_page_tags
from srae.images.modes import pillow_quiet
from srae.images.tiff import (
    bits_of,
    check_codec,
    check_limits,
    first_page,
    has_mask,
    is_exact_in_pillow,
    needs_extra,
    pick_page,
    prefers_pillow,
    read_samples,
    silence_libtiff,
)
from srae.images.tiff_colors import Layout, read_layout, to_colors
from srae.images.tiff_tags import hide_folders

_ORIENTATION = 274  # tag
_YCBCR = 6  # photometric


class _Read(NamedTuple):
    """Pixels (H, W, C), whether they are turned upright already, and what was lost, for the user."""

    pixels: np.ndarray
    upright: bool = False
    notes: tuple[str, ...] = ()


def read_page_header(file: IO[bytes]) -> Header:
    """Of the first image of an opened TIFF.

    Raises:
        Exception: of many kinds, when the file is damaged.
    """
    with TiffFile(file) as tiff:
        page = first_page(tiff)
        bits = max(bits_of(page), 16 * (page.sampleformat == 2))  # integers with a sign
        try:
            colors = read_layout(page, "").all_colors
        except DataError:  # reading the file will say it
            colors = 3
        return Header(page.imagelength, page.imagewidth, bits, colors=colors)


def read_tiff(
    file: IO[bytes], name: str, max_pixels: int, frame: int | None, *, bands: bool = False
) -> tuple[np.ndarray, FoundTags]:
    """Pixels (H, W, C) as they lie in the file, and what is beside them, notes for the user with it.

    Args:
        bands: keep all samples of grey, RGB or more bands, whatever they mean.

    Raises:
        DataError: a camera's raw file, a layout that nobody here reads, too large, or `frame` is missing or wrong.
        Exception: of many kinds, when the file is damaged.
    """
    silence_libtiff()
    with TiffFile(file) as tiff:
        index, page = pick_page(tiff, name, frame)
        check_limits(page, name, max_pixels)
        layout, mask = read_layout(page, name, bands=bands), has_mask(tiff, index)
        with pillow_quiet():
            found = read_page_tags(file, page.offset)
        readers = [
            partial(_read_by_tifffile, page, layout, found.tags.icc, name),
            partial(_read_by_pillow, file, index, page, name),
        ]
        if bands or not is_exact_in_pillow(page):  # Pillow drops samples that it has no mode for
            del readers[1]
        elif prefers_pillow(page) or needs_extra(page):
            readers.reverse()
        pixels, upright, notes = _read_by_first(readers)
    if upright:
        found = found._replace(orientation=1)
    if layout.converted:
        found = found._replace(tags=found.tags.without_color_space())
    masked = ("the mask of transparency beside the image left out",) if mask else ()
    return pixels, found._replace(notes=(*found.notes, *layout.notes, *masked, *notes))


def _read_by_first(readers: Sequence[Callable[[], _Read]]) -> _Read:
    """By the first that can: what one takes for damage, as byte counts that are wrong, the other may overlook."""
    problems: list[Exception] = []
    for reader in readers:
        try:
            return reader()
        except (DataError, MemoryError):
            raise
        except Exception as error:  # Pillow and tifffile raise nearly anything
            problems.append(error)
    raise min(problems, key=lambda error: isinstance(error, UnidentifiedImageError))


def _read_by_tifffile(page: TiffPage, layout: Layout, icc: bytes | None, name: str) -> _Read:
    check_codec(page, name)
    pixels, notes = to_colors(read_samples(page, name), page, layout, icc, name)
    return _Read(pixels, notes=tuple(notes))


def _read_by_pillow(file: IO[bytes], index: int, page: TiffPage, name: str) -> _Read:
    reopen = partial(_open_page, file, index, halved=page.photometric == _YCBCR)
    image = reopen()
    pixels = load_pixels(image, reopen, name)
    return _Read(pixels, _ORIENTATION not in image.tag_v2)  # Pillow has turned it, and forgotten the tag


def _open_page(file: IO[bytes], index: int, *, halved: bool) -> TiffImageFile:
    """A page for Pillow.

    Args:
        halved: the colours may be stored at half the size, of which only libtiff knows.

    Raises:
        UnidentifiedImageError: Pillow has no mode for the page, or for the first one.
    """
    try:
        with pillow_quiet(), _through_libtiff(halved):
            file.seek(0)
            image = Image.open(file, formats=("TIFF",))
            image.seek(index)
            assert isinstance(image, TiffImageFile)
            hide_folders(image)
            image.load_prepare()  # checks Pillow's limit once more
    except Exception as error:  # of pages after the first it may be anything
        raise UnidentifiedImageError(str(error)) from None
    return image


@contextmanager
def _through_libtiff(wanted: bool) -> Iterator[None]:
    """Pillow's switch is process-wide: use it inside `pillow_quiet`."""
    before, TiffImagePlugin.READ_LIBTIFF = TiffImagePlugin.READ_LIBTIFF, wanted
    try:
        yield
    finally:
        TiffImagePlugin.READ_LIBTIFF = before
