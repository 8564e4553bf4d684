"""PNG, third edition (W3C 2025), 8 and 16 bits, with what belongs to the image.

A PNG is one stream of zlib, but nothing says that one search made all of it:
every band of rows is filtered and packed by itself, by several threads.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, NamedTuple

import numpy as np

from srae.images.bands import bands, in_order
from srae.images.deflate import deflate_blocks
from srae.images.png_chunks import SIGNATURE, metadata_chunks
from srae.images.tags import Tags


def write_png(file: BinaryIO, pixels: np.ndarray, tags: Tags) -> None:
    """uint8 or uint16 (H, W, 1..4); tags from `metadata.fit_tags`."""
    height, width, channels = pixels.shape
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    file.write(SIGNATURE)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, color_type, 0, 0, 0)
    _write_chunk(file, b"IHDR", header)
    for kind, data in metadata_chunks(tags):
        _write_chunk(file, kind, data)
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
    return _Band(data, deflate_blocks(data))


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
