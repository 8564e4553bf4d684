"""What a page of a TIFF says beside its pixels."""

from __future__ import annotations

import math
from typing import IO, NamedTuple

from PIL.TiffImagePlugin import TiffImageFile

from srae.images.exif import build_exif
from srae.images.geotiff import read_geo
from srae.images.ifd import Directory, TiffStructure
from srae.images.iptc import find_iptc
from srae.images.tags import Tags

_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
_FOLDERS = {34_665, 34_853, 40_965}  # of EXIF, GPS, interoperability
_X, _Y, _UNIT, _PER_CM, _NO_UNIT = 282, 283, 296, 3, 1
XMP, IPTC, _RESOURCES, ICC = 700, 33_723, 34_377, 34_675
_LEFT_OUT = {37_724: "Photoshop's layers", 50_844: "the sensor model (RPC) of this satellite image"}


class TiffTags(NamedTuple):
    """Attributes: orientation: not applied to what is here.  xmp: as found."""

    tags: Tags
    orientation: int
    xmp: bytes | None
    notes: tuple[str, ...]


def hide_folders(image: TiffImageFile) -> None:
    """Pillow reads the directories of EXIF and GPS when it loads pixels, and fails or warns where one tag is odd."""
    exif = image.getexif()  # which Pillow asks again
    for tag in exif.keys() & _FOLDERS:
        del exif[tag]


def read_tiff_tags(file: IO[bytes], offset: int | None = None) -> TiffTags:
    """Of a classic TIFF or a BigTIFF.

    Args:
        offset: where the directory of the page is; None: the first.

    Raises:
        ValueError: there is none.
    """
    structure = TiffStructure(file)
    offset = structure.first if offset is None else offset
    directory = structure.read_directory(offset)
    exif = build_exif(structure, offset)
    notes = [f"{what} left out" for tag, what in _LEFT_OUT.items() if tag in directory.entries]
    if exif.moved:
        notes.append("the maker note was moved: offsets in it may be wrong")
    orientation = structure.integer(directory.entries.get(_ORIENTATION)) or 1
    size = tuple(structure.integer(directory.entries.get(tag)) or 0 for tag in (_HEIGHT, _WIDTH))
    geo = read_geo(structure, directory, (size[0], size[1])) if min(size) > 0 else None
    if geo and orientation in range(2, 9):
        notes.append("the place on Earth (GeoTIFF) of a turned image left out")
        geo = None
    dpi, aspect = read_density(structure, directory)
    tags = Tags(
        _data(structure, directory, ICC),
        exif.exif,
        dpi,
        aspect,
        iptc=_read_iptc(structure, directory),
        geo=geo,
    )
    return TiffTags(tags, orientation, _data(structure, directory, XMP), tuple(notes))


def _data(structure: TiffStructure, directory: Directory, tag: int) -> bytes | None:
    entry = directory.entries.get(tag)
    return (structure.data(entry) or None) if entry else None


def _read_iptc(structure: TiffStructure, directory: Directory) -> bytes | None:
    """Some writers call the bytes of it numbers of 32 bits, and some of these turn them into the file's byte order."""
    data = _data(structure, directory, IPTC) or b""
    turned = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4)) if data[3:4] == b"\x1c" else b""
    return find_iptc(data) or find_iptc(turned) or find_iptc(_data(structure, directory, _RESOURCES) or b"")


def read_density(
    structure: TiffStructure, directory: Directory
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Dots per inch, or else per nothing that has a name."""
    x, y = (_ratio(structure, directory, tag) for tag in (_X, _Y))
    if x is None or y is None:
        return None, None
    unit = structure.integer(directory.entries.get(_UNIT))
    if unit == _NO_UNIT:
        return None, (x, y) if x != y else None
    inch = 2.54 if unit == _PER_CM else 1.0
    return (x * inch, y * inch), None


def _ratio(structure: TiffStructure, directory: Directory, tag: int) -> float | None:
    """A number or a quotient of two, if it is finite and above zero."""
    entry = directory.entries.get(tag)
    numbers = structure.numbers(entry) if entry else ()
    if not numbers or (len(numbers) == 2 and numbers[1] == 0):
        return None
    value = numbers[0] / numbers[1] if len(numbers) == 2 else float(numbers[0])
    return value if math.isfinite(value) and value > 0 else None
