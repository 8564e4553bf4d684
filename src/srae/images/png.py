"""PNG, third edition (W3C 2025), 8 and 16 bits, with what belongs to the image.

A PNG is one stream of zlib, but nothing says that one search made all of it.
Every band of rows is filtered and packed by itself, by several threads, and in
the way that suits it: in photographs there is nothing to find but short runs,
and looking for no more takes a tenth of the time and gives smaller files.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, NamedTuple

import numpy as np

from srae.images.bands import bands, in_order
from srae.images.tags import Tags

_SAMPLE = 2**14  # bytes, from four places of a band


def write_png(file: BinaryIO, pixels: np.ndarray, tags: Tags) -> None:
    """uint8 or uint16 (H, W, 1..4)."""
    height, width, channels = pixels.shape
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    file.write(b"\x89PNG\r\n\x1a\n")
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, color_type, 0, 0, 0)
    _write_chunk(file, b"IHDR", header)
    if tags.icc:
        _write_chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(tags.icc))
    if tags.dpi:
        per_metre = (min(round(value / 0.0254), 2**31 - 1) for value in tags.dpi)
        _write_chunk(file, b"pHYs", struct.pack(">IIB", *per_metre, 1))
    if tags.exif:
        _write_chunk(file, b"eXIf", tags.exif.removeprefix(b"Exif\0\0"))
    packed, check = b"\x78\x9c", 1  # the header of zlib (RFC 1950), and its Adler-32 of nothing
    for band in in_order(lambda rows: _pack_band(pixels, rows), bands(pixels)):
        check = zlib.adler32(band.data, check)
        _write_chunk(file, b"IDAT", packed + band.packed)
        packed = b""
    _write_chunk(file, b"IDAT", b"\x03\x00" + struct.pack(">I", check))  # an empty last block
    _write_chunk(file, b"IEND", b"")


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


class _Band(NamedTuple):
    data: memoryview
    packed: bytes


def _pack_band(pixels: np.ndarray, rows: slice) -> _Band:
    width, depth = pixels.shape[1] * pixels.shape[2], pixels.dtype.itemsize
    first = max(rows.start - 1, 0)
    raw = np.ascontiguousarray(pixels[first : rows.stop], ">u2" if depth == 2 else np.uint8)
    raw = raw.reshape(len(raw), width).view(np.uint8)
    above = raw[0] if rows.start else np.zeros(width * depth, np.uint8)
    data = _filter_rows(raw[rows.start - first :], above, pixels.shape[2] * depth).reshape(-1).data
    return _Band(data, _deflate(data))


def _deflate(data: memoryview) -> bytes:
    """Blocks of deflate that refer to nothing before them; by runs alone where a sample says that is not larger."""
    step = max(len(data) // 4, 1)
    sample = b"".join(data[start : start + _SAMPLE] for start in range(0, len(data), step))
    runs, search = (_pack(sample, strategy) for strategy in (zlib.Z_RLE, zlib.Z_DEFAULT_STRATEGY))
    return _pack(data, zlib.Z_RLE if len(runs) <= len(search) else zlib.Z_DEFAULT_STRATEGY)


def _pack(data: bytes | memoryview, strategy: int) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, 9, strategy)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


def _filter_rows(rows: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """uint8 (H, bytes) -> (H, 1 + bytes), the first byte names the row's filter: whose differences are smallest in sum.

    Args:
        above: the row before the first.
        step: bytes of a pixel.
    """
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    up = np.concatenate((above[None], rows[:-1]))
    corner = np.zeros_like(rows)
    corner[:, step:] = up[:, :-step]
    best = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    smallest = np.full(len(rows), np.iinfo(np.int64).max)
    for number, guess in ((0, 0), (1, left), (2, up), (4, _paeth(left, up, corner))):
        rest = rows - guess
        size = np.abs(rest.view(np.int8).astype(np.int16)).sum(1, dtype=np.int64)
        better = size < smallest
        best[better, 0], best[better, 1:] = number, rest[better]
        smallest = np.minimum(size, smallest)
    return best


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Whichever of the three is nearest to left + up - corner."""
    to_left = up.astype(np.int16) - corner
    to_up = left.astype(np.int16) - corner
    to_corner = np.abs(to_left + to_up)
    to_left, to_up = np.abs(to_left), np.abs(to_up)
    near = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, near)
