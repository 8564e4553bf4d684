"""All bits of an image survive a file, whoever wrote it; a disk that fills up meanwhile is told as such."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from srae.errors import ConfigError
from srae.images.decode import decode
from srae.images.encode import encode, make_pixels
from srae.images.formats import check_fit
from srae.images.image import TaggedImage, read_image, read_pixels, write_image
from srae.images.tags import Tags


def _deep(height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(channels).integers(0, 65_536, (height, width, channels)).astype(np.uint16)


def _png(rows: bytes, width: int, height: int, color_type: int, *, interlaced: bool = False, key: bytes = b"") -> bytes:
    """16 bits, of rows that begin with their filter."""
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, interlaced)
    chunks = {b"IHDR": header, b"tRNS": key, b"IDAT": zlib.compress(rows), b"IEND": b""}
    body = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks.items():
        if data or kind == b"IEND":
            body += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return body


def _rows(pixels: np.ndarray) -> bytes:
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)


# ------------------------------------------------------------------- the way there and back


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 16])
def test_every_depth_and_every_channel(tmp_path: Path, channels: int, suffix: str, bits: int) -> None:
    for height, width in ((1, 1), (7, 5), (1, 300), (301, 2)):
        pixels = _deep(height, width, channels)
        pixels = pixels if bits == 16 else (pixels >> 8).astype(np.uint8)
        path = tmp_path / f"{height}x{width}{suffix}"
        write_image(path, TaggedImage(pixels))
        again = read_image(path)
        assert again.pixels.dtype == pixels.dtype
        assert np.array_equal(again.pixels, pixels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_others_read_our_16_bits(tmp_path: Path, channels: int) -> None:
    pixels = _deep(40, 30, channels)
    write_image(tmp_path / "a.tif", TaggedImage(pixels))
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif").reshape(pixels.shape), pixels)
    write_image(tmp_path / "a.png", TaggedImage(pixels))
    with Image.open(tmp_path / "a.png") as image:  # which keeps the high bytes of colour, and all of grey
        found = np.asarray(image).reshape(pixels.shape)
        assert np.array_equal(found, pixels if channels == 1 else pixels >> 8)


def test_smooth_images_are_packed_small_by_the_filters() -> None:
    y, x = np.mgrid[:200, :200].astype(np.uint16)
    file = io.BytesIO()
    encode(file, "PNG", np.stack((y * 300, x * 300, x * 100 + y * 200), 2))
    assert len(file.getvalue()) < 200 * 200 * 6 / 20


@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (4, 2), (2, 3), (6, 4)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_16_bit_pngs_of_others(color_type: int, channels: int, interlaced: bool) -> None:
    pixels = _deep(13, 11, channels)
    rows = _rows(pixels)
    if interlaced:  # Adam7: first row, first column, step down, step across
        passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
        rows = b"".join(_rows(pixels[y::down, x::across]) for y, x, down, across in passes)
    found = decode(_png(rows, 11, 13, color_type, interlaced=interlaced), "a.png").pixels
    assert found.dtype == np.uint16
    assert np.array_equal(found, pixels)


def test_16_bits_become_8_by_rounding_not_by_cutting() -> None:
    rows = _rows(np.array([[[0, 65_535, 32_896], [254, 384, 386]]], np.uint16))
    assert read_pixels(_png(rows, 2, 1, 2), "RGB").tolist() == [[[0, 255, 128], [1, 1, 2]]]


def test_one_16_bit_colour_can_stand_for_transparent() -> None:
    pixels = _deep(6, 5, 3)
    found = decode(_png(_rows(pixels), 5, 6, 2, key=pixels[2, 3].astype(">u2").tobytes()), "a.png").pixels
    assert np.array_equal(found[:, :, :3], pixels)
    assert np.argwhere(found[:, :, 3] == 0).tolist() == [[2, 3]]
    assert set(found[:, :, 3].ravel().tolist()) == {0, 65_535}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("channels", "alpha"), [(3, None), (4, "unassalpha"), (4, "assocalpha"), (4, "unspecified")])
def test_16_bit_tiffs_of_others(
    tmp_path: Path, order: str, compression: str | None, channels: int, alpha: str | None
) -> None:
    pixels, extra = _deep(23, 19, channels), [alpha] if alpha else None
    wanted = pixels.copy()
    if alpha == "assocalpha":
        pixels[:, :, 3] |= 0x4000  # of an almost invisible pixel little is left to compare
        stored = pixels.astype(np.float64)
        stored[:, :, :3] *= stored[:, :, 3:] / 65_535
        wanted, pixels = pixels.copy(), stored.round().astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=extra, byteorder=order, compression=compression
    )
    found = read_image(tmp_path / "a.tif").pixels
    wanted = wanted[:, :, :3] if alpha == "unspecified" else wanted
    assert found.dtype == np.uint16
    assert np.abs(found.astype(int) - wanted).max() <= (4 if alpha == "assocalpha" else 0)


def test_a_tiff_takes_no_tags_from_exif_that_say_how_pixels_lie(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[338], exif[266], exif[339] = "words", 7, 2, 3  # extra samples, bits from the right, floats
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    write_image(tmp_path / "a.tif", TaggedImage(pixels, Tags(exif=exif.tobytes())))
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, pixels)
    with Image.open(tmp_path / "a.tif") as image:
        assert image.getexif()[0x010E] == "words"


@pytest.mark.parametrize("turned", [1, 6])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_colour_keeps_profile_exif_and_dpi(tmp_path: Path, suffix: str, turned: int) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "maker"
    exif.get_ifd(0x8769)[0x829A] = 0.25
    exif.get_ifd(0x8825)[1] = "N"
    pixels = _deep(6, 9, 3)
    write_image(tmp_path / f"a{suffix}", TaggedImage(pixels, Tags(icc, exif.tobytes(), (300.0, 200.0))))
    image = read_image(tmp_path / f"a{suffix}")
    assert np.array_equal(image.pixels, pixels)
    assert image.tags.icc == icc
    assert image.tags.dpi == pytest.approx((300, 200), abs=0.1)
    with Image.open(tmp_path / f"a{suffix}") as opened:
        found = opened.getexif()
        assert found[0x010F] == "maker"
        assert float(found.get_ifd(0x8769)[0x829A]) == 0.25
        assert found.get_ifd(0x8825)[1] == "N"
    write_image(tmp_path / f"b{suffix}", image, metadata="strip")
    bare = read_image(tmp_path / f"b{suffix}")
    assert bare.tags == Tags()
    for word in (b"maker", icc[:40]):
        assert word not in (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_of_many_bands_is_one_stream(channels: int, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise, runs and repetition below each other, so that both ways to pack take turns."""
    pixels = _deep(90, 40, channels)
    pixels[30:60] = np.arange(30)[:, None, None] * 200
    pixels[60:] = pixels[60:66].repeat(5, 0)
    pixels = pixels if bits == 16 else (pixels >> 8).astype(np.uint8)
    files = []
    for size in (2**21, 7 * pixels[:1].nbytes, 1):
        monkeypatch.setattr("srae.images.bands.BYTES", size)
        files.append(io.BytesIO())
        encode(files[-1], "PNG", pixels)
        assert np.array_equal(decode(files[-1].getvalue(), "a.png").pixels, pixels)
    counts = [file.getvalue().count(b"IDAT") for file in files]
    assert counts == [1 + 1, 13 + 1, 90 + 1]  # and one for the end


@pytest.mark.parametrize("kind", ["photograph", "pattern"])
def test_a_png_is_packed_in_the_way_that_suits_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    if kind == "pattern":  # the same 20 letters again and again: only a search finds them
        pixels = random.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)[random.integers(0, 20, (20, 20))]
        pixels = pixels.transpose(0, 2, 1, 3, 4).reshape(320, 320, 3)
    else:
        smooth = np.cumsum(random.normal(0, 3, (320, 320, 3)), 1) + 128
        pixels = smooth.clip(0, 255).astype(np.uint8)
    strategies, original = [], zlib.compressobj

    def spy(level: int, method: int, window: int, memory: int, strategy: int) -> object:
        strategies.append(strategy)
        return original(level, method, window, memory, strategy)

    monkeypatch.setattr("srae.images.deflate.zlib.compressobj", spy)
    file = io.BytesIO()
    encode(file, "PNG", pixels)
    assert strategies[:2] == [zlib.Z_RLE, zlib.Z_DEFAULT_STRATEGY]
    assert strategies[2:] == [zlib.Z_DEFAULT_STRATEGY if kind == "pattern" else zlib.Z_RLE]
    whole = io.BytesIO()
    Image.fromarray(pixels).save(whole, "PNG")
    assert len(file.getvalue()) <= 1.02 * len(whole.getvalue())


# ------------------------------------------------------------------------- lossy formats


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (9, 200), (77, 61), (200, 9)])
def test_a_jpeg_of_many_bands_is_the_image_of_one(
    channels: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    pixels = np.cumsum(random.normal(0, 9, (*size, channels)), 0).clip(-128, 127).astype(np.int8).view(np.uint8)
    icc, exif = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), Image.Exif()
    exif[0x010F] = "maker"
    files = []
    for count in (2**21, 1):
        monkeypatch.setattr("srae.images.jpeg.BYTES", count)
        files.append(io.BytesIO())
        encode(files[-1], "JPEG", pixels, Tags(icc, exif.tobytes(), (300, 300)), quality=90)
    whole, banded = (decode(file.getvalue(), "a.jpg") for file in files)
    assert np.array_equal(whole.pixels, banded.pixels)
    assert whole.pixels.shape[:2] == size
    assert banded.tags == whole.tags
    assert (b"\xff\xdd\x00\x04" in files[1].getvalue()) == (size[0] > 8)


def test_quality_of_jpeg_and_webp(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    for suffix in (".jpg", ".webp"):
        sizes = []
        for quality in (5, 60, 100, None):
            path = tmp_path / f"{quality}{suffix}"
            write_image(path, TaggedImage(pixels), quality=quality)
            sizes.append(path.stat().st_size)
            assert read_image(path).pixels.shape == pixels.shape
        assert sizes[0] < sizes[1] < sizes[2]
    assert np.array_equal(read_image(tmp_path / "None.webp").pixels, pixels)
    assert not np.array_equal(read_image(tmp_path / "60.webp").pixels, pixels)
    assert sizes[2] < sizes[3]


def test_lossy_webp_keeps_transparency(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    write_image(tmp_path / "a.webp", TaggedImage(pixels), quality=50)
    assert np.array_equal(read_image(tmp_path / "a.webp").pixels[:, :, 3], pixels[:, :, 3])


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP", "PNG", "TIFF"])
def test_the_layout_in_memory_changes_no_byte_of_the_file(kind: str) -> None:
    plain = np.random.default_rng(1).integers(0, 256, (33, 21, 3), dtype=np.uint8)
    laid_out = make_pixels(33, 21, 3, np.uint8, kind)
    laid_out[:] = plain
    files = [io.BytesIO(), io.BytesIO(), io.BytesIO()]
    four = np.zeros((33, 21, 4), np.uint8)[:, :, :3]
    four[:] = plain
    for file, pixels in zip(files, (plain, laid_out, four), strict=True):
        encode(file, kind, pixels)
    assert files[0].getvalue() == files[1].getvalue() == files[2].getvalue()


def test_what_does_not_fit_is_refused_by_its_size() -> None:
    for name, height, width, per_pixel in (
        ("a.jpg", 10, 65_536, 3), ("a.webp", 16_384, 10, 3), ("a.tif", 40_000, 40_000, 3), ("a.png", 1, 2**31, 1),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="does not fit"):
            check_fit(Path(name), height, width, bytes_per_pixel=per_pixel, transparent=False)
    check_fit(Path("a.png"), 40_000, 40_000, bytes_per_pixel=3, transparent=True)


# --------------------------------------------------------------------------------- TIFF


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("big", [False, True])
def test_others_read_every_sample_of_our_tiffs(
    channels: int, dtype: type, big: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srae.images.write_tiff.MOST_BYTES", 0 if big else 2**32)
    monkeypatch.setattr("srae.images.bands.BYTES", 900)
    pixels = _deep(40, 30, channels).astype(dtype)
    pixels = (pixels - 9_000) / np.float32(7) if dtype is np.float32 else pixels
    for tags in (Tags(), Tags(exif=b"MM\0*\0\0\0\x08\0\0\0\0\0\0"), Tags(exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0")):
        file = io.BytesIO()
        encode(file, "TIFF", pixels, tags)
        with tifffile.TiffFile(io.BytesIO(file.getvalue())) as tiff:
            page = tiff.pages[0]
            assert (tiff.is_bigtiff, tiff.byteorder) == (big, ">" if (tags.exif or b"").startswith(b"MM") else "<")
            assert (page.compression, page.is_tiled, len(page.dataoffsets) > 1) == (8, False, True)
            assert np.array_equal(page.asarray().reshape(pixels.shape), pixels)


def test_a_scan_of_two_levels_stays_small() -> None:
    scan = np.full((2_000, 1_500, 1), 255, np.uint8)
    draw = np.random.default_rng(0)
    for y, x in draw.integers(0, 1_400, (800, 2)):
        scan[y : y + 9, x : x + 6] = 0
    file = io.BytesIO()
    encode(file, "TIFF", scan)
    assert len(file.getvalue()) < scan.size / 50


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 1_000.0), (0.2, 0.4)])
def test_floats_become_integers_where_a_format_has_no_floats(kind: str, low: float, high: float) -> None:
    ramp = np.linspace(low, high, 256, dtype=np.float32).reshape(16, 16, 1).repeat(8, 0).repeat(8, 1)
    file = io.BytesIO()
    encode(file, kind, ramp)
    found = decode(file.getvalue(), "a").pixels
    black, white = min(low, 0), max(high, 1)
    wanted = (ramp.astype(np.float64) - black) / (white - black)
    assert found.dtype == (np.uint16 if kind == "PNG" else np.uint8)
    assert np.abs(found[:, :, :1] / np.iinfo(found.dtype).max - wanted).max() < (0.02 if kind == "JPEG" else 0.003)
