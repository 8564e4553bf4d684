"""The table of formats, and of those beside PNG, JPEG, WebP, BMP and TIFF every bit, alpha, orientation, profile."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from srae.errors import ConfigError, DataError
from srae.images import formats
from srae.images.decode import count_frames, decode, read_size
from srae.images.encode import encode
from srae.images.formats import BY_SUFFIX, EXTENSIONS, TABLE, check_fit, format_of, identify
from srae.images.headers import read_jpeg2000, read_jxl
from srae.images.image import TaggedImage, read_image, write_image
from srae.images.tags import Tags

SIZE = (24, 40)


def ramp(channels: int, bits: int) -> np.ndarray:
    """Every level from black to white, in each channel another way round; (H, W, C) of this many bits."""
    most = 2**bits - 1
    line = np.linspace(0, most, SIZE[0] * SIZE[1]).round().astype(np.uint8 if bits == 8 else np.uint16).reshape(SIZE)
    return np.stack([line, line[::-1], line[:, ::-1], most - line // 2][:channels], axis=2)


def widened(pixels: np.ndarray, bits: int) -> np.ndarray:
    """What the image must be read as: 8 bits as they are, white otherwise 65535."""
    if bits == 8:
        return pixels
    return np.floor(pixels.astype(np.float64) * 65_535 / (2**bits - 1) + 0.5).astype(np.uint16)


def _jxl(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpegxl_encode(_flat(pixels), lossless=True, bitspersample=bits)


def _avif(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.avif_encode(_flat(pixels), level=100, bitspersample=bits)


def _jpeg2000(pixels: np.ndarray, bits: int, kind: str = "jp2") -> bytes:
    return imagecodecs.jpeg2k_encode(_flat(pixels), level=0, bitspersample=bits, codecformat=kind)


def _heif(pixels: np.ndarray, bits: int) -> bytes:
    file, mode = io.BytesIO(), {1: "L", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    if bits > 8:
        pixels, mode = pixels << (16 - bits), f"{mode};16"
    lossless = {"quality": -1, "chroma": 444, "matrix_coefficients": 0, "save_nclx_profile": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
        pillow_heif.encode(mode, SIZE[::-1], np.ascontiguousarray(pixels).tobytes(), file, **lossless)
    return file.getvalue()


def _ppm(pixels: np.ndarray, bits: int) -> bytes:
    kind = {1: b"P5", 3: b"P6"}[pixels.shape[2]]
    head = b"%s # made by hand\n%d %d\n%d\n" % (kind, SIZE[1], SIZE[0], 2**bits - 1)
    return head + pixels.astype("u1" if bits == 8 else ">u2").tobytes()


def _plain_ppm(pixels: np.ndarray, bits: int) -> bytes:
    words = b" ".join(b"%d" % value for value in pixels.ravel())
    return b"P%d\n%d %d %d\n%s" % (2 if pixels.shape[2] == 1 else 3, SIZE[1], SIZE[0], 2**bits - 1, words)


def _by_pillow(kind: str, **options: Any) -> Callable[[np.ndarray, int], bytes]:
    def save(pixels: np.ndarray, bits: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(_flat(pixels)).save(file, kind, **options)
        return file.getvalue()

    return save


def _flat(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


MATRIX: dict[str, tuple[Callable[[np.ndarray, int], bytes], tuple[int, ...], tuple[int, ...]]] = {
    ".jxl": (_jxl, (1, 2, 3, 4), (8, 10, 12, 16)),
    ".avif": (_avif, (1, 3, 4), (8, 10, 12)),
    ".jp2": (_jpeg2000, (1, 2, 3, 4), (8, 10, 12, 16)),
    ".j2k": (lambda pixels, bits: _jpeg2000(pixels, bits, "j2k"), (1, 3), (8, 12, 16)),
    ".heic": (_heif, (1, 3, 4), (8, 10, 12)),
    ".ppm": (_ppm, (1, 3), (8, 10, 12, 16)),
    ".pnm": (_plain_ppm, (1, 3), (8, 10, 16)),
    ".tga": (_by_pillow("TGA", compression="tga_rle"), (1, 2, 3, 4), (8,)),
    ".dib": (_by_pillow("DIB"), (1, 3), (8,)),
}
CASES = [(s, c, b) for s, (_, channels, depths) in MATRIX.items() for c in channels for b in depths]


@pytest.mark.parametrize(("suffix", "channels", "bits"), CASES)
def test_every_bit_is_read(suffix: str, channels: int, bits: int, tmp_path: Path) -> None:
    """Black is 0 and white the largest number, whatever the depth is."""
    pixels = ramp(channels, bits)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(MATRIX[suffix][0](pixels, bits))
    read = decode(path, str(path))
    assert np.array_equal(read.pixels, widened(pixels, bits))
    assert read_size(path) == SIZE
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
    pixels = _flat(ramp(3, 8))
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
    data = _heif(ramp(3, 8), 8)
    monkeypatch.setattr(formats, "_missing", lambda modules: "none" if modules else "")
    for name, content in (("a.heic", data), ("a.jxl", _jxl(ramp(1, 8), 8))):
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
