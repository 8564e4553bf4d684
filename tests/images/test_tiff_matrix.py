"""Every layout of a TIFF, written by tifffile, read by srae, compared sample by sample."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from one_process import run_python
from srae.errors import DataError
from srae.images.decode import DecodedImage, decode

imagecodecs = pytest.importorskip("imagecodecs", reason="tifffile writes most codecs with imagecodecs")

SIZE = 37, 45  # no multiple of a tile, a strip or a byte
CODECS: dict[str, dict[str, Any]] = {
    "none": {},
    "deflate": {"compression": "zlib"},
    "deflate, differences": {"compression": "zlib", "predictor": True},
    "LZW, differences": {"compression": "lzw", "predictor": True},
    "PackBits": {"compression": "packbits"},
    "ZSTD": {"compression": "zstd"},
    "LZMA": {"compression": "lzma"},
}
LAYOUTS: dict[str, dict[str, Any]] = {"strips": {"rowsperstrip": 8}, "tiles": {"tile": (16, 32)}, "whole": {}}
CHANNELS: dict[int, dict[str, Any]] = {
    1: {"photometric": "minisblack"},
    2: {"photometric": "minisblack", "extrasamples": ["unassalpha"]},
    3: {"photometric": "rgb"},
    4: {"photometric": "rgb", "extrasamples": ["unassalpha"]},
}


def draw(dtype: str, channels: int) -> np.ndarray:
    """(H, W, C) over the whole range of integers; floats beyond [0, 1], alpha within."""
    random = np.random.default_rng(channels)
    if dtype[0] == "u":
        return random.integers(0, np.iinfo(dtype).max, (*SIZE, channels), dtype, endpoint=True)
    values = random.normal(0, 1000, (*SIZE, channels)).astype(dtype)
    if channels in (2, 4):
        values[:, :, -1] = random.random(SIZE)
    return values


def write(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    planes = np.moveaxis(pixels, 2, 0) if options.get("planarconfig") == "separate" else pixels
    tifffile.imwrite(file, planes[..., 0] if pixels.shape[2] == 1 else planes, metadata=None, **options)
    return file.getvalue()


def read(data: bytes) -> DecodedImage:
    return decode(data, "a.tif")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_every_sample_of_every_layout(codec: str, dtype: str) -> None:
    for channels, planes, layout, order, big in product(CHANNELS, (False, True), LAYOUTS, "<>", (False, True)):
        if planes and (channels == 1 or (channels, dtype) == (2, "u1")):
            continue
        pixels = draw(dtype, channels)
        options = CODECS[codec] | LAYOUTS[layout] | CHANNELS[channels]
        config = {"planarconfig": "separate" if planes else "contig"} if channels > 1 else {}
        found = read(write(pixels, **options, **config, byteorder=order, bigtiff=big))
        assert found.pixels.dtype == pixels.dtype
        assert np.array_equal(found.pixels, pixels), (channels, planes, layout, order, big)
        assert found.notes == ()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 8, 16])
def test_zero_is_white(order: str, bits: int) -> None:
    pixels = draw("u1" if bits < 16 else "u2", 2)
    if bits == 1:
        pixels = (pixels[:, :, :1] > 99).astype(np.uint8) * 255
    white = 65_535 if bits == 16 else 255
    for channels in {1, pixels.shape[2]}:
        stored = pixels[:, :, :channels].copy()
        stored[:, :, 0] = white - stored[:, :, 0]
        options = {"extrasamples": ["unassalpha"]} if channels == 2 else {}
        for planes in ("contig", "separate") if channels == 2 else (None,):
            data = write(
                stored > 0 if bits == 1 else stored,
                photometric="miniswhite", byteorder=order, planarconfig=planes, **options,
            )  # fmt: skip
            assert np.array_equal(read(data).pixels, pixels[:, :, :channels])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("photometric", [0, 1, 2])
def test_packed_samples_reach_from_black_to_white(bits: int, photometric: int, order: str) -> None:
    most, channels = 2**bits - 1, 3 if photometric == 2 else 1
    values = np.random.default_rng(bits).integers(0, most, (*SIZE, channels), np.uint16, endpoint=True)
    values[0, :2, 0] = 0, most
    stored = most - values if photometric == 0 else values
    found = read(pack_tiff(stored, bits, photometric, order)).pixels
    assert found.dtype == np.uint16
    assert np.abs(found - values / most * 65_535).max() <= 0.5


def pack_tiff(values: np.ndarray, bits: int, photometric: int, order: str) -> bytes:
    """One strip of samples without gaps, the high bit first, which tifffile does not write."""
    height, width, channels = values.shape
    text = ("".join(f"{value:0{bits}b}" for value in row) for row in values.reshape(height, -1).tolist())
    rows = -(-width * channels * bits // 8)
    strip = b"".join(int(row.ljust(8 * rows, "0"), 2).to_bytes(rows, "big") for row in text)
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: channels, 278: height}
    tags[279] = len(strip)
    strip += b"\0" * (len(strip) % 2)
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags.items())
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(strip))
    return start + strip + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "u4", "f2", "f8"])
def test_other_kinds_of_numbers_become_floats(dtype: str) -> None:
    values = np.random.default_rng(0).integers(-100, 100, (*SIZE, 3)).astype(dtype)
    found = read(write(values, photometric="rgb")).pixels
    assert found.dtype == np.float32
    assert np.array_equal(found, values.astype(np.float32))


@pytest.mark.parametrize(("dtype", "same"), [("i1", "u1"), ("i2", "u2")])
def test_signed_integers_without_a_negative_one_keep_their_depth(dtype: str, same: str) -> None:
    values = np.abs(np.random.default_rng(0).integers(-100, 100, (*SIZE, 1))).astype(dtype)
    found = read(write(values, photometric="minisblack")).pixels
    assert found.dtype == np.dtype(same)
    assert np.array_equal(found, values)


def test_what_floats_cannot_hold_is_said() -> None:
    big, small = (np.full((2, 2, 1), value, np.uint32) for value in (2**31 + 1, 7))
    assert any("24 bits" in note for note in read(write(big, photometric="minisblack")).notes)
    assert not read(write(small, photometric="minisblack")).notes
    assert read(write(small.astype(np.float64), photometric="minisblack")).notes


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_values_that_are_not_finite_are_counted(dtype: str) -> None:
    values = np.zeros((*SIZE, 1), dtype)
    values[3, 4:7, 0] = np.nan, np.inf, -np.inf
    with pytest.raises(DataError, match=rf"3 of {SIZE[0] * SIZE[1]} values are not finite"):
        read(write(values, photometric="minisblack"))


@pytest.mark.parametrize(
    ("samples", "options", "used", "notes"),
    [
        (3, {"photometric": "minisblack", "extrasamples": ["unspecified"] * 2}, [0, 1, 2], 1),  # GDAL's
        (5, {"photometric": "minisblack", "extrasamples": ["unspecified"] * 4}, [0, 1, 2], 2),
        (5, {"photometric": "rgb", "extrasamples": ["unspecified"] * 2}, [0, 1, 2], 1),
        (5, {"photometric": "rgb", "extrasamples": ["unspecified", "unassalpha"]}, [0, 1, 2, 4], 1),
        (2, {"photometric": "minisblack", "extrasamples": ["unspecified"]}, [0], 1),
        (4, {"photometric": "rgb", "extrasamples": ["unspecified"]}, [0, 1, 2], 1),
        (8, {"photometric": "rgb", "extrasamples": ["unspecified"] * 5}, [0, 1, 2], 1),
    ],
)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_extra_samples_are_left_out_and_said(
    dtype: str, samples: int, options: dict[str, Any], used: list[int], notes: int
) -> None:
    pixels = draw(dtype, samples)
    if dtype == "f4":
        pixels = np.abs(pixels) / np.abs(pixels).max()
    for planes in ("contig", "separate"):
        found = read(write(pixels, **options, planarconfig=planes))
        assert np.array_equal(found.pixels, pixels[:, :, used])
        assert len(found.notes) == notes


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("colors", [1, 3])
def test_premultiplied_colors_are_divided(dtype: str, colors: int) -> None:
    white = 1 if dtype == "f4" else np.iinfo(dtype).max
    random = np.random.default_rng(0)
    color, alpha = random.random((*SIZE, colors)), 0.25 + 0.75 * random.random((*SIZE, 1))
    stored = np.concatenate((color * alpha, alpha), axis=2) * white
    stored = stored.astype(dtype) if dtype == "f4" else (stored + 0.5).astype(dtype)
    photometric = "rgb" if colors == 3 else "minisblack"
    found = read(write(stored, photometric=photometric, extrasamples=["assocalpha"], planarconfig="contig")).pixels
    assert found.dtype == np.dtype(dtype)
    assert np.abs(found[:, :, :colors] / white - color).max() < (1e-6 if dtype == "f4" else 4.5 / white)
    assert np.abs(found[:, :, colors:] - stored[:, :, colors:]).max() == 0


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("alpha", [False, True])
def test_cmyk_without_a_profile_keeps_its_depth(dtype: str, alpha: bool) -> None:
    white = 1 if dtype == "f4" else np.iinfo(dtype).max
    ink = np.random.default_rng(0).random((*SIZE, 4 + alpha)) * white
    ink = ink.astype(dtype)
    light = 1 - ink[:, :, :4].astype(np.float64) / white
    options = {"extrasamples": ["unassalpha"]} if alpha else {}
    found = read(write(ink, photometric="separated", planarconfig="contig", **options)).pixels
    assert found.dtype == np.dtype(dtype)
    assert np.abs(found[:, :, :3] / white - light[:, :, :3] * light[:, :, 3:]).max() < (
        1e-6 if dtype == "f4" else 1.01 / white
    )
    assert np.array_equal(found[:, :, 3:], ink[:, :, 4:])


def test_a_palette_of_16_bits() -> None:
    colormap = np.random.default_rng(0).integers(0, 65_536, (3, 65_536), np.uint16)
    indices = draw("u2", 1)
    found = read(write(indices, photometric="palette", colormap=colormap)).pixels
    assert np.array_equal(found, colormap.T[indices[:, :, 0]])


@pytest.mark.parametrize("codec", ["jpegxl", "jpeg2000", "lerc", "webp", "zstd", "png"])
def test_rare_codecs(codec: str) -> None:
    pixels = draw("u1", 3)
    options = {"compressionargs": {"lossless": True}} if codec in ("webp", "jpegxl") else {}
    data = write(pixels, photometric="rgb", compression=codec, tile=(64, 64), **options)
    assert np.array_equal(read(data).pixels, pixels)


_WITHOUT = """
import sys
sys.modules["imagecodecs"] = None
from pathlib import Path
import numpy
from srae.errors import DataError
from srae.images.decode import decode
for path in sorted(Path().glob("*.tif")):
    try:
        same = numpy.array_equal(decode(path, path.name).pixels, numpy.load(path.with_suffix(".npy")))
        print(path.stem, "same" if same else "other")
    except DataError as error:
        print(path.stem, "srae[tiff]" in error.remedy)
"""


def test_without_imagecodecs_the_common_codecs_are_read_and_the_others_named(tmp_path: Path) -> None:
    wanted: dict[str, str] = {}

    def put(name: str, pixels: np.ndarray, answer: str, **options: Any) -> None:
        (tmp_path / f"{name}.tif").write_bytes(write(pixels, **options))
        np.save(tmp_path / f"{name}.npy", pixels)
        wanted[name] = answer

    for order in "<>":
        for layout in LAYOUTS:
            for dtype in ("u2", "f4"):
                options = CHANNELS[3] | LAYOUTS[layout] | {"byteorder": order}
                name = f"{dtype}_{layout}_{'be' if order == '>' else 'le'}"
                put(f"{name}_none", draw(dtype, 3), "same", **options)
                put(f"{name}_deflate", draw(dtype, 3), "same", compression="zlib", **options)
                answer = "same" if dtype == "u2" else "True"  # Pillow's libtiff; it has no mode for floats in colour
                put(f"{name}_lzw", draw(dtype, 3), answer, compression="lzw", **options)
                put(f"{name}_differences", draw(dtype, 3), answer, compression="zlib", predictor=True, **options)
    put("dem", draw("f4", 1), "same", photometric="minisblack", compression="zlib", predictor=True)
    put("signed", draw("u2", 1).astype(np.int8), "True", photometric="minisblack", compression="lzw")
    put("planes", draw("u2", 3), "True", photometric="rgb", compression="lzw", planarconfig="separate")
    for codec in ("jpegxl", "jpeg2000", "webp"):
        put(codec, draw("u1", 3), "True", photometric="rgb", compression=codec)
    with suppress(NotImplementedError):  # imagecodecs 2026.1 reads packed samples, but does not write them
        put("packed", draw("u2", 1) >> 6, "True", photometric="minisblack", bitspersample=10)
    done = run_python(_WITHOUT, cwd=tmp_path, PYTHONWARNINGS="error")
    assert done.stderr == ""
    assert dict(line.split() for line in done.stdout.splitlines()) == wanted
