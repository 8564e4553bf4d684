"""The segments of a JPEG that are not pixels: XMP, IPTC, comments; a second image behind the first is told of."""

from __future__ import annotations

import io
import struct
from typing import NamedTuple

from PIL.JpegImagePlugin import JpegImageFile

from srae.images.exif import EXIF_PREFIX
from srae.images.ifd import TiffStructure
from srae.images.iptc import find_iptc, pack_resources
from srae.images.tags import CREDENTIALS_NOTE, Tags
from srae.images.texts import read_comment, write_comments
from srae.images.xmp import XMP_PREFIX, has_gain_map, has_video, without_padding

LONGEST = 65_533
"""Bytes in a segment."""
_PHOTOSHOP, _EXTENDED = b"Photoshop 3.0\0", b"http://ns.adobe.com/xmp/extension/\0"
_ISO_GAIN_MAP, _MULTI_PICTURE, _IMAGES = b"urn:iso:std:iso:ts:21496:-1\0", b"MPF\0", 0xB001


class JpegTags(NamedTuple):
    """Attributes: exif, xmp: as found."""

    tags: Tags
    exif: bytes | None
    xmp: bytes | None
    notes: tuple[str, ...]


def read_jpeg_tags(image: JpegImageFile) -> JpegTags:
    """Of a JPEG that Pillow has opened."""
    info, segments = image.info, image.applist
    resources = b"".join(_contents(segments, "APP13", _PHOTOSHOP))
    texts = tuple(read_comment(data) for data in _contents(segments, "COM", b"") if data.strip(b"\0 "))
    aspect = None
    if info.get("jfif_unit") == 0:
        x, y = info["jfif_density"]
        aspect = (float(x), float(y)) if x != y and min(x, y) > 0 else None
    xmp = info.get("xmp")
    tags = Tags(info.get("icc_profile") or None, aspect=aspect, iptc=find_iptc(resources), texts=texts)
    return JpegTags(tags, info.get("exif"), xmp, tuple(_lost(segments, xmp or b"")))


def _contents(segments: list[tuple[str, bytes]], name: str, prefix: bytes) -> list[bytes]:
    return [data[len(prefix) :] for kind, data in segments if kind == name and data.startswith(prefix)]


def _lost(segments: list[tuple[str, bytes]], xmp: bytes) -> list[str]:
    """Remarks about what a file holds behind the image, which is not read."""
    notes = []
    if has_gain_map(xmp) or _contents(segments, "APP2", _ISO_GAIN_MAP):
        notes.append("HDR gain map left out: the result is the SDR image")
    elif (images := _count_images(segments)) > 1:
        notes.append(f"{images - 1} more in this file left out (second view, preview, depth or gain map)")
    if has_video(xmp):
        notes.append("the video of this motion photo left out")
    if _contents(segments, "APP1", _EXTENDED):
        notes.append("extended XMP left out (depth maps, lists of edits)")
    if any(b"jumb" in data[:64] for data in _contents(segments, "APP11", b"JP")):
        notes.append(CREDENTIALS_NOTE)
    return notes


def _count_images(segments: list[tuple[str, bytes]]) -> int:
    """As a multi-picture file (CIPA DC-007) states; 1 for every other."""
    for data in _contents(segments, "APP2", _MULTI_PICTURE):
        try:
            index = TiffStructure(io.BytesIO(data))
            return index.integer(index.read_directory(index.first).entries.get(_IMAGES)) or 1
        except ValueError:
            continue
    return 1


# ------------------------------------------------------------------------- written


def pack_segments(tags: Tags) -> bytes:
    """XMP, IPTC and comments, which `too_long` has found short enough."""
    segments = [(0xFE, data) for data in write_comments(tags.texts)]
    if tags.xmp:
        segments.insert(0, (0xE1, XMP_PREFIX + without_padding(tags.xmp)))
    if tags.iptc:
        segments.insert(0, (0xED, _PHOTOSHOP + pack_resources(tags.iptc)))
    return b"".join(struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data for kind, data in segments)


def too_long(tags: Tags) -> list[str]:
    """The fields of `tags` of which something is longer than a segment."""
    lengths = {
        "exif": len(EXIF_PREFIX) + len((tags.exif or b"").removeprefix(EXIF_PREFIX)),
        "xmp": len(XMP_PREFIX) + len(without_padding(tags.xmp or b"")),
        "iptc": len(_PHOTOSHOP) + len(pack_resources(tags.iptc or b"")),
        "texts": max(map(len, write_comments(tags.texts)), default=0),
    }
    return [field for field, length in lengths.items() if length > LONGEST]
