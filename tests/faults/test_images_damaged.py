"""F15 to F22: whatever an image file holds, it is read right or refused, and nothing crashes."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from conftest import LONG, Run
from one_process import PEAK, Done, assert_told, run_all, run_python
from srae.checkpoints.format import save_checkpoint
from srae.cli import main
from srae.config.loading import parse_config
from srae.errors import DataError
from srae.images.decode import decode
from srae.images.image import TaggedImage, read_image, read_pixels, write_image
from srae.models import MODELS, build_model
from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels
from toys import as_network

# A start of torch takes seconds, on a busy machine a minute; the long tier takes its time.
pytestmark = pytest.mark.timeout(1800 if LONG else 300)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def big_png(width: int, height: int, *, rows: int | None = None, extra: bytes = b"") -> bytes:
    """A PNG of one grey: small on disk, huge decoded; with fewer `rows` than its header says."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(width + 1)) for _ in range(height if rows is None else rows))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
    return start + chunk(b"IDAT", body + packer.flush()) + chunk(b"IEND", b"")


def save_same(folder: Path) -> Path:
    """A run whose network returns its input: what goes in must come out, in every mode."""
    config = parse_config("model: {name: identity}\ndata: {folder: somewhere}", "test")
    shapes = {"in_shape": (3, 8, 8), "out_shape": (3, 8, 8)}
    (folder / "runs" / "same").mkdir(parents=True)
    meta = {"config": config.model_dump(mode="json"), **shapes, "data": {"name": "test"}}
    save_checkpoint(folder / "runs" / "same" / "model.safetensors", {"none": torch.zeros(1)}, meta, None)
    (folder / "runs" / "same" / "config.yaml").write_text("model: {name: identity}\n")
    return folder


# ------------------------------------------------------------------------ F15: fuzz

_FUZZ = """
import io, random, sys
import imagecodecs, pillow_heif, pillow_jxl, tifffile
import numpy as np
from PIL import Image
from srae.images.encode import encode
from srae.errors import DataError
from srae.images.image import read_pixels

truncations, flips, others = map(int, sys.argv[1:])
noise = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
smooth = Image.fromarray(noise).resize((12, 12)).resize((24, 24), Image.Resampling.BICUBIC)
KINDS = {
    "PNG": {}, "JPEG": {}, "WEBP": {}, "BMP": {}, "TIFF": {},
    "PNG-16": None, "TIFF-16": None,
    "JPEG-progressive": {"progressive": True, "exif": b"Exif\\0\\0MM\\0*\\0\\0\\0\\x08\\0\\0\\0\\0\\0\\0"},
    "WEBP-lossless": {"lossless": True}, "TIFF-lzw": {"compression": "tiff_lzw"},
    "TIFF-jpeg": {"compression": "jpeg"}, "PNG-palette": {"palette": True},
    "AVIF": {}, "JXL": {}, "JXL-boxes": {"use_container": True, "lossless": True}, "HEIF": {},
    "HEIF-10": ..., "AVIF-10": ...,
    "JPEG2000": {}, "JPEG2000-16": ..., "JXL-16": ..., "TGA": {}, "PPM": {}, "PPM-16": ..., "GIF": {},
}
TIFFS = {  # of layouts that Pillow has no mode for
    "float": {"dtype": "f4", "photometric": "rgb"},
    "float-differences": {"dtype": "f4", "photometric": "rgb", "compression": "zlib", "predictor": True},
    "planes": {"dtype": "u2", "photometric": "rgb", "planarconfig": "separate", "compression": "zlib"},
    "bands": {"channels": 5, "photometric": "rgb", "extrasamples": [0, 0], "compression": "packbits"},
    "big": {"dtype": "u2", "photometric": "rgb", "compression": "lzw", "bigtiff": True, "tile": (16, 16)},
    "cmyka": {"channels": 5, "photometric": "separated", "extrasamples": [2], "planarconfig": "contig"},
    "jxl": {"photometric": "rgb", "compression": "jpegxl"},
    "jp2": {"photometric": "rgb", "compression": "jpeg2000", "tile": (16, 16)},
    "lerc": {"photometric": "rgb", "compression": "lerc"},
}
KINDS |= {"TIFF-" + kind: ... for kind in TIFFS}
pillow_heif.register_heif_opener()
deep = noise.astype(np.uint16) * 257

def save_deep(kind, file):
    # More than 8 bits, by the library that can write them.
    if kind == "HEIF-10":
        return pillow_heif.encode("RGB;16", (24, 24), deep.tobytes(), file)
    if kind.startswith("TIFF-"):
        options = TIFFS[kind.removeprefix("TIFF-")]
        pixels = np.resize(noise, (24, 24, options.pop("channels", 3))).astype(options.pop("dtype", "u1"))
        pixels = pixels / np.float32(256) if pixels.dtype.kind == "f" else pixels
        planes = np.moveaxis(pixels, 2, 0) if options.get("planarconfig") == "separate" else pixels
        return tifffile.imwrite(file, planes, metadata=None, **options)
    file.write({
        "AVIF-10": lambda: imagecodecs.avif_encode(deep >> 6, bitspersample=10),
        "JXL-16": lambda: imagecodecs.jpegxl_encode(deep, lossless=True),
        "JPEG2000-16": lambda: imagecodecs.jpeg2k_encode(deep, level=0),
        "PPM-16": lambda: b"P6 24 24 65535\\n" + deep.astype(">u2").tobytes(),
    }[kind]())

def damaged(whole, draw, number):
    data = bytearray(whole)
    if number < flips:  # one bit; half of them in the header
        bit = draw.randrange(8 * (len(data) if number % 2 else min(len(data), 64)))
        data[bit // 8] ^= 1 << bit % 8
        return bytes(data)
    start = draw.randrange(len(data))
    length = draw.choice((1, 2, 4, 4, 16, 100))
    how = draw.randrange(4)
    if how == 0:  # random bytes in place
        data[start : start + length] = draw.randbytes(length)
    elif how == 1:  # numbers as large or small as they can be
        data[start : start + 4] = draw.choice((b"\\0\\0\\0\\0", b"\\xff\\xff\\xff\\xff", b"\\x7f\\xff\\xff\\xff"))
    elif how == 2:  # a piece is missing
        del data[start : start + length]
    else:  # a piece comes twice
        data[start:start] = data[max(0, start - length) : start]
    return bytes(data)

for kind, options in KINDS.items():
    print(kind, end=" ", flush=True)
    file = io.BytesIO()
    if options is ...:
        save_deep(kind, file)
    elif options is None:
        encode(file, kind.split("-")[0], noise.astype(np.uint16) * 257)
    else:
        image = smooth.quantize(40) if options.pop("palette", False) else Image.fromarray(noise)
        image.save(file, format=kind.split("-")[0], **options)
    whole, draw, refused = file.getvalue(), random.Random(2), 0
    name = "a." + kind.split("-")[0].lower()
    wanted = read_pixels(whole, "RGB", name=name)
    for i in range(truncations):
        try:
            half = read_pixels(whole[: i * len(whole) // truncations], "RGB", name=name)
            assert np.array_equal(half, wanted), "half an image"
        except DataError:
            refused += 1
    print(refused, end=" ", flush=True)
    for i in range(flips + others):
        try:
            read_pixels(damaged(whole, draw, i), "RGB", name=name, max_pixels=10**6)
        except DataError as error:
            refused += 1
            lines = str(error).splitlines()
            assert len(lines) == 3 and all(len(line) < 300 for line in lines), lines
    print(refused, truncations + flips + others, flush=True)
print("peak", int(peak_mb()), 0, 0)
"""


def test_f15_mutated_files_never_crash_the_reader() -> None:
    """Every format, cut off and damaged, in a child: a decoder that crashes must be a failed test."""
    counts = (200, 800, 1000) if LONG else (30, 120, 0)
    done = run_python(PEAK + _FUZZ, *counts, timeout=1700, PYTHONWARNINGS="error")
    assert "Traceback" not in done.stderr
    assert "TIFF" not in done.stderr  # libtiff and tifffile keep silent
    *lines, (_, peak, _, _) = (line.split() for line in done.stdout.splitlines())
    print(f"{sum(int(line[3]) for line in lines):,} mutated files, 0 crashes; peak {peak} MB")
    assert len(lines) == 34
    for kind, cut, refused, count in lines:
        assert int(cut) > 0.95 * counts[0], f"{kind}: only what lacks nothing but its last bytes is read"
        assert int(cut) <= int(refused) < int(count) == sum(counts), kind
    assert int(peak) < 1000


def test_f15_a_tiff_that_never_ends(tmp_path: Path) -> None:
    """Its directory names itself as the next page."""
    file = io.BytesIO()
    Image.fromarray(noise(8, 8)).save(file, format="TIFF")
    data = bytearray(file.getvalue())
    (first,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[first : first + 2])
    data[first + 2 + 12 * count : first + 6 + 12 * count] = struct.pack("<I", first)
    assert read_pixels(bytes(data), "RGB").shape == (8, 8, 3)


# ------------------------------------------------- F15, F16, F18, F20: one folder of it all

GOOD = ("8.png", "9.png", "10.png", "11.png")
BAD = {
    "0.png": ("half of it is missing", "damaged image"),
    "1.png": ("one bit is flipped", "damaged image"),
    "2.png": ("zero bytes", "the file is empty"),
    "3.png": ("text", "not an image srae can read"),
    "4.png": ("broken link", "No such file"),
    "5.png": ("animation", "3 frames or pages in one file"),
    "6.png": ("bomb of 225 megapixels", "15000x15000 is more than 178000000 pixels"),
    "7.png": ("header of 65535x65535", "65535x65535 is more than 178000000 pixels"),
}


def spoil(folder: Path) -> None:
    """The first eight images of a folder become what `BAD` says; three entries are no images at all."""
    whole = (folder / "0.png").read_bytes()
    (folder / "0.png").write_bytes(whole[: len(whole) // 2])
    flipped = bytearray((folder / "1.png").read_bytes())
    flipped[len(flipped) // 2] ^= 4
    (folder / "1.png").write_bytes(flipped)
    (folder / "2.png").write_bytes(b"")
    (folder / "3.png").write_text("hello")
    (folder / "4.png").unlink()
    (folder / "4.png").symlink_to("nowhere.png")
    frames = [Image.fromarray(noise(16, 16, seed=seed)) for seed in range(3)]
    frames[0].save(folder / "5.png", save_all=True, append_images=frames[1:])
    (folder / "6.png").write_bytes(big_png(15_000, 15_000))
    assert (folder / "6.png").stat().st_size < 300_000
    (folder / "7.png").write_bytes(big_png(65_535, 65_535, rows=1))
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "notes.txt").write_text("x")
    (folder / "folder.png").mkdir()


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """What every command says about a folder in which the first eight of twelve images are spoilt."""
    folder = save_same(tmp_path_factory.mktemp("spoilt"))
    for split, count in (("train", 12), ("val", 2)):
        for side in ("low_res", "high_res"):
            (folder / "data" / split / side).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(noise(16, 16, seed=i)).save(folder / "data" / split / side / f"{i}.png")
    low = folder / "data" / "train" / "low_res"
    spoil(low)
    (folder / "a.yaml").write_text("model: {name: identity}\ndata: {folder: data}\n")
    upscale = ["upscale", "--model", "same", "--device", "cpu"]
    commands = {
        "good": [*upscale, low / "9.png", "-o", "good.png"],
        "train": ["train", "--config", "a.yaml", "--device", "cpu"],
        "check": ["data", "check", "data"],
        "all": [*upscale, low, "-o", "out"],
        **{f"alone {name}": [*upscale, low / name, "-o", "alone.png"] for name in BAD},
        "frame": [*upscale, low / "5.png", "-o", "frame.png", "--frame", "2"],
        "limit": [*upscale, low / "9.png", "-o", "limit.png", "--max-pixels", "255"],
    }
    done = run_all(list(commands.values()), folder)
    return folder, dict(zip(commands, done, strict=True))


def test_f15_f16_training_refuses_to_start_and_lists_them_all(spoilt: tuple[Path, dict[str, Done]]) -> None:
    folder, told = spoilt
    assert_told(told["train"], 3, "8 problems in data", "`srae data check data` lists all")
    for name, (_, what) in BAD.items():
        (line,) = (line for line in told["train"].err.splitlines() if line.startswith(f"train: train/low_res/{name}: "))
        assert what in line
    assert not any(f"/{name}" in told["train"].err for name in GOOD)
    assert os.listdir(folder / "runs") == ["same"], "no run was made"


def test_f16_what_is_no_image_is_passed_over_with_a_count(spoilt: tuple[Path, dict[str, Done]]) -> None:
    _, told = spoilt
    assert_told(told["check"], 3, "2 entries that are no images", "NOT usable: 8 problems", quiet=False)
    assert_told(told["all"], 4, "2 entries passed over, they are no images", "1 folders left out", quiet=False)


def test_f15_f16_upscaling_goes_on_with_the_rest(spoilt: tuple[Path, dict[str, Done]]) -> None:
    folder, told = spoilt
    assert_told(told["all"], 4, "8 of 12 images failed", quiet=False)
    for name, (_, what) in BAD.items():
        assert f"low_res/{name}: " in told["all"].err and what in told["all"].err
        assert_told(told[f"alone {name}"], 3, what)
    assert sorted(os.listdir(folder / "out")) == sorted(name.replace(".png", "_x1.png") for name in GOOD)
    for name in GOOD:
        wanted = read_image(folder / "data" / "train" / "low_res" / name).pixels
        assert np.array_equal(read_image(folder / "out" / name.replace(".png", "_x1.png")).pixels, wanted)
    assert not (folder / "alone.png").exists()


def test_f18_an_animation_needs_its_frame_named(spoilt: tuple[Path, dict[str, Done]]) -> None:
    folder, told = spoilt
    assert_told(told["alone 5.png"], 3, "--frame")
    assert told["frame"].code == 0, told["frame"].err
    assert np.array_equal(read_image(folder / "frame.png").pixels, noise(16, 16, seed=2))


def test_f20_bombs_are_refused_from_the_header(spoilt: tuple[Path, dict[str, Done]]) -> None:
    _, told = spoilt
    before = told["good"].peak_mb
    for name, side in (("6.png", 15_000), ("7.png", 65_535)):
        bomb = told[f"alone {name}"]
        assert_told(bomb, 3, f"--max-pixels {side**2}")
        assert bomb.cpu_seconds < 1
        assert bomb.peak_mb - before < 50, "from one good image to the last bomb, training and batch included"
    assert_told(told["limit"], 3, "16x16 is more than 255 pixels", "--max-pixels 256")


def test_f20_bombs_that_lie_in_other_chunks(tmp_path: Path) -> None:
    """A profile or a text of a gigabyte in a megabyte: refused or left out, never unpacked."""
    packed = zlib.compress(bytes(200_000_000), 9)
    for kind, data in ((b"iCCP", b"p\0\0" + packed), (b"zTXt", b"c\0\0" + packed), (b"iTXt", b"c\0\1\0\0\0" + packed)):
        (tmp_path / "a.png").write_bytes(big_png(9, 9, extra=chunk(kind, data)))
        done = run_python(f"from pathlib import Path; from srae.errors import DataError\n{PEAK}{_LOOK}", cwd=tmp_path)
        grown, shape = done.stdout.split(maxsplit=1)
        assert int(grown) < 50
        assert shape.strip() in ("refused", "(9, 9, 1)")


_LOOK = """
from srae.images.decode import decode
import numpy
start = peak_mb()
try:
    what = decode(Path("a.png"), "a.png").pixels.shape
except DataError:
    what = "refused"
print(int(peak_mb() - start), what)
"""


def test_f20_the_pixel_limit_is_ours_not_pillows(tmp_path: Path) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    (tmp_path / "a.png").write_bytes(big_png(10_000, 9_500))  # Pillow would warn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_pixels(tmp_path / "a.png", "L").shape == (9_500, 10_000, 1)
    (tmp_path / "b.png").write_bytes(big_png(10, 10))
    with pytest.raises(DataError, match="10x10 is more than 99 pixels"):
        read_image(tmp_path / "b.png", max_pixels=99)
    assert read_image(tmp_path / "b.png", max_pixels=100).color.shape == (1, 10, 10)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_f16_no_format_but_those_of_the_table_is_opened(tmp_path: Path) -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    for content in (b"", b"hello, this is text\n" * 50, bytes(1000), postscript, b"8BPS\0\1" + bytes(100)):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_image(tmp_path / "a.png")
        assert caught.value.where == str(tmp_path / "a.png")
        assert len(str(caught.value).splitlines()) == 3
    with pytest.raises(DataError, match="directory"):
        read_image(tmp_path)


# ---------------------------------------------------------------- F17: what a file may be


@pytest.fixture
def same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``same("a.png", ...)``: through `srae upscale` with a network that returns its input; the result's path."""
    save_same(tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(name: str, *options: str, output: str = "") -> Path:
        target = output or f"{Path(name).stem}_out{Path(name).suffix}"
        command = ["upscale", name, "-o", target, "--model", "same", "--device", "cpu", *options]
        assert main(command) == 0
        return tmp_path / target

    return run


def _modes() -> dict[str, tuple[str, Image.Image, dict[str, Any], np.ndarray]]:
    """Mode -> file, image, options to save it, and the pixels that must come out (H, W, C)."""
    color, grey, clear = noise(7, 5), noise(7, 5, 1), noise(7, 5, 4)
    palette = Image.fromarray(color).quantize(8)
    bits = Image.fromarray(grey).convert("1", dither=Image.Dither.NONE)
    inks = np.zeros((7, 5, 4), np.uint8)
    inks[:, :, 1:3] = 255
    shown = np.asarray(palette.convert("RGB"))
    hidden = np.where(np.asarray(palette) == 3, 0, 255).astype(np.uint8)[:, :, None]
    deep = np.random.default_rng(1).integers(0, 65_536, (7, 5), dtype=np.uint16)
    deep[0, :3] = 0, 300, 65_535
    return {
        "CMYK": ("a.tif", Image.fromarray(inks, "CMYK"), {}, np.full((7, 5, 3), (255, 0, 0), np.uint8)),
        "P": ("a.png", palette, {}, shown),
        "P+transparency": ("a.png", palette, {"transparency": 3}, np.concatenate((shown, hidden), 2)),
        "1": ("a.png", bits, {}, np.where(grey > 127, 255, 0).astype(np.uint8)[:, :, None]),
        "L": ("a.png", Image.fromarray(grey), {}, grey[:, :, None]),
        "LA": ("a.png", Image.fromarray(clear[:, :, :2].copy()), {}, clear[:, :, :2]),
        "RGB": ("a.bmp", Image.fromarray(color), {}, color),
        "RGBA": ("a.webp", Image.fromarray(clear), {"lossless": True, "exact": True}, clear),
        "I;16": ("a.png", Image.fromarray(deep), {}, deep[:, :, None]),
        "I;16 TIFF": ("a.tif", Image.fromarray(deep), {}, deep[:, :, None]),
    }


@pytest.mark.parametrize("mode", _modes())
def test_f17_colours_come_out_as_they_went_in(mode: str, same: Callable[..., Path]) -> None:
    name, image, options, wanted = _modes()[mode]
    image.save(name, **options)
    found = read_image(same(name)).pixels
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype), "L stays L, 16 bits stay 16 bits"
    opaque = wanted[:, :, -1] > 0 if wanted.shape[2] in (2, 4) else np.ones(wanted.shape[:2], bool)
    assert np.array_equal(found[opaque], wanted[opaque])
    assert np.array_equal(found[:, :, -1], wanted[:, :, -1]), "what is hidden may change its colour, not its alpha"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_f17_16_bits_of_every_kind_come_out_whole(channels: int, suffix: str, same: Callable[..., Path]) -> None:
    deep = np.random.default_rng(2).integers(0, 65_536, (7, 5, channels), dtype=np.uint16)
    if channels in (2, 4):
        deep[:, :, -1] |= 1  # nothing is wholly hidden
    write_image(f"a{suffix}", TaggedImage(deep))
    found = read_image(same(f"a{suffix}")).pixels
    assert found.dtype == deep.dtype
    assert np.array_equal(found, deep)


# --------------------------------------------------------------------- F19: orientation

_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_f19_the_eight_orientations_are_one_image(suffix: str, same: Callable[..., Path]) -> None:
    upright, arrays = noise(5, 3), []
    for orientation, turn in _TURNS.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = "maker"
        options = {"lossless": True} if suffix == ".webp" else {}
        name = f"{orientation}{suffix}"
        Image.fromarray(np.ascontiguousarray(turn(upright))).save(name, exif=exif, **options)
        arrays.append(read_image(name).color)
        assert np.array_equal(read_pixels(Path(name), "RGB"), upright), "as training reads it"
        with Image.open(same(name, output=f"{orientation}-out.png")) as out:
            assert np.array_equal(np.asarray(out), upright)
            assert out.getexif().get(0x0112, 1) == 1
            assert out.getexif()[0x010F] == "maker"
    assert all(np.array_equal(array, arrays[0]) for array in arrays)


# --------------------------------------------------------------------------- F21: sizes

# Small ones of every network that puts out images: (size in, size out, options).
NETWORKS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "identity": (16, 16, {}),
    "bicubic": (16, 48, {}),
    "conv_autoencoder": (64, 64, {"channels": [3, 4], "kernel": 6, "padding": 2, "skips": True}),
    "unet": (16, 16, {"channels": [3, 4, 4]}),
    "residual": (16, 32, {"width": 4, "blocks": 1, "shrink": 2}),
    "srcnn": (16, 32, {"middle_kernel": 1}),
    "fsrcnn": (16, 48, {"features": 4, "shrunk": 3, "mappings": 1}),
    "espcn": (16, 48, {}),
    "vdsr": (16, 32, {"layers": 3, "width": 4}),
    "edsr": (16, 64, {"blocks": 1, "width": 4}),
    "imdn": (16, 32, {"blocks": 1, "width": 8}),
    "span": (16, 32, {"blocks": 2, "width": 4}),
    "srvgg": (16, 32, {"layers": 1, "width": 4}),
    "dense_autoencoder": (16, 16, {"hidden": 5}),
}
_BUILT: dict[str, Any] = {}


def network(name: str) -> Any:
    """The network, ready to enlarge with; each is built once."""
    if name not in _BUILT:
        before, after, options = NETWORKS[name]
        torch.manual_seed(0)
        model = build_model(name, (3, before, before), (3, after, after), options).eval()
        _BUILT[name] = as_network(model, 3)
    return _BUILT[name]


def test_f21_every_network_that_puts_out_images_is_tried() -> None:
    assert set(NETWORKS) == {name for name in MODELS if not name.endswith("classifier")}


@pytest.mark.parametrize("name", NETWORKS)
def test_f21_the_output_is_exactly_scale_times_the_input(name: str) -> None:
    loaded = network(name)
    scale = loaded.geometry.scale

    @settings(max_examples=200 if LONG else 10)
    @given(st.integers(1, 97), st.integers(1, 97), st.sampled_from((1, 2, 3, 4)), st.sampled_from((None, 40)))
    def holds(height: int, width: int, channels: int, tile: int | None) -> None:
        pixels = np.random.default_rng(height * width).integers(0, 256, (height, width, channels), dtype=np.uint8)
        output = upscale_pixels(pixels, [loaded], UpscaleOptions(tile=tile))
        assert output.shape == (height * scale, width * scale, channels)
        assert output.dtype == np.uint8

    holds()
    for height, width in ((1, 1), (1, 97), (97, 1), (10_000, 3), (3, 10_000)):
        assert upscale_pixels(noise(height, width), [loaded]).shape == (height * scale, width * scale, 3)


def test_f21_odd_sizes_through_the_command(same: Callable[..., Path]) -> None:
    for height, width in ((1, 1), (1, 97), (97, 1), (3, 10_000)):
        Image.fromarray(noise(height, width)).save("a.png")
        out = same("a.png", "--scale", "3", "--overwrite", output="out.png")
        with Image.open(out) as image:
            assert image.size == (3 * width, 3 * height)


# ------------------------------------------------------------------------ F22: metadata

SECRET = "ZzSecretZz"


def tagged(name: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = exif[0x013B] = SECRET  # maker, artist
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[29] = SECRET  # GPS, date stamp
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": icc, "dpi": (300, 300)}
    if name.endswith(".png"):
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", SECRET)
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", f"<x>{SECRET}</x>")
    elif name.endswith(".jpg"):
        options |= {"comment": SECRET.encode(), "xmp": f"<x>{SECRET}</x>".encode()}
    elif name.endswith(".webp"):
        options |= {"xmp": f"<x>{SECRET}</x>".encode(), "lossless": True}
    channels: Literal[3, 4] = 3 if name.endswith(".jpg") else 4
    Image.fromarray(noise(6, 4, channels)).save(name, **options)
    assert SECRET.encode() in Path(name).read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_f22_profile_gps_and_alpha_are_kept_or_stripped(suffix: str, same: Callable[..., Path]) -> None:
    tagged(f"a{suffix}")
    before = read_image(f"a{suffix}")
    assert before.tags.icc
    for target in (".png", ".jpg", ".tif", ".webp"):
        if target == ".jpg" and before.alpha is not None:
            continue  # refused: it cannot hold transparency
        with Image.open(same(f"a{suffix}", output=f"keep{target}")) as kept:
            assert kept.info["icc_profile"] == before.tags.icc
            assert kept.getexif().get_ifd(0x8825)[1] == "N"
            assert kept.getexif()[0x010F] == SECRET
            if ".webp" not in (suffix, target):
                assert kept.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert kept.has_transparency_data == (before.alpha is not None)
        stripped = same(f"a{suffix}", "--metadata", "strip", output=f"strip{target}")
        assert SECRET.encode() not in stripped.read_bytes()
        with Image.open(stripped) as bare:
            assert "icc_profile" not in bare.info
            assert not set(bare.getexif()) & {0x010F, 0x013B, 0x8825}
            assert bare.has_transparency_data == (before.alpha is not None)


def test_f22_a_damaged_profile_or_exif_is_no_obstacle(same: Callable[..., Path]) -> None:
    damage = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"
    Image.fromarray(noise(6, 4)).save("a.jpg", exif=damage, icc_profile=b"no profile at all")
    assert decode(Path("a.jpg"), "a").pixels.shape == (6, 4, 3)
    with Image.open(same("a.jpg")) as out:
        out.load()
        assert out.size == (4, 6)


def test_f15_the_command_on_an_image_of_half_its_bytes(call: Run, tmp_path: Path) -> None:
    tagged(str(tmp_path / "a.png"))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) - 60])
    done = call("upscale", "half.png", "a.png", "--device", "cpu")
    assert (done.returncode, done.stdout) == (4, "a_x2.png\n")
    assert "failed half.png: damaged image" in done.stderr
    assert "Traceback" not in done.stderr
