"""TIFF files: which pages are images, what lies in a page, and its samples as they are stored.

Read by tifffile.  Codecs that it lacks come with imagecodecs, which is an
extra of srae; Pillow (see `read_tiff`) has the common ones.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from functools import cache
from typing import IO, cast

import numpy as np
from PIL import _imaging
from tifffile import COMPRESSION, PHOTOMETRIC, TIFF, TiffFile, TiffFileError, TiffPage

from srae.errors import DataError
from srae.images.limits import check_frame, check_size
from srae.images.tiff_segments import check_segments, has_bounds, has_imagecodecs

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # classic TIFF and BigTIFF
_MOST_PAGES = 100_000  # more of them are meant to keep a reader busy
_MOST_OVERVIEWS = 64  # of one image, masks included
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_SUB_DIRECTORIES, _DNG_VERSION = 330, 50_706  # tags
_RAW = (32_803, 34_892)  # photometric: a colour filter array; raw sensor values
_PLAIN_COLORS = (0, 1, 2)  # photometric: grey, RGB
_PLAIN_CODECS = (1, 8, 32_946)  # none, deflate: what tifffile has itself, with a bound on memory
_PILLOW_CODECS = (1, 2, 3, 4, 5, 6, 7, 8, 32_771, 32_773, 32_809, 32_946)  # in every build of its libtiff
_BYTES_PER_PIXEL = 16  # RGB and alpha as 32-bit floats: what an image of `max_pixels` may take

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # else remarks about damaged files go to stderr


def is_tiff(file: IO[bytes]) -> bool:
    """By the first bytes; leaves the file at its start."""
    file.seek(0)
    magic = file.read(4)
    file.seek(0)
    return magic in _MAGIC


def count_pages(file: IO[bytes]) -> int:
    """How many images an opened TIFF holds, thumbnails, overviews and masks not counted."""
    with TiffFile(file) as tiff:
        return sum(1 for _ in _find_pages(tiff))


def first_page(tiff: TiffFile) -> TiffPage:
    """The first image of a file."""
    return next(_find_pages(tiff))[1]


def _find_pages(tiff: TiffFile) -> Iterator[tuple[int, TiffPage]]:
    """The pages that are images, each with its place in the chain of directories.

    Where all are said to be reduced or masks, the first is the image.  Damaged
    directories are passed over.
    """
    some, seen = False, set()
    for index in range(_MOST_PAGES):
        try:
            page = cast(TiffPage, tiff.pages.get(index))
        except IndexError:
            break
        except TiffFileError:
            continue
        if page.offset in seen:  # a chain that never ends
            break
        seen.add(page.offset)
        if page.subfiletype & (_REDUCED | _MASK) == 0:
            some = True
            yield index, page
    if not some:
        yield 0, tiff.pages.first


def pick_page(tiff: TiffFile, name: str, frame: int | None) -> tuple[int, TiffPage]:
    """One image of a file, and its place in the chain of directories.

    Raises:
        DataError: several and no `frame`, no such frame, or a camera's raw file.
    """
    _check_raw(tiff, name)
    pages = list(_find_pages(tiff))
    check_frame(name, len(pages), frame)
    return pages[frame or 0]


def has_mask(tiff: TiffFile, index: int) -> bool:
    """Whether a mask of transparency stands behind an image, among its overviews."""
    for following in range(index + 1, index + _MOST_OVERVIEWS):
        try:
            kind = cast(TiffPage, tiff.pages.get(following)).subfiletype
        except (IndexError, TiffFileError):
            return False
        if kind & _MASK:
            return True
        if kind & _REDUCED == 0:
            return False
    return False


def _check_raw(tiff: TiffFile, name: str) -> None:
    """Refuse files whose first directory is a preview of sensor data, or larger pixels are hidden in a SubIFD."""
    first = tiff.pages.first
    tiff.filehandle.seek(8)
    canon = tiff.filehandle.read(2) == b"CR"
    raw = canon or first.photometric in _RAW or _DNG_VERSION in first.tags
    if not raw and _SUB_DIRECTORIES in first.tags:
        raw = bool(first.subfiletype & _REDUCED) or any(
            sub.photometric in _RAW or sub.imagewidth * sub.imagelength > first.imagewidth * first.imagelength
            for sub in _sub_pages(first)
        )
    if raw:
        remedy = "develop it first (darktable, RawTherapee, the camera's own program), then enlarge the result"
        raise DataError("a camera's raw file: what opens as an image is its preview", name, remedy)


def _sub_pages(page: TiffPage) -> Iterator[TiffPage]:
    """Of the directories below a page those that are not damaged."""
    try:
        for index in range(16):
            if page.pages is None:
                return
            yield cast(TiffPage, page.pages.get(index))
    except (IndexError, TiffFileError, ValueError, TypeError):
        return


def check_limits(page: TiffPage, name: str, max_pixels: int) -> None:
    """Raises: DataError: more pixels, or more bytes of samples, than `max_pixels` stands for."""
    width, height = page.imagewidth, page.imagelength
    check_size(name, max_pixels, width, height)
    size = width * height * page.samplesperpixel * bits_of(page) // 8
    if size > _BYTES_PER_PIXEL * max_pixels:
        remedy = f"if you trust the file: --max-pixels {-(-size // _BYTES_PER_PIXEL)}"
        raise DataError(f"{size / 1e9:.1f} GB of samples: {describe(page)}", name, remedy)
    if page.is_tiled and page.tilewidth * page.tilelength > max(2**24, 4 * width * height):
        raise DataError(
            f"damaged image: tiles of {page.tilewidth}x{page.tilelength}", name, "replace or remove the file"
        )


def bits_of(page: TiffPage) -> int:
    """Of a sample, the most of any channel."""
    bits = page.bitspersample  # a tuple where samples differ
    return bits if isinstance(bits, int) else max(bits)


def describe(page: TiffPage) -> str:
    """What a person needs to know of a layout."""
    kind = {2: "signed integers", 3: "floats", 5: "complex integers", 6: "complex floats"}.get(int(page.sampleformat))
    samples = f"{page.samplesperpixel} sample{'s' * (page.samplesperpixel != 1)} of {page.bitspersample} bits"
    return f"{samples}{f' ({kind})' if kind else ''} as {_call(PHOTOMETRIC, page.photometric)}, {codec_of(page)}"


def codec_of(page: TiffPage) -> str:
    """How a page is compressed."""
    name = _call(COMPRESSION, page.compression)
    return "not compressed" if page.compression == 1 else f"compressed by {name}"


def _call(kinds: type[COMPRESSION] | type[PHOTOMETRIC], value: int) -> str:
    try:
        return kinds(value).name
    except ValueError:
        return f"kind {int(value)}"


def prefers_pillow(page: TiffPage) -> bool:
    """Whether Pillow is the faster of two that are exact: at most 8 bits, of a common codec.

    Not for what is not compressed, which tifffile reads eight times as fast (12 megapixels of RGB: 16 ms, 132 ms).
    """
    plain = bits_of(page) == 8 and page.photometric in _PLAIN_COLORS and page.compression == 1
    return bits_of(page) <= 8 and page.compression in _PILLOW_CODECS and not plain


def is_exact_in_pillow(page: TiffPage) -> bool:
    """Whether Pillow keeps every bit, and the sign, of such samples, if it has a mode for them."""
    kind, bits = int(page.sampleformat), bits_of(page)
    if bits <= 8:
        return kind in (1, 4)
    if page.samplesperpixel == 1:
        return (kind, bits) in ((1, 12), (1, 16), (2, 16), (2, 32), (3, 32))
    return (kind, bits, int(page.planarconfig), int(page.photometric)) == (1, 16, 1, 2)  # RGB, unpacked twice


def needs_extra(page: TiffPage) -> bool:
    """Whether it takes imagecodecs, which is not installed, to read a page without Pillow."""
    if has_imagecodecs():
        known = page.compression in TIFF.DECOMPRESSORS and page.predictor in TIFF.UNPREDICTORS
        return not known or not has_bounds(page.compression)
    packed = bits_of(page) not in (1, 8, 16, 32, 64)
    return page.compression not in _PLAIN_CODECS or page.predictor not in (1, 2) or packed


def check_codec(page: TiffPage, name: str) -> None:
    """Raises: DataError: it takes imagecodecs to read this page, and that is not installed, or no help."""
    if needs_extra(page):
        missing = not has_imagecodecs() and page.dtype is not None and has_bounds(page.compression)
        remedy = "pip install 'srae[tiff]'" if missing else "save it with LZW or deflate compression"
        raise DataError(f"this TIFF has {describe(page)}: srae cannot unpack that", name, remedy)


def read_samples(page: TiffPage, name: str) -> np.ndarray:
    """The samples as stored, (H, W, S), in the machine's byte order.

    Raises:
        DataError: a layout that tifffile does not know, or not all of the page is there.
        Exception: what else tifffile raises on damaged files.
    """
    if page.dtype is None or page.dtype.kind not in "uifb" or page.imagedepth != 1:
        raise DataError(
            f"this TIFF has {describe(page)}", name, "convert it to 16 bits: magick in.tif -depth 16 out.png"
        )
    check_segments(page)
    samples = page.asarray(squeeze=False)  # (planes, 1, H, W, samples side by side)
    return samples[:, 0].transpose(1, 2, 0, 3).reshape(*samples.shape[2:4], -1)


@cache
def silence_libtiff() -> None:
    """Pillow's libtiff tells stderr what it also tells Pillow."""
    try:
        library = ctypes.CDLL(_imaging.__file__)  # looks in what it is linked with, too
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)
    except (OSError, AttributeError):  # linked in, as on Windows: it goes on talking
        pass
