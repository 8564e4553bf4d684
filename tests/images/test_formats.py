"""The table of formats, and of those beside PNG, JPEG, WebP, BMP and TIFF every bit, alpha, orientation, profile."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import formats_page
import imagecodecs
import numpy as np
import pillow_heif
import pytest
from format_samples import MATRIX, SIZE, by_pillow, flat, heif, jpeg2000, jxl, ramp, widened
from PIL import Image, ImageCms

from srae.errors import ConfigError, DataError
from srae.images import formats
from srae.images.decode import count_frames, decode, read_header, read_size
from srae.images.encode import encode
from srae.images.formats import BY_SUFFIX, EXTENSIONS, TABLE, check_fit, format_of, identify
from srae.images.headers import read_jpeg2000, read_jxl
from srae.images.image import TaggedImage, read_image, write_image
from srae.images.tags import Tags

SILENT = (".jxl", ".avif")
"""Formats whose header does not tell grey from colour (AVIF: before Pillow 13)."""
CASES = [(s, c, b) for s, (_, channels, depths) in MATRIX.items() for c in channels for b in depths]


@pytest.mark.parametrize(("suffix", "channels", "bits"), CASES)
def test_every_bit_is_read(suffix: str, channels: int, bits: int, tmp_path: Path) -> None:
    """Black is 0 and white the largest number, whatever the depth is."""
    pixels = ramp(channels, bits)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(MATRIX[suffix][0](pixels, bits))
    found = decode(path, str(path)).pixels
    if suffix == ".avif" and channels == 1 and found.shape[2] == 3:  # Pillow before 13 has grey AVIF as RGB
        assert all(np.array_equal(found[:, :, 0], found[:, :, i]) for i in (1, 2))
        found = found[:, :, :1]
    assert np.array_equal(found, widened(pixels, bits))
    assert read_size(path) == SIZE
    header = read_header(path)
    assert (header.bits > 8) == (bits > 8)
    assert suffix in SILENT or header.colors == (1 if channels < 3 else 3)
    assert count_frames(path) == 1
    with pytest.raises(DataError, match="is more than 959 pixels"):
        decode(path, str(path), max_pixels=959)


def test_a_gif_of_one_frame_and_its_transparency() -> None:
    image = Image.new("P", (4, 2), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    file = io.BytesIO()
    image.save(file, "GIF", transparency=0)
    assert decode(file.getvalue(), "a.gif").pixels[0, :2].tolist() == [[255, 0, 0, 0], [0, 0, 255, 255]]


# ------------------------------------------------------------------------------ orientation


def _corner() -> np.ndarray:
    """16 x 32, white in the upper left quarter of a quarter."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :8] = 255
    return pixels


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274], exif[271] = orientation, "Maker"
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_once(orientation: int) -> None:
    """AVIF and HEIF turn by a property, JPEG XL in its codestream; what EXIF says beside that is not done again."""
    file, heif, jpeg = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.fromarray(_corner()).save(jpeg, "JPEG", exif=_exif(orientation), quality=95, subsampling=0)
    upright = decode(jpeg.getvalue(), "a.jpg").pixels > 127
    Image.fromarray(_corner()).save(file, "AVIF", exif=_exif(orientation), quality=95)
    options = {"exif": _exif(orientation).tobytes(), "quality": 95, "chroma": 444}
    pillow_heif.encode("RGB", (32, 16), _corner().tobytes(), heif, **options)
    for name, data in (
        ("a.avif", file.getvalue()),
        ("a.heic", heif.getvalue()),
        ("a.jxl", imagecodecs.jpegxl_encode_jpeg(jpeg.getvalue())),
    ):
        read = decode(data, name)
        assert np.array_equal(read.pixels > 127, upright), name
        assert read.tags.exif is not None and b"Maker" in read.tags.exif


def test_exif_alone_turns_no_jpeg_xl() -> None:
    """ISO/IEC 18181-2: what the codestream says counts."""
    file = io.BytesIO()
    Image.fromarray(_corner()).save(file, "JXL", lossless=True, exif=_exif(6).tobytes())
    assert np.array_equal(decode(file.getvalue(), "a.jxl").pixels, _corner())


# ------------------------------------------------------------------------------ profiles


def _lab() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def test_profiles_and_colours_by_number(tmp_path: Path) -> None:
    image, profile = Image.fromarray(ramp(3, 8)), _lab()
    heif, avif = io.BytesIO(), io.BytesIO()
    image.save(avif, "AVIF", icc_profile=profile)
    image.info["icc_profile"] = profile
    pillow_heif.from_pillow(image).save(heif)
    for data, name in ((avif.getvalue(), "a.avif"), (heif.getvalue(), "a.heic")):
        assert decode(data, name).tags.icc == profile
    pixels = flat(ramp(3, 8))
    plain = imagecodecs.avif_encode(pixels, level=100)
    wide = imagecodecs.avif_encode(pixels, level=100, primaries=12, transfer=13)
    assert decode(plain, "a.avif").tags.color == ()
    assert decode(wide, "a.avif").tags.color == ((b"cICP", bytes((12, 13, 0, 1))),)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".avif", ".jxl"])
def test_what_is_written_is_what_was_given(suffix: str, channels: int, tmp_path: Path) -> None:
    """JPEG XL to the last bit, AVIF nearly; 16 bits become 8, never white."""
    tags = Tags(exif=_exif(1).tobytes(), icc=_lab() if suffix == ".avif" else None)
    for bits in (8, 16):
        image = TaggedImage(ramp(channels, bits), tags)
        write_image(tmp_path / f"{bits}{suffix}", image)
        read = read_image(tmp_path / f"{bits}{suffix}")
        wanted = np.round(image.pixels / (257 if bits == 16 else 1))
        if channels == 2 and suffix == ".avif":
            wanted = wanted[:, :, [0, 0, 0, 1]]
        assert np.abs(read.pixels - wanted).max() <= (0 if suffix == ".jxl" else 12)
        assert b"Maker" in (read.tags.exif or b"")
        assert suffix == ".jxl" or read.tags.icc == tags.icc
    write_image(tmp_path / f"q{suffix}", TaggedImage(ramp(channels, 8)), quality=30)
    assert (tmp_path / f"q{suffix}").stat().st_size < (tmp_path / f"8{suffix}").stat().st_size


def test_a_profile_that_jpeg_xl_would_lose_is_refused(tmp_path: Path) -> None:
    image = TaggedImage(ramp(3, 8), Tags(icc=_lab()))
    with pytest.raises(ConfigError, match="colour profile"):
        write_image(tmp_path / "a.jxl", image)
    write_image(tmp_path / "a.jxl", image, metadata="strip")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_image(tmp_path / "b.jxl", TaggedImage(ramp(3, 8), Tags(icc=srgb)))


def test_an_edited_jpeg_is_not_written_unedited(tmp_path: Path) -> None:
    """pillow-jxl-plugin 1.3.8 copies the file that an image was read from."""
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.jpg")
    image = read_image(tmp_path / "a.jpg")
    write_image(tmp_path / "a.jxl", TaggedImage(255 - image.pixels, image.tags))
    assert read_image(tmp_path / "a.jxl").pixels.min() == 255


# ------------------------------------------------------------------------------ the table


def test_the_table_is_consistent() -> None:
    assert len(EXTENSIONS) == sum(len(row.suffixes) + len(row.aliases) for row in TABLE), "a suffix names two formats"
    for row in TABLE:
        assert not row.missing
        assert (row.install != "") == bool(row.modules)
        assert set(row.writes) <= set(row.reads)
        assert BY_SUFFIX[row.suffixes[0]] is row
        assert row.describe()["installed"]


@pytest.mark.parametrize("suffix", MATRIX)
def test_files_are_recognised_by_content(suffix: str) -> None:
    save, channels, depths = MATRIX[suffix]
    data = save(ramp(channels[0], depths[0]), depths[0])
    assert identify(data[:64], suffix if suffix == ".tga" else ".png") is BY_SUFFIX[suffix]


@pytest.mark.parametrize("content", [b"", b"hello\n" * 50, bytes(1000), b"%!PS-Adobe-3.0 EPSF-3.0\n", b"P7\n", b"8BPS"])
def test_no_format_but_those_of_the_table_is_opened(content: bytes) -> None:
    with pytest.raises(DataError) as caught:
        decode(content, "a.png")
    assert len(str(caught.value).splitlines()) == 3


def test_what_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = heif(ramp(3, 8), 8)
    monkeypatch.setattr(formats, "_missing", lambda modules: "none" if modules else "")
    for name, content in (("a.heic", data), ("a.jxl", jxl(ramp(1, 8), 8))):
        with pytest.raises(DataError) as caught:
            decode(content, name)
        assert caught.value.remedy == BY_SUFFIX[Path(name).suffix].remedy
        assert caught.value.where == name
    with pytest.raises(ConfigError) as refused:
        format_of(tmp_path / "a.jxl")
    assert refused.value.remedy == "pip install 'srae[jxl]'"


@pytest.mark.parametrize(("name", "word"), [("a.nef", "camera raw"), ("a.mp4", "video"), ("a.psd", "drawing")])
def test_what_cannot_be_read_is_called_by_its_name(name: str, word: str) -> None:
    with pytest.raises(DataError) as caught:
        decode(b"no image", name)
    assert word in (caught.value.remedy or "")


@pytest.mark.parametrize("row", [row for row in TABLE if row.writes], ids=lambda row: row.name)
def test_limits_of_what_is_written(row: formats.Format) -> None:
    path = Path(f"a{row.suffixes[0]}")
    if row.longest_side < 2**31 - 1:
        check_fit(path, 1, row.longest_side, transparent=False)
        with pytest.raises(ConfigError, match="does not fit"):
            check_fit(path, 1, row.longest_side + 1, transparent=False)
    if not row.alpha:
        with pytest.raises(ConfigError, match="transparency"):
            check_fit(path, 1, 1, transparent=True)
    file = io.BytesIO()
    encode(file, row.name, ramp(3, 8))
    assert identify(file.getvalue()[:64]) is row


def test_the_page_says_what_is_measured() -> None:
    """`PYTHONPATH=src python tests/images/formats_page.py --write` writes it anew."""
    assert formats_page.PAGE.read_text(encoding="utf-8") == formats_page.page()


# ------------------------------------------------------------------------------ headers


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (64, 256), (300, 400), (9, 16), (513, 3), (1, 70_000), (8193, 1)])
def test_sizes_are_read_from_the_header(size: tuple[int, int]) -> None:
    pixels = np.zeros(size, np.uint8)
    for container in (False, True):
        header = read_jxl(imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=container)[:200])
        assert (header.height, header.width, header.bits, header.animated) == (*size, 8, False)
    assert read_jpeg2000(imagecodecs.jpeg2k_encode(pixels, level=0))[:3] == (*size, 8)


def test_animations_in_a_jpeg_xl() -> None:
    data = imagecodecs.jpegxl_encode(np.zeros((3, 8, 8, 3), np.uint8), lossless=True)
    assert read_jxl(data).animated
    read = decode(data, "a.jxl")
    assert read.pixels.shape == (8, 8, 3)
    assert any("animation" in note for note in read.notes)


def _jxl_header(height: int, width: int) -> bytes:
    """A JPEG XL that ends after its size: each side behind two bits that choose 30 bits."""
    bits, place = 0, 1
    for value, count in ((3, 2), (height - 1, 30), (0, 3), (3, 2), (width - 1, 30)):
        bits |= value << place
        place += count
    return b"\xff\x0a" + (bits | 1 << place).to_bytes(20, "little")


def _patched(data: bytes, kind: bytes, offset: int, fields: str) -> bytes:
    """With sides of 14000 written after the first box or marker of this kind."""
    place = data.index(kind) + len(kind) + offset
    return data[:place] + struct.pack(fields, 14_000, 14_000) + data[place + struct.calcsize(fields) :]


def _square_heif() -> bytes:
    """Of a size that the coder has blocks for, so that nothing is cropped."""
    file = io.BytesIO()
    pillow_heif.encode("L", (64, 64), bytes(64 * 64), file)
    return file.getvalue()


BOMBS = {
    "a.jxl": _jxl_header(14_000, 14_000),
    "a.ppm": b"P6\n14000 14000\n65535\n" + bytes(100),
    "a.gif": b"GIF89a" + struct.pack("<HH", 14_000, 14_000) + bytes(3) + b"," + bytes(20) + b";",
    "a.tga": bytes((0, 0, 2)) + bytes(9) + struct.pack("<HH", 14_000, 14_000) + bytes((24, 0)) + bytes(100),
    "a.jp2": _patched(jpeg2000(ramp(3, 8), 8), b"\xff\x4f\xff\x51", 4, ">II").replace(
        struct.pack(">II", *SIZE), struct.pack(">II", 14_000, 14_000)
    ),
    "a.avif": _patched(by_pillow("AVIF")(ramp(3, 8), 8), b"ispe", 4, ">II"),
    "a.heic": _patched(_square_heif(), b"ispe", 4, ">II"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_from_the_header(name: str) -> None:
    with pytest.raises(DataError) as caught:
        decode(BOMBS[name], name)
    assert "14000x14000 is more than" in caught.value.what
