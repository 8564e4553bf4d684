"""JPEG in bands: Pillow encodes some rows at a time, restart markers join them (ITU-T T.81, B.2.1).

Pillow wants the whole image, four bytes a pixel.  The encoder forgets all it
knows at a restart marker, so bands that were encoded apart are the same image.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from srae.images.bands import BYTES
from srae.images.exif import EXIF_PREFIX
from srae.images.jpeg_segments import pack_segments
from srae.images.tags import Tags

_MOST_BLOCKS = 65_535  # between two markers


def write_jpeg(
    file: BinaryIO, pixels: np.ndarray, to_image: Callable[[np.ndarray], Image.Image], tags: Tags, *, quality: int
) -> None:
    """uint8 (H, W, 1|3); 4:4:4, because the point of the output is its detail; tags from `metadata.fit_tags`."""
    options = {"quality": quality, "subsampling": 0}
    height, width = pixels.shape[:2]
    across = -(-width // 8)
    step = 8 * max(1, min(_MOST_BLOCKS // across, BYTES // pixels[:8].nbytes))
    for number, top in enumerate(range(0, height, step)):
        band = io.BytesIO()
        to_image(pixels[top : top + step]).save(band, format="JPEG", **options, **({} if number else _metadata(tags)))
        data = bytearray(band.getvalue())
        if tags.aspect and not number:
            _set_aspect(data, tags.aspect)
        frame, scan, begin = _find_segments(data)
        if number:
            file.write(bytes((0xFF, 0xD0 + (number - 1) % 8)))
        elif height <= step:
            file.write(data[:begin])
        else:
            data[frame + 5 : frame + 7] = struct.pack(">H", height)
            interval = struct.pack(">HHH", 0xFFDD, 4, across * step // 8)
            file.write(data[:scan] + interval + data[scan:begin])
        file.write(data[begin:-2])
    file.write(b"\xff\xd9")


def _metadata(tags: Tags) -> dict[str, Any]:
    """As options of Pillow's encoder."""
    exif = tags.exif and EXIF_PREFIX + tags.exif.removeprefix(EXIF_PREFIX)
    wanted = {"icc_profile": tags.icc, "exif": exif, "dpi": tags.dpi, "extra": pack_segments(tags)}
    return {key: value for key, value in wanted.items() if value}


def _set_aspect(data: bytearray, aspect: tuple[float, float]) -> None:
    """Density without a unit, in the JFIF segment, with which Pillow begins."""
    finest = max(1.0, max(aspect) / 65_535)
    data[13:18] = struct.pack(">BHH", 0, *(max(1, round(value / finest)) for value in aspect))


def _find_segments(data: bytearray) -> tuple[int, int, int]:
    """Where the frame's segment begins, the scan's segment, and the scan."""
    place, frame = 2, 0
    while data[place + 1] != 0xDA:
        if data[place + 1] == 0xC0:
            frame = place
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return frame, place, place + 2 + struct.unpack_from(">H", data, place + 2)[0]
