"""The pages of TIFF files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import IO

from tifffile import TiffFile, TiffFileError, TiffPage

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # classic TIFF and BigTIFF
_MOST_PAGES = 100_000  # whoever writes more of them wants readers to be busy
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType

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
        return sum(1 for _ in find_pages(tiff))


def find_pages(tiff: TiffFile) -> Iterator[tuple[int, TiffPage]]:
    """The pages that are images, each with its place in the chain of directories.

    Where all are said to be reduced or masks, the first is the image.  Damaged
    directories are passed over.
    """
    some, seen = False, set()
    for index in range(_MOST_PAGES):
        try:
            page = tiff.pages.get(index)
        except IndexError:
            break
        except TiffFileError:
            continue
        assert isinstance(page, TiffPage)
        if page.offset in seen:  # a chain that never ends
            break
        seen.add(page.offset)
        if page.subfiletype & (_REDUCED | _MASK) == 0:
            some = True
            yield index, page
    if not some:
        yield 0, tiff.pages.first
