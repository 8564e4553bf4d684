"""Strips and tiles of a TIFF, looked at before they are unpacked: all there, and none larger than it should be."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

from PIL import Image
from tifffile import TIFF, TiffPage

from srae.images.headers import read_jpeg2000, read_jxl
from srae.images.modes import pillow_quiet

_MOST_INFLATED = 2**28  # bytes that a strip may become unseen
_HIGHEST_RATIO = 1032  # of deflate


def _read_lerc(data: bytes) -> tuple[int, int]:
    """Of Lerc2, as Esri's `Lerc2.cpp` writes it."""
    magic, version = struct.unpack_from("<6si", data)
    if magic != b"Lerc2 ":
        raise ValueError("no LERC in a strip")
    height, width = struct.unpack_from("<ii", data, 10 if version < 3 else 14)
    return width, height


def _read_by_pillow(data: bytes) -> tuple[int, int]:
    with pillow_quiet():  # the caller has the limit
        return Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")).size


def _read_jxl(data: bytes) -> tuple[int, int]:
    header = read_jxl(data)
    return header.width, header.height


def _read_jpeg2000(data: bytes) -> tuple[int, int]:
    header = read_jpeg2000(data)
    return header.width, header.height


_HEADERS: dict[int, Callable[[bytes], tuple[int, int]]] = {
    **dict.fromkeys((7, 34_933, 50_001), _read_by_pillow),  # JPEG, PNG, WebP
    **dict.fromkeys((33_003, 33_004, 33_005, 34_712), _read_jpeg2000),
    **dict.fromkeys((50_002, 52_546), _read_jxl),
    34_887: _read_lerc,
}
"""Codecs whose segments state their own width and height."""


@cache
def has_imagecodecs() -> bool:
    """Whether the extra that unpacks the rarer codecs is installed."""
    return find_spec("imagecodecs") is not None


def has_bounds(compression: int) -> bool:
    """Whether a codec unpacks no more than it is asked for, or says beforehand how much it will."""
    return compression in _HEADERS or compression not in TIFF.IMAGE_COMPRESSIONS


def check_segments(page: TiffPage) -> None:
    """Raises: ValueError, or what readers of headers raise: the file is cut off, or a segment is too large."""
    file, read_header = page.parent.filehandle, _HEADERS.get(page.compression)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if not segments or any(offset + count > file.size for offset, count in segments):
        raise ValueError("the file ends before its pixels do")
    inflated = page.compression != 1 and not has_imagecodecs()  # which keeps to bounds
    width = page.tilewidth if page.is_tiled else page.imagewidth
    height = page.tilelength if page.is_tiled else page.rowsperstrip
    for offset, count in segments:
        if not count or not (read_header or (inflated and count * _HIGHEST_RATIO > _MOST_INFLATED)):
            continue
        file.seek(offset)
        data = file.read(count)
        if read_header is None:
            _check_inflated(data, page.nbytes)
            continue
        stated = read_header(data)
        if stated[0] * stated[1] > height * width:
            raise ValueError(f"a strip of {stated[0]}x{stated[1]} where {width}x{height} belongs")


def _check_inflated(data: bytes, most: int) -> None:
    unpacker, size = zlib.decompressobj(), 0
    while data:
        size += len(unpacker.decompress(data, 2**22))
        if size > most:
            raise ValueError("a strip unpacks to more than it should")
        data = unpacker.unconsumed_tail
