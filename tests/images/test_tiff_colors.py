"""Colour spaces of TIFFs that are not RGB: CMYK through its profile, Lab, YCbCr; the same from Python."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from srae.images.decode import decode
from srae.images.modes import to_pixels

INK = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8)  # paper, cyan, black


def write(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    return file.getvalue()


def ink_profile() -> bytes:
    """ICC profile of a press whose inks are all black: paper is white, any full ink is black."""
    same = bytes(range(256))
    corners = b"".join(bytes((255 if corner == 0 else 0, 128, 128)) for corner in range(16))  # Lab
    identity = struct.pack(">9i", *(65_536 * (place % 4 == 0) for place in range(9)))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + 4 * same + corners + 3 * same
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(table))
    white = struct.pack(">3i", *(round(value * 65_536) for value in (0.9642, 1, 0.8249)))
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x", 144 + len(table), 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp", white
    )
    return header + tags + table


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
def test_cmyk_goes_through_its_profile(bits: int, alpha: bool) -> None:
    pixels = np.concatenate((INK, np.full((1, 3, 1), 99, np.uint8)), axis=2) if alpha else INK
    pixels = pixels if bits == 8 else pixels.astype(np.uint16) * 257
    options = {"extrasamples": [2], "planarconfig": "contig"} if alpha else {}
    data = write(pixels, photometric="separated", iccprofile=ink_profile(), **options)
    found = decode(data, "a.tif")
    assert found.pixels.dtype == np.uint8
    assert found.pixels[0, :, :3].tolist() == [[255] * 3, [0] * 3, [0] * 3]
    assert found.pixels[0, :, 3:].ravel().tolist() == [99] * 3 * alpha
    assert found.tags.icc is None
    assert len(found.notes) == (bits == 16)


def test_cmyk_of_pillow_goes_through_the_same_profile() -> None:
    image = Image.fromarray(INK.repeat(3, 0), "CMYK")
    assert to_pixels(image, "image")[0, 1].tolist() == [0, 255, 255]
    image.info["icc_profile"] = ink_profile()
    assert to_pixels(image, "image")[0].tolist() == [[255] * 3, [0] * 3, [0] * 3]


@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab_is_converted_under_d50(photometric: str, bits: int) -> None:
    lab = np.array(
        [[[100, 0, 0], [54.3, 80.8, 69.9], [87.8, -79.3, 81.0], [29.6, 68.3, -112.0], [53.6, 0, 0], [0, 0, 0]]]
    )
    wanted = [[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128], [0, 0, 0]]
    most = 65_280 if (photometric, bits) == ("icclab", 16) else 2**bits - 1
    stored = np.round(lab * (1 if bits == 8 else 256))
    stored[:, :, 0] = np.round(lab[:, :, 0] / 100 * most)
    stored[:, :, 1:] += 0 if photometric == "cielab" else 2 ** (bits - 1)
    data = write(stored.astype(np.int64).astype(np.uint8 if bits == 8 else np.uint16), photometric=photometric)
    found = decode(data, "a.tif").pixels[0] / (2**bits - 1) * 255
    assert np.abs(found[[0, 5]] - np.array(wanted)[[0, 5]]).max() == 0
    assert np.abs(found - wanted).max() <= (16 if bits == 8 else 1.5), "what its bits can tell"


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_ycbcr(compression: str | None) -> None:
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)).resize((64, 48))
    file = io.BytesIO()
    smooth.convert("YCbCr").save(file, "TIFF", compression=compression)
    assert np.abs(decode(file.getvalue(), "a.tif").pixels.astype(int) - np.asarray(smooth)).max() <= 3


def test_ycbcr_with_colours_at_half_the_size() -> None:
    """Not compressed: rows of 2x2 luma, Cb, Cr."""
    color, width, height = (200, 90, 40), 6, 4
    ycc = Image.new("RGB", (1, 1), color).convert("YCbCr").getpixel((0, 0))
    assert isinstance(ycc, tuple)
    strip = bytes((ycc[0],) * 4 + ycc[1:]) * (width * height // 4)
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 6, 273: 8, 277: 3, 278: height, 279: len(strip), 530: 0x20002}
    entries = b"".join(
        struct.pack("<HHII", tag, 3 if tag == 530 else 4, 1 + (tag == 530), value) for tag, value in tags.items()
    )
    data = b"II" + struct.pack("<HI", 42, 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)
    found = decode(data, "a.tif").pixels
    assert found.shape == (height, width, 3)
    assert np.abs(found.astype(int) - color).max() <= 2
