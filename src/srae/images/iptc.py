"""IPTC-IIM records and the Photoshop image resources in which files hold them.  Pure bytes."""

from __future__ import annotations

import struct

_IPTC = 0x0404
_RECORD = b"\x1c"  # every record begins with it


def find_iptc(data: bytes) -> bytes | None:
    """The records, of themselves or of image resources; None when there are none."""
    if data.startswith(_RECORD):
        return data
    place = 0
    while data[place : place + 4] == b"8BIM" and place + 12 <= len(data):
        name = data[place + 6] + 1
        start = place + 6 + name + name % 2 + 4
        if start > len(data):
            return None
        size = int.from_bytes(data[start - 4 : start], "big")
        if data[place + 4 : place + 6] == _IPTC.to_bytes(2, "big"):
            return data[start : start + size] or None
        place = start + size + size % 2
    return None


def pack_resources(iptc: bytes) -> bytes:
    """Image resources with these records and nothing else."""
    return b"8BIM" + struct.pack(">HHI", _IPTC, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
