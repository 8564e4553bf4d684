"""The boxes of a JPEG XL file (ISO/IEC 18181-2): XMP, which Pillow's plugin writes but does not read."""

from __future__ import annotations

import struct
from typing import IO

from srae.images.texts import MOST_BYTES

_PACKED, _XMP = b"brob", b"xml "


def read_jxl_xmp(file: IO[bytes]) -> tuple[bytes | None, tuple[str, ...]]:
    """The packet, None when there is none; and a remark where there is one that cannot be read."""
    end, at = file.seek(0, 2), 0
    while at + 8 <= end:
        file.seek(at)
        size, kind, more = struct.unpack(">I4s8s", file.read(16).ljust(16, b"\0"))
        head = 16 if size == 1 else 8
        size = int.from_bytes(more, "big") if size == 1 else size or end - at
        if size < head:
            break  # no box: pixels without a container
        if kind == _XMP and size <= MOST_BYTES:
            file.seek(at + head)
            return file.read(size - head), ()
        if kind == _XMP or (kind == _PACKED and more[:4] == _XMP):
            return None, ("XMP left out: packed, or too long",)
        at += size
    return None, ()
