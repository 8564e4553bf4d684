"""Grey that Pillow does not put right: depths between 8 and 16 bits, zero as white, a transparent grey, signs."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from srae.images.decode import decode
from srae.images.modes import to_pixels

SIZE = (3, 5)  # height, width: rows that end within a byte


def grey(bits: int) -> np.ndarray:
    """Black, white and what lies between."""
    values = np.random.default_rng(bits).integers(0, 2**bits, SIZE)
    values[0, :2] = 0, 2**bits - 1
    return values


def pack(values: np.ndarray, bits: int) -> list[bytes]:
    """Rows of samples without gaps, the high bit first."""
    length = -(-SIZE[1] * bits // 8)
    texts = ("".join(f"{value:0{bits}b}" for value in row).ljust(8 * length, "0") for row in values)
    return [int(text, 2).to_bytes(length, "big") for text in texts]


def write_tiff(values: np.ndarray, bits: int, photometric: int) -> bytes:
    """One strip, little-endian: the only order in which Pillow knows all of these."""
    strip = values.astype("<u2").tobytes() if bits == 16 else b"".join(pack(values, bits))
    strip += b"\0" * (len(strip) % 2)
    tags = {256: SIZE[1], 257: SIZE[0], 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: SIZE[0]}
    tags[279] = len(strip)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II" + struct.pack("<HI", 42, 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def write_png(values: np.ndarray, bits: int, key: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIZE[1], SIZE[0], bits, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row for row in pack(values, bits)))
    chunks = {b"IHDR": header, b"tRNS": struct.pack(">H", key), b"IDAT": rows, b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks.items())


@pytest.mark.parametrize(
    ("bits", "white_is_zero"),
    [(bits, white) for bits in (1, 4, 8, 12, 16) for white in (False, True) if (bits, white) != (12, True)],
)  # Pillow does not know 12 bits with zero as white
def test_grey_tiffs_reach_from_black_to_white_whatever_their_depth(bits: int, white_is_zero: bool) -> None:
    values, most = grey(bits), 2**bits - 1
    stored = most - values if white_is_zero else values
    found = decode(write_tiff(stored, bits, 0 if white_is_zero else 1), "a.tif").pixels[:, :, 0]
    depth = 65_535 if bits > 8 else 255
    assert np.abs(found - values / most * depth).max() <= 0.5
    assert (found[0, 0], found[0, 1]) == (0, depth)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_grey_of_a_png_is_transparent_at_every_depth(bits: int) -> None:
    values = grey(bits)
    key = int(values[0, 1])
    found = decode(write_png(values, bits, key), "a.png").pixels
    depth = 65_535 if bits == 16 else 255
    assert np.array_equal(found[:, :, 0], values * (depth // (2**bits - 1)))
    assert np.array_equal(found[:, :, 1] == 0, values == key)


def test_the_door_for_python_is_the_same() -> None:
    values = grey(16)
    with Image.open(io.BytesIO(write_tiff(65_535 - values, 16, 0))) as image:
        image.load()
        assert np.array_equal(to_pixels(image, "image")[:, :, 0], values)
