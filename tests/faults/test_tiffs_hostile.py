"""F20 for TIFFs: what a file claims is checked before anything is unpacked, also where tifffile unpacks."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from one_process import PEAK, run_python
from srae.errors import DataError
from srae.images.decode import count_frames, decode, read_size


def write(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    return file.getvalue()


def patch(data: bytes, tag: int, value: int) -> bytes:
    """The same file, one number of its first directory another."""
    file = io.BytesIO(data)
    with tifffile.TiffFile(file, mode="r+") as tiff:
        found = tiff.pages.first.tags[tag]
        file.seek(found.valueoffset)
        file.write(value.to_bytes(2 if found.dtype == 3 else 4, "little"))
    return file.getvalue()


def inflating(megabytes: int) -> bytes:
    """One strip of 64x64 samples that unpacks to far more."""
    empty = np.zeros((64, 64), np.uint16)
    packed = zlib.compress(bytes(megabytes << 20), 9)
    data = write(empty, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        place = tiff.pages.first.dataoffsets[0]
    return patch(data[:place] + packed, 279, len(packed))


def stating_more(codec: str, before: bytes, after: bytes) -> bytes:
    """A tile of 64x64 whose own header says 60000x60000."""
    data = write(np.zeros((64, 64, 3), np.uint8), photometric="rgb", compression=codec, tile=(64, 64))
    assert before in data
    return data.replace(before, after)


BIG, SMALL = (60_000).to_bytes(4, "big"), (64).to_bytes(4, "big")
GREY = {"photometric": "minisblack"}
BOMBS: dict[str, Callable[[], bytes]] = {
    "pixels": lambda: patch(patch(write(np.zeros((8, 8), np.float32), **GREY), 256, 60_000), 257, 60_000),
    "samples": lambda: patch(
        patch(patch(write(np.zeros((8, 8, 3), np.uint16), photometric="rgb"), 277, 5000), 256, 8000), 257, 8000
    ),
    "tiles": lambda: patch(
        patch(write(np.zeros((16, 16), np.float32), tile=(16, 16), **GREY), 322, 60_000), 323, 60_000
    ),
    "deflate": lambda: inflating(600),
    "JPEG 2000": lambda: stating_more("jpeg2000", SMALL + SMALL + bytes(8), BIG + BIG + bytes(8)),
    "LERC": lambda: stating_more("lerc", SMALL[::-1] * 2, BIG[::-1] * 2),
}
_READ = """
import sys
if "without" in sys.argv:
    sys.modules["imagecodecs"] = None
from pathlib import Path
from srae.errors import DataError
from srae.images.decode import decode
start = peak_mb()
for path in sorted(Path().glob("*.tif")):
    try:
        print(decode(path, path.name).pixels.shape)
    except DataError as error:
        print("refused", path.stem)
print("grown", int(peak_mb() - start))
"""


@pytest.mark.parametrize("extra", ["with", "without"])
def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, extra: str) -> None:
    for name, make in BOMBS.items():
        (tmp_path / f"{name}.tif").write_bytes(make())
    done = run_python(PEAK + _READ, extra, cwd=tmp_path)
    assert done.stderr == ""
    *refused, grown = done.stdout.splitlines()
    wanted = [f"refused {name}" for name in sorted(BOMBS)]
    wanted[wanted.index("refused deflate")] = "(64, 64, 1)"  # libtiff stops where the strip should end
    assert refused == wanted
    assert int(grown.split()[1]) < 100


@pytest.mark.parametrize("length", [1, 2, 300])
def test_chains_of_directories_that_never_end(tmp_path: Path, length: int) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for _ in range(length):
            tiff.write(np.zeros((4, 4), np.float32), metadata=None, **GREY)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        offsets = [page.offset for page in tiff.pages]
        tiff.filehandle.seek(tiff.pages.next_page_offset)
        tiff.filehandle.write(offsets[length // 2].to_bytes(4, "little"))
    assert count_frames(tmp_path / "a.tif") == length
    assert decode(tmp_path / "a.tif", "a", frame=length - 1).pixels.shape == (4, 4, 1)


@pytest.mark.parametrize(
    ("tag", "value"), [(256, 0), (257, 0), (277, 0), (258, 7), (259, 54_321), (262, 999), (339, 9)]
)
def test_numbers_that_mean_nothing(tag: int, value: int) -> None:
    data = write(np.zeros((8, 8, 3), np.float32), photometric="rgb", planarconfig="contig")
    if tag == 339:
        data = write(np.zeros((8, 8), np.float32), **GREY)
    with pytest.raises(DataError):
        decode(patch(data, tag, value), "a.tif")


def test_a_later_page_that_nobody_can_read_is_no_obstacle(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(np.full((4, 4), 7, np.uint8), metadata=None, **GREY)
        tiff.write(np.zeros((4, 4), np.complex64), metadata=None, **GREY)
    assert count_frames(tmp_path / "a.tif") == 2
    assert decode(tmp_path / "a.tif", "a", frame=0).pixels.max() == 7
    with pytest.raises(DataError, match="complex"):
        decode(tmp_path / "a.tif", "a", frame=1)
    assert read_size(tmp_path / "a.tif") == (4, 4)
