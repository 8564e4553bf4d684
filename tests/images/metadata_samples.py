"""Bytes that say something beside the pixels, made here: EXIF blocks, XMP packets, IPTC records, chunks, segments."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

from srae.images.exif import EXIF_PREFIX
from srae.images.geotiff import GeoTags
from srae.images.ifd import Field, TiffStructure, pack_directory, pack_header
from srae.images.tags import Tags
from srae.images.texts import Text

Order = Literal["<", ">"]
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
IPTC = b"\x1c\x02\x19\x00\x03cat\x1c\x02\x78\x00\x04capt"
TEXT = Text(b"tEXt", b"Title\0a cat")
PROMPT = Text(b"iTXt", b"parameters\0\0\0\0\0a cat\nSteps: 20")
GAMMA = ((b"gAMA", struct.pack(">I", 100_000)),)
NOTE_SIZE = 40


def note(offset: int, order: Order) -> bytes:
    """A maker note as Canon and Olympus write it: a directory whose offsets count from the block's beginning."""
    owner = b"Ana's camera\0"
    directory = pack_directory([Field(9, 2, owner)], offset, order)
    return directory.ljust(NOTE_SIZE, b"\xaa")


def exif(
    orientation: int = 1,
    *,
    order: Order = "<",
    size: tuple[int, int] = (3, 5),
    extra: Iterable[Field] = (),
    sub: Iterable[Field] = (),
) -> bytes:
    """With sizes, artist, resolution, a maker note, GPS, interoperability, and a thumbnail's directory.

    Args:
        size: (height, width) that it states.
    """
    height, width = size
    block = bytearray(16)

    def append(data: bytes) -> int:
        block.extend(data + bytes(len(data) % 2))
        return len(block) - len(data) - len(data) % 2

    place = append(note(16, order))
    interop = append(pack_directory([Field(1, 2, b"R98\0")], len(block), order))
    inside = [Field(37_500, 7, note(16, order), place), Field(40_962, 3, (width,)), Field(40_963, 4, (height,))]
    inside += [Field(37_380, 10, (-1, 3)), Field(40_965, 4, (interop,)), *sub]
    folder = append(pack_directory(inside, len(block), order))
    gps = append(pack_directory([Field(1, 2, b"N\0"), Field(2, 5, (48, 1, 12, 1, 0, 1))], len(block), order))
    first = [
        Field(274, 3, (orientation,)),
        Field(315, 2, b"Ana of Graz\0"),
        Field(282, 5, (300, 1)),
        Field(283, 5, (200, 1)),
    ]
    first += [Field(34_665, 4, (folder,)), Field(34_853, 4, (gps,)), Field(256, 4, (width,)), *extra]
    at = append(pack_directory(first, len(block), order))
    thumbnail = append(pack_directory([Field(513, 4, (0,))], len(block), order))
    link = at + 2 + 12 * len(first)
    block[link : link + 4] = struct.pack(order + "I", thumbnail)
    block[:8] = pack_header(order, False, at)
    return bytes(block)


def exif_numbers(block: bytes) -> dict[int, tuple[int | float, ...]]:
    """Every tag of the first directory and of EXIF's own."""
    structure = TiffStructure(io.BytesIO(block.removeprefix(EXIF_PREFIX)))
    first = structure.read_directory(structure.first).entries
    inside = structure.read_directory(structure.integer(first[34_665]) or 0).entries if 34_665 in first else {}
    return {tag: structure.numbers(entry) for tag, entry in (first | inside).items()}


def note_owner(data: bytes) -> bytes:
    """What the maker note of a block, or of a TIFF file, says, by the offsets that are in it."""
    structure = TiffStructure(io.BytesIO(data.removeprefix(EXIF_PREFIX)))
    first = structure.read_directory(structure.first).entries
    folder = structure.read_directory(structure.integer(first[34_665]) or 0).entries
    start = folder[37_500].place
    offset = struct.unpack_from(structure.order + "I", data.removeprefix(EXIF_PREFIX), start + 2 + 8)[0]
    return data.removeprefix(EXIF_PREFIX)[offset:].partition(b"\0")[0]


def xmp(orientation: int, height: int, width: int, *, inside: str = "") -> bytes:
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:e="http://ns.adobe.com/exif/1.0/"
 tiff:Orientation="{orientation}" tiff:ImageWidth='{width}' title="a cat">
<e:PixelYDimension>{height}</e:PixelYDimension>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>{" " * 200}
<?xpacket end="w"?>""".encode()


def geo(*, is_point: bool = False, size: tuple[int, int] = (3, 5)) -> GeoTags:
    keys = (1, 1, 0, 2, 1024, 0, 1, 2, 1025, 0, 1, 2 if is_point else 1)
    fields = (
        Field(33_550, 12, (10.0, 20.0, 0.0)),
        Field(33_922, 12, (1.0, 2.0, 0.0, 500_000.0, 4_600_000.0, 0.0)),
        Field(34_735, 3, keys),
        Field(42_113, 2, b"-9999\0"),
    )
    return GeoTags(fields, size)


def everything(size: tuple[int, int] = (3, 5)) -> Tags:
    """Every field but `aspect`, which excludes `dpi`."""
    dpi = (300.0, 200.0)
    return Tags(ICC, exif(size=size), dpi, None, xmp(1, *size), IPTC, (TEXT,), GAMMA, geo(size=size))


def pixels(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(channels).integers(0, 256, (height, width, channels), dtype=np.uint8)


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (3, 5)) -> bytes:
    """Of noise, with these chunks before the pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels(*size)).save(file, "PNG")
    plain = file.getvalue()
    return plain[:33] + b"".join(chunk(kind, data) for kind, data in chunks) + plain[33:]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def jpeg(*segments: tuple[int, bytes], size: tuple[int, int] = (3, 5)) -> bytes:
    """Of noise, with these segments first."""
    file = io.BytesIO()
    Image.fromarray(pixels(*size)).save(file, "JPEG")
    head = b"".join(struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data for kind, data in segments)
    return file.getvalue()[:2] + head + file.getvalue()[2:]
