"""Image file directories: the structure that TIFF files and EXIF blocks share.  Pure bytes.

TIFF 6.0 (Adobe 1992), BigTIFF (libtiff), EXIF 3.0 (CIPA DC-008).  No library
does what EXIF needs here: to change one value where it stands, and leave every
other byte and its place alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import IO, Literal, NamedTuple

Order = Literal["<", ">"]

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, DOUBLE, IFD = 1, 2, 3, 4, 5, 7, 12, 13
_LONG8, _SLONG8, _IFD8 = 16, 17, 18
_LETTERS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "2I", 6: "b", 7: "B", 8: "h", 9: "i", 10: "2i", 11: "f", 12: "d"}
_LETTERS |= {IFD: "I", _LONG8: "Q", _SLONG8: "q", _IFD8: "Q"}
_CLASSIC = {_LONG8: LONG, _SLONG8: 9, _IFD8: IFD}  # BigTIFF's own types, and what a classic TIFF has for them
_INTEGERS = frozenset((1, 3, 4, 6, 8, 9, IFD, _LONG8, _SLONG8, _IFD8))
_BYTES = frozenset((BYTE, ASCII, UNDEFINED))
_MOST_ENTRIES = 65_535
MOST_BYTES = 2**24
"""Of one value; what is longer is passed over."""


class Entry(NamedTuple):
    """A tag of a directory that was read.

    Attributes:
        length: how many values of the type.
        at: where its entry begins.
        place: where its value begins: in the entry itself when it is short, else anywhere.
    """

    tag: int
    type: int
    length: int
    at: int
    place: int

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self.length * struct.calcsize("=" + _LETTERS[self.type])


class Directory(NamedTuple):
    """Its entries by tag, and where the pointer to the next directory stands."""

    entries: dict[int, Entry]
    next_at: int


class Field(NamedTuple):
    """A tag to be written.

    Attributes:
        value: bytes for BYTE, ASCII and UNDEFINED; else numbers, two for each rational.
        place: where in the file the value stands already; None: it is written behind the directory.
    """

    tag: int
    type: int
    value: bytes | Sequence[int | float]
    place: int | None = None


class TiffStructure:
    """A TIFF file or an EXIF block, whose directories are read one by one.

    Raises:
        ValueError: it does not begin like one.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.end = file.seek(0, 2)
        head = self._read(0, 16)
        if head[:2] not in (b"II", b"MM"):
            raise ValueError("neither II nor MM")
        self.order: Order = "<" if head[:2] == b"II" else ">"
        if len(head) < 8 or self._number("H", head[2:4]) not in (42, 43):
            raise ValueError("neither TIFF nor BigTIFF")
        self.big = self._number("H", head[2:4]) == 43
        if self.big and len(head) < 16:
            raise ValueError("no directory")
        self.first = self._number("Q", head[8:16]) if self.big else self._number("I", head[4:8])

    def read_directory(self, offset: int) -> Directory:
        """Entries of unknown types, or whose value is not in the file, are passed over.

        Raises:
            ValueError: no directory is there.
        """
        head, step = (8, 20) if self.big else (2, 12)
        count = self._number("Q" if self.big else "H", self._read(offset, head))
        raw = self._read(offset + head, min(count, _MOST_ENTRIES) * step)
        if count > _MOST_ENTRIES or len(raw) < count * step:
            raise ValueError("a directory beyond the end")
        entries: dict[int, Entry] = {}
        for start in range(0, count * step, step):
            entry = self._parse(raw[start : start + step], offset + head + start)
            if entry:
                entries.setdefault(entry.tag, entry)
        return Directory(entries, offset + head + count * step)

    def data(self, entry: Entry) -> bytes:
        """The bytes of a value, as they stand in the file."""
        return self._read(entry.place, entry.size)

    def numbers(self, entry: Entry) -> tuple[int | float, ...]:
        """The value as numbers, two for each rational."""
        letters = _LETTERS[entry.type]
        return struct.unpack(f"{self.order}{entry.length * int(letters[:-1] or 1)}{letters[-1]}", self.data(entry))

    def integer(self, entry: Entry | None) -> int | None:
        """The first number of a value of integers; None of anything else."""
        if entry is None or entry.type not in _INTEGERS or not entry.length:
            return None
        return int(self.numbers(entry)[0])

    def field(self, entry: Entry) -> Field:
        """The same tag and value, to be written elsewhere."""
        return Field(entry.tag, entry.type, self.data(entry) if entry.type in _BYTES else self.numbers(entry))

    def fields(self, entries: Iterable[Entry]) -> list[Field]:
        """As `field`, of many; numbers of 64 bits that a classic TIFF cannot hold are passed over."""
        return [field for entry in entries if _is_classic(field := self.field(entry))]

    def _parse(self, raw: bytes, at: int) -> Entry | None:
        tag, kind, count = struct.unpack_from(self.order + ("HHQ" if self.big else "HHI"), raw)
        if kind not in _LETTERS:
            return None
        head, inline = (12, 8) if self.big else (8, 4)
        entry = Entry(tag, kind, count, at, at + head)
        if entry.size > inline:
            entry = entry._replace(place=self._number("Q" if self.big else "I", raw[head:]))
        return entry if entry.size <= MOST_BYTES and entry.place + entry.size <= self.end else None

    def _read(self, offset: int, size: int) -> bytes:
        if not 0 <= offset <= self.end:
            raise ValueError("an offset beyond the end")
        self._file.seek(offset)
        return self._file.read(size)

    def _number(self, letter: str, raw: bytes) -> int:
        if len(raw) < struct.calcsize("=" + letter):
            raise ValueError("cut off")
        return int(struct.unpack(self.order + letter, raw)[0])


def _is_classic(field: Field) -> bool:
    if field.type not in _CLASSIC:
        return True
    low, high = (-(2**31), 2**31) if field.type == _SLONG8 else (0, 2**32)
    return all(low <= number < high for number in field.value)


def pack_header(order: Order, big: bool, first: int) -> bytes:
    """The first bytes of a TIFF file or EXIF block whose first directory is at `first`."""
    name = b"II" if order == "<" else b"MM"
    return name + (struct.pack(order + "HHHQ", 43, 8, 0, first) if big else struct.pack(order + "HI", 42, first))


def pack_directory(fields: Iterable[Field], at: int, order: Order, big: bool = False) -> bytes:
    """A directory that begins at `at` (an even number), none after it, and its values.

    Types that only BigTIFF has become those of classic TIFF.

    Raises:
        struct.error: a number does not fit.
    """
    fields = sorted(fields)
    head, step, inline = (8, 20, 8) if big else (2, 12, 4)
    count, pointer = ("Q", "Q") if big else ("H", "I")
    entries = struct.pack(order + count, len(fields))
    behind, place = b"", at + head + step * len(fields) + inline
    for field in fields:
        kind = field.type if big else _CLASSIC.get(field.type, field.type)
        data = pack_value(kind, field.value, order)
        number = len(data) // struct.calcsize("=" + _LETTERS[kind])
        entries += struct.pack(order + "HH" + pointer, field.tag, kind, number)
        if len(data) <= inline:
            entries += data.ljust(inline, b"\0")
        elif field.place is not None:
            entries += struct.pack(order + pointer, field.place)
        else:
            entries += struct.pack(order + pointer, place + len(behind))
            behind += data + b"\0" * (len(data) % 2)
    return entries + bytes(inline) + behind


def pack_value(kind: int, value: bytes | Sequence[int | float], order: Order) -> bytes:
    """Bytes as they are, numbers by their type."""
    if isinstance(value, bytes):
        return value
    return struct.pack(f"{order}{len(value)}{_LETTERS[kind][-1]}", *value)
