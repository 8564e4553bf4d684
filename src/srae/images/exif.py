"""EXIF blocks, changed where they stand.

Maker notes hold offsets that count from the beginning of the block, in ways
that only their camera's maker knows.  So nothing in a block may move: the
orientation and the sizes are overwritten, every other byte stays.  A block is
built anew only from the directories of a TIFF file, which has none.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import NamedTuple

from srae.images.ifd import LONG, SHORT, UNDEFINED, Entry, Field, TiffStructure, pack_directory, pack_header

EXIF_PREFIX = b"Exif\0\0"
HEADER = 16  # bytes of a BigTIFF's
DESCRIPTION, RESOLUTION = 270, 282
_X, _Y = RESOLUTION, 283
_ORIENTATION, _WIDTH, _HEIGHT, _EXIF_WIDTH, _EXIF_HEIGHT = 274, 256, 257, 40_962, 40_963
EXIF_IFD, _GPS_IFD, _INTEROP_IFD, _MAKER_NOTE, _USER_COMMENT = 34_665, 34_853, 40_965, 37_500, 37_510
DESCRIPTIVE = frozenset((269, 270, 271, 272, 285, 305, 306, 315, 316, 18_246, 18_249, 33_432, *range(40_091, 40_096)))
"""Tags of a TIFF's directory that say something about the image, not how its pixels lie in the file.

Names of document and page, description, make, model, software, date, artist,
computer, rating, copyright, and Windows' five texts.
"""
Append = Callable[[list[Field]], int]
"""Writes a directory at the end of what there is, and says where it begins."""
_NEAR = 60_000  # offset up to which a maker note that is copied from a TIFF keeps its own


class Upright(NamedTuple):
    """An EXIF block whose orientation is 1 now, and what it was.

    Attributes:
        thumbnail_lost: the block's thumbnail lies as the pixels did, and is not linked any more.
    """

    exif: bytes
    orientation: int
    thumbnail_lost: bool = False


def make_upright(exif: bytes) -> Upright:
    """Raises: ValueError: not an EXIF block, or damaged at its beginning."""
    block = bytearray(exif.removeprefix(EXIF_PREFIX))
    structure = TiffStructure(io.BytesIO(block))
    if structure.big:  # what no reader of EXIF takes
        built = build_exif(structure, structure.first)
        return make_upright(built.exif) if built.exif else Upright(b"", 1)
    directory = structure.read_directory(structure.first)
    entry = directory.entries.get(_ORIENTATION)
    orientation = structure.integer(entry)
    if entry is None or orientation is None or orientation not in range(2, 9):
        return Upright(bytes(block), 1)
    _overwrite(block, structure, entry, 1)
    if orientation > 4:
        _exchange(block, *(directory.entries.get(tag) for tag in (_X, _Y)))
    thumbnail = block[directory.next_at : directory.next_at + 4]
    block[directory.next_at : directory.next_at + 4] = bytes(len(thumbnail))
    return Upright(bytes(block), orientation, any(thumbnail))


def with_size(exif: bytes, height: int, width: int) -> bytes:
    """The sizes that the block states become these; of a block from `make_upright`."""
    block = bytearray(exif.removeprefix(EXIF_PREFIX))
    structure = TiffStructure(io.BytesIO(block))
    directory = structure.read_directory(structure.first).entries
    sizes = {_WIDTH: width, _HEIGHT: height, _EXIF_WIDTH: width, _EXIF_HEIGHT: height}
    for entries in (directory, _read_folder(structure, directory.get(EXIF_IFD))):
        for tag in sizes.keys() & entries:
            if structure.integer(entries[tag]) is not None:
                _overwrite(block, structure, entries[tag], sizes[tag])
    return bytes(block)


def _exchange(block: bytearray, one: Entry | None, other: Entry | None) -> None:
    """The values of two entries that are alike."""
    if one and other and one[1:3] == other[1:3]:
        first, second = slice(one.at + 8, one.at + 12), slice(other.at + 8, other.at + 12)
        block[first], block[second] = block[second], block[first]


def _overwrite(block: bytearray, structure: TiffStructure, entry: Entry, number: int) -> None:
    """One number in the place of a value; as SHORT, or as LONG where that is too short."""
    kind, letter = (SHORT, "HH") if number < 2**16 else (LONG, "I")
    numbers = (number, 0) if kind == SHORT else (number,)
    struct.pack_into(f"{structure.order}HHI{letter}", block, entry.at, entry.tag, kind, 1, *numbers)


def _read_folder(structure: TiffStructure, pointer: Entry | None) -> dict[int, Entry]:
    """The directory that a tag points to; empty where there is none."""
    offset = structure.integer(pointer)
    try:
        return structure.read_directory(offset).entries if offset else {}
    except ValueError:
        return {}


# ------------------------------------------------------------------ between TIFF and EXIF


class Built(NamedTuple):
    """An EXIF block of values, None where there are none.

    Attributes:
        moved: the maker note is not where it was: offsets in it may be wrong.
    """

    exif: bytes | None
    moved: bool = False


def build_exif(structure: TiffStructure, offset: int) -> Built:
    """Of what one directory of a TIFF file says about its image.

    A maker note that is near the beginning of the file keeps its offset, and so its sense.
    """
    entries = structure.read_directory(offset).entries
    fields = [structure.field(entries[tag]) for tag in sorted(DESCRIPTIVE & entries.keys())]
    folder = _read_folder(structure, entries.get(EXIF_IFD))
    note = folder.pop(_MAKER_NOTE, None)
    block, place = bytearray(8), 0
    if note:
        place = note.place if 8 <= note.place <= _NEAR and note.size > 4 else 8
        block += bytes(place - 8) + structure.data(note)
    inside = _fields(structure, folder)
    if note:
        inside.append(Field(_MAKER_NOTE, UNDEFINED, structure.data(note), place))
    interop = _fields(structure, _read_folder(structure, folder.get(_INTEROP_IFD)))
    gps = _fields(structure, _read_folder(structure, entries.get(_GPS_IFD)))

    def append(directory: list[Field]) -> int:
        block.extend(bytes(len(block) % 2))
        at = len(block)
        block.extend(pack_directory(directory, at, structure.order))
        return at

    inside += _link(_INTEROP_IFD, interop, append)
    fields += _link(EXIF_IFD, inside, append) + _link(_GPS_IFD, gps, append)
    if not fields:
        return Built(None)
    block[:8] = pack_header(structure.order, False, append(fields))
    return Built(bytes(block), note is not None and place != note.place)


def build_user_comment(text: str) -> bytes:
    """A block that holds a text and nothing else, as generators of images write their prompts into JPEG and WebP."""
    comment = Field(_USER_COMMENT, UNDEFINED, b"UNICODE\0" + text.encode("utf-16-be"))
    inside = pack_directory([comment], 26, ">")
    return pack_header(">", False, 8) + pack_directory([Field(EXIF_IFD, LONG, (26,))], 8, ">") + inside


def tiff_fields(exif: bytes, big: bool, append: Append) -> list[Field]:
    """The tags for the directory of a TIFF file that begins with this block; their values stay where they are.

    Args:
        append: writes a directory at the end of the file. A BigTIFF's have another form than the block's.
    """
    structure = TiffStructure(io.BytesIO(exif))
    entries = structure.read_directory(structure.first).entries
    placed = (entry for tag, entry in entries.items() if tag in DESCRIPTIVE)
    fields = [_in_place(structure, entry) for entry in placed]
    for tag in (EXIF_IFD, _GPS_IFD):
        folder = _read_folder(structure, entries.get(tag))
        if folder and big:
            interop = _fields(structure, _read_folder(structure, folder.get(_INTEROP_IFD)))
            inside = [_in_place(structure, entry) for number, entry in folder.items() if number != _INTEROP_IFD]
            inside += _link(_INTEROP_IFD, interop, append)
            fields += _link(tag, inside, append)
        elif folder:
            fields.append(structure.field(entries[tag]))
    return fields


def states(exif: bytes, tag: int) -> bool:
    """Whether the first directory of a block has this tag."""
    structure = TiffStructure(io.BytesIO(exif))
    return tag in structure.read_directory(structure.first).entries


def _in_place(structure: TiffStructure, entry: Entry) -> Field:
    """Its value stays where it is in the file, unless the header of the file takes the place."""
    return structure.field(entry)._replace(place=entry.place if entry.place >= HEADER else None)


def _fields(structure: TiffStructure, entries: dict[int, Entry]) -> list[Field]:
    return [structure.field(entry) for tag, entry in entries.items() if tag != _INTEROP_IFD]


def _link(tag: int, directory: list[Field], append: Append) -> list[Field]:
    """A directory is appended, and this is the tag that points to it; nothing for an empty one."""
    return [Field(tag, LONG, (append(directory),))] if directory else []
