"""What the first bytes of a file say about its samples, where no library tells before it decodes the image."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_JXL_CODESTREAM = b"\xff\x0a"
_JXL_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_JPEG2000_CODESTREAM = b"\xff\x4f\xff\x51"


class Header(NamedTuple):
    """What a file says of its pixels.

    Attributes:
        bits: of a sample, the most of any channel; more than 8 also for integers with a sign.
        animated: whether there may be several frames.
        colors: 1 for grey, 3 for colour (or where the header does not tell), alpha not counted; of a file with samples
            that are neither colour nor alpha, the number of all its samples.
    """

    height: int
    width: int
    bits: int
    animated: bool = False
    colors: int = 3


# ------------------------------------------------------------------------- JPEG XL, ISO/IEC 18181


class _Bits:
    """Numbers out of bytes, the least significant bit first."""

    def __init__(self, data: bytes) -> None:
        self._number, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """Raises: ValueError at the end of the bytes."""
        if count > self._left:
            raise ValueError("the header ends too early")
        value = self._number & ((1 << count) - 1)
        self._number >>= count
        self._left -= count
        return value

    def choose(self, *ways: tuple[int, int]) -> int:
        """Two bits choose one of four (offset, bits that follow)."""
        offset, count = ways[self.take(2)]
        return offset + self.take(count)


def read_jxl(data: bytes) -> Header:
    """Of a JPEG XL file, bare or in its container.

    Raises:
        ValueError: no such header.
    """
    bits = _Bits(_jxl_codestream(data)[2:200])
    height, width = _jxl_size(bits)
    if bits.take(1):  # all default
        return Header(height, width, 8)
    turned = animated = False
    if bits.take(1):  # extra fields
        turned = bits.take(3) > 3
        if bits.take(1):
            _jxl_size(bits)
        if bits.take(1):
            _skip_jxl_preview(bits)
        animated = bool(bits.take(1))
        if animated:
            _skip_jxl_animation(bits)
    if bits.take(1):
        depth = bits.choose((32, 0), (16, 0), (24, 0), (1, 6))
    else:
        depth = bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    return Header(*((width, height) if turned else (height, width)), depth, animated)


def _jxl_codestream(data: bytes) -> bytes:
    if data.startswith(_JXL_CODESTREAM):
        return data
    for kind, start, end in boxes(data):
        body = data[start:end] if kind == b"jxlc" else data[start + 4 : end] if kind == b"jxlp" else b""
        if body.startswith(_JXL_CODESTREAM):
            return body
    raise ValueError("no image in the file")


def _jxl_size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)
    height = _jxl_side(bits, small)
    ratio = bits.take(3)
    if not ratio:
        return height, _jxl_side(bits, small)
    across, down = _JXL_RATIOS[ratio]
    return height, height * across // down


def _jxl_side(bits: _Bits, small: int) -> int:
    return 8 * (bits.take(5) + 1) if small else bits.choose((1, 9), (1, 13), (1, 18), (1, 30))


def _skip_jxl_preview(bits: _Bits) -> None:
    ways = ((16, 0), (32, 0), (1, 5), (33, 9)) if bits.take(1) else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.choose(*ways)
    if not bits.take(3):
        bits.choose(*ways)


def _skip_jxl_animation(bits: _Bits) -> None:
    bits.choose((100, 0), (1000, 0), (1, 10), (1, 30))
    bits.choose((1, 0), (1001, 0), (1, 8), (1, 10))
    bits.choose((0, 0), (0, 3), (0, 16), (0, 32))
    bits.take(1)


# --------------------------------------------------------- boxes: JPEG XL, JPEG 2000, AVIF, HEIF


def boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of every outer box of a file in the ISO base media format."""
    place = 0
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if length == 1 and start + 8 <= len(data):
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = place + length if length else len(data)
        if end < start:
            return
        yield kind, start, min(end, len(data))
        place = end


def read_jpeg2000(data: bytes) -> Header:
    """Of a JPEG 2000 file, bare or in its container.

    Raises:
        ValueError: no such header.
    """
    start = data.find(_JPEG2000_CODESTREAM)
    if start < 0 or start + 42 > len(data):
        raise ValueError("no image in the file")
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    (channels,) = struct.unpack_from(">H", data, start + 40)
    depths = [1 + (byte & 127) for byte in data[start + 42 : start + 42 + 3 * channels : 3]]
    return Header(bottom - top, right - left, max(depths, default=8))


def avif_bits(data: bytes) -> int:
    """8, 10 or 12: the most of the images in the file, as the configuration of their decoder says."""
    most, place = 8, data.find(b"av1C\x81")
    while place >= 0 and place + 7 <= len(data):
        flags = data[place + 6]
        if flags & 0x40:
            most = max(most, 12 if flags & 0x20 else 10)
        place = data.find(b"av1C\x81", place + 1)
    return most


def color_codes(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of an AVIF or HEIF file as in ITU-T H.273; None where it states none."""
    place = data.find(b"colrnclx")
    if place < 0 or place + 12 > len(data):
        return None
    primaries, transfer = struct.unpack_from(">2H", data, place + 8)
    return primaries, transfer
