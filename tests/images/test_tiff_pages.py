"""Which pages of a TIFF are images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from srae.images.decode import count_frames

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
    assert count_frames(write_pages(tmp_path / "a.tif", *kinds)) == images


def test_frames_of_other_files_are_counted(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(PIXELS, shift)) for shift in range(3)]
    for suffix, kind, count in ((".png", "PNG", 3), (".webp", "WEBP", 3), (".jpg", "MPO", 1)):
        path = tmp_path / f"a{suffix}"
        frames[0].save(path, kind, save_all=True, append_images=frames[1:])
        assert count_frames(path) == count
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
