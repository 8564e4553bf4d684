"""TIFF 6.0 and BigTIFF, compressed some rows at a time by several threads.

tifffile and Pillow write TIFFs too. tifffile has no directories of EXIF and
GPS; Pillow moves maker notes, and wants the whole image.  Here the file begins
with the EXIF block itself: every offset in it stays right.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile

from srae.images.bands import bands, in_order
from srae.images.deflate import deflate_stream
from srae.images.exif import DESCRIPTION, EXIF_PREFIX, HEADER, tiff_fields
from srae.images.geotiff import resize_geo
from srae.images.ifd import ASCII, BYTE, LONG, RATIONAL, SHORT, UNDEFINED, Field, Order, pack_directory, pack_header
from srae.images.tags import Tags
from srae.images.texts import write_comments
from srae.images.tiff_tags import ICC, IPTC, XMP

MOST_BYTES = 2**32 - 2**24
"""Of a classic TIFF, whose offsets have 32 bits, before its last directories; longer ones become BigTIFF."""
_LONG8 = 16
_DEFLATE, _DIFFERENCES, _FLOAT_DIFFERENCES = 8, 2, 3
_GREY, _RGB, _ALPHA, _FLOAT, _INCH, _NO_UNIT = 1, 2, 2, 3, 2, 1


def write_tiff(file: BinaryIO, pixels: np.ndarray, tags: Tags) -> None:
    """uint8, uint16 or float32 (H, W, 1..4), two and four channels with alpha; tags from `metadata.fit_tags`.

    Args:
        file: empty, and can be read and sought in.
    """
    exif = (tags.exif or b"").removeprefix(EXIF_PREFIX)
    order: Order = ">" if exif.startswith(b"MM") else "<"
    file.write(exif.ljust(HEADER, b"\0"))
    places, sizes = [], []
    for strip in in_order(lambda rows: deflate_stream(_differences(pixels[rows], order)), bands(pixels)):
        places.append(file.tell())
        sizes.append(len(strip))
        file.write(strip)
    big = file.tell() > MOST_BYTES

    def append(fields: list[Field]) -> int:
        at = file.tell() + file.tell() % 2
        file.write(bytes(at - file.tell()) + pack_directory(fields, at, order, big))
        return at

    offset = _LONG8 if big else LONG
    fields = {field.tag: field for field in (tiff_fields(exif, big, append) if exif else [])}
    rows = next(iter(bands(pixels)))
    layout = [Field(273, offset, places), Field(279, offset, sizes), Field(278, LONG, (rows.stop - rows.start,))]
    for field in (*_describe_pixels(pixels), *layout, *_describe_image(tags, *pixels.shape[:2])):
        fields.setdefault(field.tag, field)
    first = append(list(fields.values()))
    file.seek(0)
    file.write(pack_header(order, big, first))
    file.seek(0, 2)


def write_bands(path: Path, pixels: np.ndarray) -> None:
    """uint8, uint16 or float32 (H, W, C), whose samples are neither colours nor alpha; without any tags."""
    if pixels.shape[2] == 1:  # tifffile would take rows for pages
        pixels = pixels[:, :, 0]
    none = (0,) * (pixels[0, 0].size - 1)
    tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig", extrasamples=none, compression=8)


def _describe_pixels(pixels: np.ndarray) -> list[Field]:
    height, width, channels = pixels.shape
    is_float = pixels.dtype == np.float32
    fields = [
        Field(256, LONG, (width,)),
        Field(257, LONG, (height,)),
        Field(258, SHORT, (8 * pixels.dtype.itemsize,) * channels),
        Field(259, SHORT, (_DEFLATE,)),
        Field(262, SHORT, (_GREY if channels < 3 else _RGB,)),
        Field(277, SHORT, (channels,)),
        Field(284, SHORT, (1,)),  # the samples of a pixel side by side
        Field(317, SHORT, (_FLOAT_DIFFERENCES if is_float else _DIFFERENCES,)),
    ]
    if channels in (2, 4):
        fields.append(Field(338, SHORT, (_ALPHA,)))  # not multiplied into the colours
    return [*fields, Field(339, SHORT, (_FLOAT,) * channels)] if is_float else fields


def _describe_image(tags: Tags, height: int, width: int) -> list[Field]:
    fields = resize_geo(tags.geo, height, width) if tags.geo else []
    for tag, kind, data in ((ICC, UNDEFINED, tags.icc), (XMP, BYTE, tags.xmp), (IPTC, UNDEFINED, tags.iptc)):
        if data:
            fields.append(Field(tag, kind, data))
    density = tags.dpi or tags.aspect
    if density:
        fields += [Field(282, RATIONAL, _ratio(density[0])), Field(283, RATIONAL, _ratio(density[1]))]
        fields.append(Field(296, SHORT, (_INCH if tags.dpi else _NO_UNIT,)))
    if tags.texts:
        fields.append(Field(DESCRIPTION, ASCII, b"\n".join(write_comments(tags.texts)).replace(b"\0", b" ") + b"\0"))
    return fields


def _ratio(value: float) -> tuple[int, int]:
    """Above zero, as two numbers of 32 bits."""
    if value < 2**16:
        return max(1, round(value * 2**16)), 2**16
    return min(round(value), 2**32 - 1), 1


def _differences(pixels: np.ndarray, order: Order) -> memoryview:
    """Each sample less the one to its left (TIFF 6.0, section 14); floats byte by byte (Adobe's Technical Note 3)."""
    if pixels.dtype == np.float32:
        height, width, channels = pixels.shape
        raw = np.ascontiguousarray(pixels, ">f4").view(np.uint8).reshape(height, width * channels, 4)
        pixels = raw.transpose(0, 2, 1).reshape(height, 4 * width, channels)  # first bytes of all samples come first
    rest = pixels.copy()
    rest[:, 1:] -= pixels[:, :-1]
    return np.ascontiguousarray(rest, rest.dtype.newbyteorder(order)).reshape(-1).view(np.uint8).data
