"""The image door: what comes in is right, what goes out is whole or absent; damage is in faults/."""

import errno
import io
import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from srae.errors import ConfigError, DataError, ResourceError
from srae.images.flatten import lay_on_white
from srae.images.image import TaggedImage, find_images, read_image, read_pixels, to_pixels, write_image
from srae.images.tensors import to_float, to_uint8


def _noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


def _bytes(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def _save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def _as_uint8(image: TaggedImage) -> np.ndarray:
    return to_pixels(image.color, np.uint8)


def _levels(plane: np.ndarray) -> np.ndarray:
    return to_pixels(plane, np.uint8)[:, :, 0]


# ------------------------------------------------------------------------ numbers


def test_uint8_survives_the_way_through_float() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(every)), every)
    assert to_float(every).max() == 1.0
    assert to_float(every).dtype == torch.float32


def test_to_uint8_clamps_and_rounds_to_nearest() -> None:
    values = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 7.0])
    assert to_uint8(values).tolist() == [0, 0, 1, 255, 255]


# ------------------------------------------------------------------------ folders


def test_find_images_sorts_naturally_and_counts_the_rest(tmp_path: Path) -> None:
    for name in ("10.png", "2.png", "a2b10.JPG", "a2b9.jpg", "1.TIFF", "notes.txt", ".DS_Store", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found, ignored = find_images(tmp_path)
    assert [path.name for path in found] == ["1.TIFF", "2.png", "10.png", "a2b9.jpg", "a2b10.JPG", "gone.png"]
    assert ignored == 4
    with pytest.raises(DataError) as caught:
        read_image(tmp_path / "gone.png")
    assert "No such file" in caught.value.what


def test_find_images_of_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_images(tmp_path / "nowhere")
    assert caught.value.where == str(tmp_path / "nowhere")


# ------------------------------------------------------------------------ colour modes


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".webp"])
def test_lossless_formats_give_back_the_pixels(tmp_path: Path, suffix: str) -> None:
    pixels = _noise(7, 5)
    write_image(tmp_path / f"a{suffix}", TaggedImage(pixels))
    assert np.array_equal(_as_uint8(read_image(tmp_path / f"a{suffix}")), pixels)
    assert np.array_equal(read_pixels(tmp_path / f"a{suffix}", "RGB"), pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_jpeg_is_close(tmp_path: Path, suffix: str) -> None:
    smooth = np.broadcast_to(np.linspace(0, 1, 32, dtype=np.float32), (3, 32, 32))
    write_image(tmp_path / f"a{suffix}", TaggedImage.from_float(smooth))
    assert np.abs(read_image(tmp_path / f"a{suffix}").color - smooth).max() < 0.02


def test_grey_stays_grey_in_every_way_a_file_can_say_it(tmp_path: Path) -> None:
    grey = _noise(6, 4, 1)
    image = read_image(_save(tmp_path / "l.png", Image.fromarray(grey)))
    assert image.color.shape == (1, 6, 4)
    assert np.array_equal(_as_uint8(image)[:, :, 0], grey)
    bits = read_image(_save(tmp_path / "1.png", Image.fromarray(grey).convert("1", dither=Image.Dither.NONE)))
    assert np.unique(bits.color).tolist() == [0.0, 1.0]
    assert bits.color.shape == (1, 6, 4)
    both = np.stack([grey, grey[::-1]], axis=2)
    image = read_image(_save(tmp_path / "la.png", Image.fromarray(both)))
    assert image.color.shape == (1, 6, 4)
    assert image.alpha is not None
    assert np.array_equal(_levels(image.alpha), grey[::-1])
    keyed = read_image(_save(tmp_path / "t.png", Image.fromarray(grey), transparency=int(grey[0, 0])))
    assert keyed.color.shape[0] == 1
    assert keyed.alpha is not None
    assert np.array_equal(keyed.alpha[0] == 0, grey == grey[0, 0])


def test_palettes(tmp_path: Path) -> None:
    image = Image.fromarray(_noise(6, 4)).quantize(8)
    wanted = np.asarray(image.convert("RGB"))
    plain = read_image(_save(tmp_path / "p.png", image))
    assert np.array_equal(_as_uint8(plain), wanted)
    assert plain.alpha is None
    one = read_image(_save(tmp_path / "p1.png", image, transparency=3))
    assert one.alpha is not None
    assert np.array_equal(one.alpha[0] == 0, np.asarray(image) == 3)
    each = read_image(_save(tmp_path / "p2.png", image, transparency=bytes(range(0, 160, 20))))
    assert each.alpha is not None
    assert np.array_equal(_levels(each.alpha), np.asarray(image) * 20)
    assert np.array_equal(_as_uint8(each), wanted)


def test_rgba_and_keyed_rgb(tmp_path: Path) -> None:
    pixels = _noise(5, 3, 4)
    image = read_image(_save(tmp_path / "a.png", Image.fromarray(pixels)))
    assert np.array_equal(_as_uint8(image), pixels[:, :, :3])
    assert image.alpha is not None
    assert np.array_equal(_levels(image.alpha), pixels[:, :, 3])
    color = _noise(5, 3)
    keyed = read_image(_save(tmp_path / "b.png", Image.fromarray(color), transparency=tuple(map(int, color[2, 1]))))
    assert keyed.alpha is not None
    assert np.argwhere(keyed.alpha[0] == 0).tolist() == [[2, 1]]


def test_cmyk_becomes_rgb_and_loses_the_ink_profile(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    for name in ("a.jpg", "a.tif"):
        read = read_image(_save(tmp_path / name, image))
        assert read.color.shape == (3, 8, 8)
        assert read.color.mean((1, 2)) == pytest.approx([1.0, 0.0, 0.0], abs=0.02)
    fake = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert read_image(_save(tmp_path / "b.tif", image, icc_profile=fake)).tags.icc is None


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_and_stays_16_bit(tmp_path: Path, suffix: str) -> None:
    deep = np.array([[0, 1, 300], [32_768, 65_534, 65_535]], dtype=np.uint16)
    image = read_image(_save(tmp_path / f"a{suffix}", Image.fromarray(deep)))
    assert image.bits == 16
    assert image.color[0] == pytest.approx(deep / 65_535, abs=1e-7)
    write_image(tmp_path / f"b{suffix}", image)
    with Image.open(tmp_path / f"b{suffix}") as again:
        assert np.array_equal(np.asarray(again), deep)
    assert read_pixels(tmp_path / f"a{suffix}", "L")[:, :, 0].tolist() == [[0, 0, 1], [128, 255, 255]]
    write_image(tmp_path / "c.webp", image)
    assert read_image(tmp_path / "c.webp").bits == 8


def test_16_bit_rgb_png_is_scaled(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">6H", 0, 65_535, 32_896, 257, 514, 771) for _ in range(2))
    body = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        body += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    (tmp_path / "a.png").write_bytes(body)
    image = read_image(tmp_path / "a.png")
    assert _as_uint8(image)[0].tolist() == [[0, 255, 128], [1, 2, 3]]


def test_floats_are_data_where_they_are_numbers_from_0_to_1(tmp_path: Path) -> None:
    for values, levels in (([0, 0.5, 1], [0, 128, 255]), ([0, 1.01], None), ([-0.01, 1], None), ([7, 255], None)):
        _save(tmp_path / "a.tif", Image.fromarray(np.array([values], np.float32)))
        image = read_image(tmp_path / "a.tif")
        assert (image.bits, image.pixels.ravel().tolist()) == (32, np.float32(values).tolist())
        if levels:
            assert read_pixels(tmp_path / "a.tif", "L").ravel().tolist() == levels
        else:
            with pytest.raises(DataError, match=r"floats from .* to"):
                read_pixels(tmp_path / "a.tif", "L")


def test_transparency_of_floats_reaches_1() -> None:
    pixels = np.ones((2, 2, 4), np.float32)
    assert not TaggedImage(pixels).is_transparent
    pixels[0, 0, 3] = 0.5
    assert TaggedImage(pixels).is_transparent


def test_read_pixels_gives_the_channels_asked_for() -> None:
    color = _bytes(Image.fromarray(_noise(6, 4)))
    grey = _bytes(Image.fromarray(_noise(6, 4, 1)))
    clear = _bytes(Image.fromarray(_noise(6, 4, 4)))
    for data in (color, grey, clear, _bytes(Image.fromarray(_noise(6, 4, 2)))):
        for channels, count in (("L", 1), ("RGB", 3), ("RGBA", 4)):
            pixels = read_pixels(data, channels)  # type: ignore[arg-type]
            assert pixels.shape == (6, 4, count)
            assert pixels.dtype == np.uint8
            assert pixels.flags.c_contiguous
    assert np.array_equal(read_pixels(clear, "RGB"), lay_on_white(_noise(6, 4, 4)))
    assert (read_pixels(color, "RGBA")[:, :, 3] == 255).all()
    assert np.array_equal(read_pixels(grey, "RGB")[:, :, 2], _noise(6, 4, 1))
    luma = _noise(6, 4) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read_pixels(color, "L")[:, :, 0] - luma).max() <= 1


# ------------------------------------------------------------------------ EXIF, ICC, dpi


def test_upright_16_bit_grey_and_exif_too_long_for_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "x" * 70_000
    deep = np.arange(6, dtype=np.uint16).reshape(2, 3) * 10_000
    image = read_image(_save(tmp_path / "a.png", Image.fromarray(deep), exif=exif.tobytes()))
    assert np.array_equal((image.color[0] * 65_535).round(), np.rot90(deep, -1))
    for suffix in (".jpg", ".png"):
        write_image(tmp_path / f"b{suffix}", image)
        with Image.open(tmp_path / f"b{suffix}") as out:
            assert (0x010E in out.getexif()) == (suffix == ".png")


# ------------------------------------------------------------------------ refused


def test_frames_must_be_chosen(tmp_path: Path) -> None:
    pages = [Image.fromarray(_noise(4, 6, seed=seed)) for seed in range(3)]
    for name, options in (("a.tif", {}), ("a.png", {}), ("a.webp", {"lossless": True})):
        _save(tmp_path / name, pages[0], save_all=True, append_images=pages[1:], **options)
        with pytest.raises(DataError) as caught:
            read_image(tmp_path / name)
        assert "3 frames" in caught.value.what
        assert "--frame" in (caught.value.remedy or "")
        assert np.array_equal(_as_uint8(read_image(tmp_path / name, frame=2)), np.asarray(pages[2]))
        assert np.array_equal(_as_uint8(read_image(tmp_path / name, frame=0)), np.asarray(pages[0]))
        for frame in (3, -1):
            with pytest.raises(DataError):
                read_image(tmp_path / name, frame=frame)


# ------------------------------------------------------------------------ writing


def _image(alpha: float | None = None) -> TaggedImage:
    color = np.random.default_rng(3).random((3, 6, 4), np.float32)
    return TaggedImage.from_float(color, None if alpha is None else np.full((1, 6, 4), alpha, np.float32))


def test_formats_without_alpha_refuse_transparency_only(tmp_path: Path) -> None:
    for suffix in (".jpg", ".bmp"):
        with pytest.raises(ConfigError) as caught:
            write_image(tmp_path / f"a{suffix}", _image(0.5))
        assert caught.value.remedy == "use .png"
        write_image(tmp_path / f"a{suffix}", _image(1.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bmp", "a.jpg"]
    for suffix in (".png", ".webp", ".tif"):
        write_image(tmp_path / f"a{suffix}", _image(0.2))
        alpha = read_image(tmp_path / f"a{suffix}").alpha
        assert alpha is not None
        assert alpha.mean().item() == pytest.approx(0.2, abs=1e-6)


def test_unknown_suffix_and_sizes_a_format_cannot_hold(tmp_path: Path) -> None:
    for name in ("a", "a.gif", "a.png.txt"):
        with pytest.raises(ConfigError):
            write_image(tmp_path / name, _image())
    with pytest.raises(ConfigError, match="does not fit into WEBP"):
        write_image(tmp_path / "a.webp", TaggedImage(np.zeros((1, 16_384, 1), np.uint8)))
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_never_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    with pytest.raises(ConfigError) as caught:
        write_image(path, _image())
    assert "--overwrite" in (caught.value.remedy or "")
    assert path.read_bytes() == b"precious"
    write_image(path, _image(), overwrite=True)
    assert read_image(path).color.shape == (3, 6, 4)
    (tmp_path / "b.png").symlink_to("nowhere")
    with pytest.raises(ConfigError):
        write_image(tmp_path / "b.png", _image())
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a.png", "b.png"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    monkeypatch.setattr(os, "fsync", lambda _: path.write_bytes(b"other"))
    with pytest.raises(ConfigError, match="exists"):
        write_image(path, _image())
    assert path.read_bytes() == b"other"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_failed_writes_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, overwrite: bool
) -> None:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    if overwrite:
        (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ResourceError) as caught:
        write_image(tmp_path / "a.png", _image(), overwrite=overwrite)
    assert ("disk is full" in caught.value.what) == (code in (errno.ENOSPC, errno.EDQUOT))
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([b"old"] if overwrite else [])


def test_a_folder_that_is_missing_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("missing", "file"):
        with pytest.raises(ResourceError):
            write_image(tmp_path / folder / "a.png", _image())


def test_odd_names_and_odd_sizes(tmp_path: Path) -> None:
    draw = random.Random(0)
    for name in ("a b.png", "é'\".png", "-x.png", "🙂.png"):
        height, width = draw.choice([(1, 1), (1, 97), (300, 1)])
        write_image(tmp_path / name, TaggedImage(np.zeros((height, width, 3), np.uint8)))
        assert read_image(tmp_path / name).color.shape == (3, height, width)
