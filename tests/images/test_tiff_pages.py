"""Which pages of a TIFF are images."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from srae.errors import DataError
from srae.images.decode import count_frames, decode, read_size

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)


def write_pages(path: Path, *kinds: int) -> Path:
    """A TIFF with a page for each NewSubfileType; page i is i brighter."""
    with tifffile.TiffWriter(path) as tiff:
        for number, kind in enumerate(kinds):
            if kind & 4:
                tiff.write(PIXELS[:, :, 0] > 99, photometric=4, subfiletype=kind, metadata=None)
            else:
                tiff.write(PIXELS // 2 + number, photometric="rgb", subfiletype=kind, metadata=None)
    return path


@pytest.mark.parametrize(
    ("kinds", "images"),
    [((0,), 1), ((0, 0, 0), 3), ((0, 1, 1), 1), ((0, 4), 1), ((0, 5, 1), 1), ((1, 0), 1), ((2, 2), 2), ((1,), 1)],
)
def test_reduced_pages_and_masks_are_no_pages(tmp_path: Path, kinds: tuple[int, ...], images: int) -> None:
    path = write_pages(tmp_path / "a.tif", *kinds)
    assert count_frames(path) == images
    places = [place for place, kind in enumerate(kinds) if not kind & 5] or [0]
    for frame in range(images):
        found = decode(path, "a", frame=frame)
        assert np.array_equal(found.pixels, PIXELS // 2 + places[frame])
        assert len(found.notes) == any(kind & 4 for kind in kinds), "a mask that is left out is said"
    for frame in {None if images > 1 else images, images}:
        with pytest.raises(DataError):
            decode(path, "a", frame=frame)


def test_frames_of_other_files_are_counted(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(PIXELS, shift)) for shift in range(3)]
    for suffix, kind, count in ((".png", "PNG", 3), (".webp", "WEBP", 3), (".jpg", "MPO", 1)):
        path = tmp_path / f"a{suffix}"
        frames[0].save(path, kind, save_all=True, append_images=frames[1:])
        assert count_frames(path) == count
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 2**21)
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], pnginfo=info)
    assert count_frames(tmp_path / "a.png") == 3, "although Pillow refuses its text"
    (tmp_path / "b.png").write_bytes(b"no image")
    assert count_frames(tmp_path / "b.png") == count_frames(tmp_path / "c.png") == 1


def test_a_damaged_last_page_is_not_counted(tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.tif", 0, 0)
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages[1].offset
    data = bytearray(path.read_bytes())
    data[last : last + 2] = b"\xff\xff"
    path.write_bytes(data)
    assert count_frames(path) == 1


def test_pages_of_different_layouts_are_read_one_by_one(tmp_path: Path) -> None:
    """Also where Pillow knows neither the first nor the one before."""
    pages = [np.float32(PIXELS), PIXELS, PIXELS.astype(np.uint16) * 257, PIXELS[:, :, 0], np.int16(PIXELS) - 200]
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page in pages:
            tiff.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", compression="zlib", metadata=None)
    assert read_size(tmp_path / "a.tif") == PIXELS.shape[:2]
    for frame, page in enumerate(pages):
        found = decode(tmp_path / "a.tif", "a", frame=frame).pixels
        assert np.array_equal(found, page.reshape(found.shape))


DNG = (50706, 1, 4, (1, 4, 0, 0), True)


@pytest.mark.parametrize(
    ("first", "below"),
    [
        ({"subfiletype": 1}, {"photometric": 32803}),  # a preview, and a colour filter array
        ({"subfiletype": 1}, {"photometric": "minisblack"}),
        ({"subfiletype": 0}, {"photometric": 34892, "planarconfig": 1}),  # linear raw
        ({"subfiletype": 0}, {"photometric": "rgb"}),  # larger than what opens
        ({"extratags": [DNG]}, None),
        ({"photometric": 32803}, None),
    ],
)
def test_raw_files_are_refused(tmp_path: Path, first: dict[str, Any], below: dict[str, Any] | None) -> None:
    preview = PIXELS[:, :, 0] if first.get("photometric") == 32803 else PIXELS
    with tifffile.TiffWriter(tmp_path / "a.dng") as tiff:
        tiff.write(preview, **{"photometric": "rgb", "subifds": int(below is not None), "metadata": None} | first)
        if below:
            large = np.zeros((80, 120, 3) if below["photometric"] in ("rgb", 34892) else (80, 120), np.uint16)
            tiff.write(large, metadata=None, **below)
    with pytest.raises(DataError, match="a camera's raw file"):
        decode(tmp_path / "a.dng", "a")


def test_smaller_images_below_a_page_are_its_overviews(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tiff:
        tiff.write(PIXELS, photometric="rgb", subifds=1)
        tiff.write(PIXELS[::2, ::2], photometric="rgb", subfiletype=1)
    assert np.array_equal(decode(tmp_path / "a.ome.tif", "a").pixels, PIXELS)


@pytest.mark.parametrize(
    ("dtype", "compression"), [("u1", None), ("u1", "lzw"), ("u1", "jpeg"), ("u2", "lzw"), ("f4", "zlib")]
)
def test_pillows_limit_is_not_asked(monkeypatch: pytest.MonkeyPatch, compression: str | None, dtype: str) -> None:
    """Which it checks when it opens a TIFF and again when it loads the pixels."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    file = io.BytesIO()
    tifffile.imwrite(file, PIXELS.astype(dtype), photometric="rgb", compression=compression)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(file.getvalue(), "a", max_pixels=PIXELS.size // 3).pixels.shape == PIXELS.shape
    with pytest.raises(DataError, match="12x8 is more than 95 pixels"):
        decode(file.getvalue(), "a", max_pixels=PIXELS.size // 3 - 1)
