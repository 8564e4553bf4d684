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

_MOST_BLOCKS = 65_535  # between two markers


def write_jpeg(
    file: BinaryIO, pixels: np.ndarray, to_image: Callable[[np.ndarray], Image.Image], options: dict[str, Any]
) -> None:
    """uint8 (H, W, 1|3); 4:4:4, because the point of the output is its detail.

    Args:
        options: of Pillow's encoder.
    """
    height, width = pixels.shape[:2]
    across = -(-width // 8)
    step = 8 * max(1, min(_MOST_BLOCKS // across, BYTES // pixels[:8].nbytes))
    for number, top in enumerate(range(0, height, step)):
        band = io.BytesIO()
        to_image(pixels[top : top + step]).save(band, format="JPEG", subsampling=0, **options)
        data = bytearray(band.getvalue())
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


def _find_segments(data: bytearray) -> tuple[int, int, int]:
    """Where the frame's segment begins, the scan's segment, and the scan."""
    place, frame = 2, 0
    while data[place + 1] != 0xDA:
        if data[place + 1] == 0xC0:
            frame = place
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return frame, place, place + 2 + struct.unpack_from(">H", data, place + 2)[0]
