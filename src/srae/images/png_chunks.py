"""The chunks of a PNG that are not pixels (W3C PNG, third edition): read, and kept away from Pillow.

Pillow unpacks every text and profile when it opens a file, and refuses the
image for one that unpacks to more than a megabyte. Its limit is the same for
all threads of a process.  So Pillow is shown the file without these chunks.
"""

from __future__ import annotations

import io
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, NamedTuple

from srae.images.iptc import find_iptc
from srae.images.tags import CREDENTIALS_NOTE, Tags
from srae.images.texts import MOST_BYTES, Text, unpack
from srae.images.xmp import XMP_PREFIX

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_COLOR = {b"cICP": 4, b"mDCV": 24, b"cLLI": 8, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1}
"""What the samples mean, and the bytes of each."""
_HIDDEN = frozenset((*_TEXTS, *_COLOR, b"iCCP", b"eXIf", b"caBX"))
_MOST_HIDDEN = 10_000  # further ones are left to Pillow
_XMP, _IPTC = "XML:com.adobe.xmp", "Raw profile type iptc"
_WRAPPED = {
    "Raw profile type exif": "exif",
    "Raw profile type APP1": "exif",
    "Raw profile type xmp": "xmp",
    _IPTC: "iptc",
    "Raw profile type 8bim": "iptc",
}
"""Texts in which ImageMagick and exiftool put what PNG had no chunk for."""
_NAMES = {"icc": "colour profile", "exif": "EXIF", "xmp": "XMP", "iptc": "IPTC"}
_OVERHEAD = 256  # bytes that a text takes in memory beside its own
_METRE = 0.0254  # in an inch


class _Chunk(NamedTuple):
    kind: bytes
    at: int
    size: int


def is_png(file: IO[bytes]) -> bool:
    """By the first bytes; leaves the file at its start."""
    file.seek(0)
    begins = file.read(8)
    file.seek(0)
    return begins == SIGNATURE


def hide_metadata(file: IO[bytes]) -> IO[bytes]:
    """A PNG as if it had pixels only, without a copy; any other file as it is."""
    if not is_png(file):
        return file
    shown, begin, hidden = [], 0, 0
    for chunk in _chunks(file):
        if chunk.kind in _HIDDEN and hidden < _MOST_HIDDEN:
            hidden += 1
            shown.append((begin, chunk.at - 8))
            begin = chunk.at + chunk.size + 4
    shown.append((begin, file.seek(0, 2)))
    file.seek(0)
    return io.BufferedReader(_Excerpts(file, shown), 2**16) if hidden else file


class _Excerpts(io.RawIOBase):
    """Parts of a file, one after the other.

    Args:
        parts: (begin, end) of each.
    """

    def __init__(self, file: IO[bytes], parts: Iterable[tuple[int, int]]) -> None:
        self._file, self._place = file, 0
        self._parts = [part for part in parts if part[0] < part[1]]
        self._starts = [0]  # of each part in what is shown, and the end
        for begin, end in self._parts:
            self._starts.append(self._starts[-1] + end - begin)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._starts[-1]}[whence]
        self._place = max(0, origin + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        if self._place >= self._starts[-1]:
            return 0
        part = bisect_right(self._starts, self._place) - 1
        self._file.seek(self._parts[part][0] + self._place - self._starts[part])
        data = self._file.read(min(len(buffer), self._starts[part + 1] - self._place))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


class PngTags(NamedTuple):
    """Attributes: exif: as found, not turned upright.  xmp: as found."""

    tags: Tags
    exif: bytes | None
    xmp: bytes | None
    notes: tuple[str, ...]


def read_png_tags(file: IO[bytes]) -> PngTags:
    """What a PNG holds beside the pixels; damaged and oversized chunks are passed over."""
    reader = _Reader(file)
    for chunk in _chunks(file):
        reader.take(chunk)
    values = reader.values
    xmp, app1 = values.get("xmp"), values.get("exif", b"")
    if app1.startswith(XMP_PREFIX):  # in ImageMagick's words both are APP1
        values["exif"], xmp = b"", xmp or app1.removeprefix(XMP_PREFIX)
    tags = Tags(
        values.get("icc") or None,
        iptc=find_iptc(values.get("iptc", b"")),
        texts=tuple(reader.texts),
        color=tuple(reader.color.items()),
        dpi=reader.dpi,
        aspect=reader.aspect,
    )
    return PngTags(tags, values.get("exif") or None, xmp or None, tuple(reader.notes))


class _Reader:
    """Gathers chunk by chunk; of kinds that stand once, the first counts."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.values: dict[str, bytes] = {}
        self.texts: list[Text] = []
        self.color: dict[bytes, bytes] = {}
        self.dpi: tuple[float, float] | None = None
        self.aspect: tuple[float, float] | None = None
        self.notes: dict[str, None] = {}  # in the order of the file, each once
        self._left = MOST_BYTES  # for all texts together, as they stand in the file

    def take(self, chunk: _Chunk) -> None:
        kind = chunk.kind
        if kind == b"caBX":
            return self._remark(CREDENTIALS_NOTE)
        if kind not in _HIDDEN and kind != b"pHYs":
            return None
        if chunk.size > self._left:
            return self._remark(f"texts and profiles of more than {MOST_BYTES >> 20} MiB left out")
        data = _read_checked(self._file, chunk)
        if data is None:
            self._remark(f"a damaged {kind.decode()} chunk left out")
        elif kind in _TEXTS:
            self._take_text(Text(kind, data))
        elif kind == b"iCCP":
            self._keep("icc", lambda: unpack(data.partition(b"\0")[2][1:]))
        elif kind == b"eXIf":
            self._keep("exif", lambda: data)
        elif kind == b"pHYs" and chunk.size == 9:
            self._take_density(*struct.unpack(">IIB", data))
        elif chunk.size == _COLOR.get(kind):
            self.color.setdefault(kind, data)
        return None

    def _take_text(self, text: Text) -> None:
        name = text.keyword
        if name == _XMP:
            self._keep("xmp", text.unpack)
        elif name in _WRAPPED:
            self._keep(_WRAPPED[name], lambda: _unwrap(text.unpack() or b""))
        else:
            self._left -= len(text.data) + _OVERHEAD
            self.texts.append(text)

    def _keep(self, name: str, read: Callable[[], bytes | None]) -> None:
        """Only the first of each is read: a file may hold thousands that unpack to 16 MiB each."""
        if name in self.values:
            return
        value = read()
        if value is None:
            self._remark(f"{_NAMES[name]} left out: damaged, or of more than {MOST_BYTES >> 20} MiB")
        self.values[name] = value or b""

    def _remark(self, note: str) -> None:
        self.notes[note] = None

    def _take_density(self, x: int, y: int, unit: int) -> None:
        if min(x, y) > 0 and unit == 1:
            self.dpi = x * _METRE, y * _METRE
        elif min(x, y) > 0 and x != y:
            self.aspect = float(x), float(y)


def _unwrap(value: bytes) -> bytes | None:
    """Of ImageMagick's way to put bytes into a text: lines with a name, their number, and they as hexadecimal digits.

    exiftool's names have two words, `IPTC profile`.
    """
    try:
        return bytes.fromhex(b"".join(value.strip().split(b"\n", 2)[2:]).decode("ascii"))
    except ValueError:
        return None


def _chunks(file: IO[bytes]) -> Iterator[_Chunk]:
    """All of them; ends where the file is damaged."""
    end, at = file.seek(0, 2), len(SIGNATURE)
    while at + 12 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        if at + 12 + size > end:
            return
        yield _Chunk(kind, at + 8, size)
        at += 12 + size


def _read_checked(file: IO[bytes], chunk: _Chunk) -> bytes | None:
    """None where the checksum is wrong."""
    file.seek(chunk.at)
    data, check = file.read(chunk.size), file.read(4)
    return data if zlib.crc32(data, zlib.crc32(chunk.kind)) == int.from_bytes(check, "big") else None


# ------------------------------------------------------------------------- written


def metadata_chunks(tags: Tags) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of every chunk that stands between IHDR and IDAT."""
    yield from tags.color
    if tags.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(tags.icc)
    if tags.dpi:
        yield b"pHYs", _pack_density(*(value / _METRE for value in tags.dpi), unit=1)
    elif tags.aspect:
        yield b"pHYs", _pack_density(*tags.aspect, unit=0)
    if tags.exif:
        yield b"eXIf", tags.exif.removeprefix(b"Exif\0\0")
    if tags.xmp:
        yield b"iTXt", _XMP.encode() + b"\0\0\0\0\0" + tags.xmp
    if tags.iptc:
        yield b"zTXt", _IPTC.encode() + b"\0\0" + zlib.compress(_wrap(b"iptc", tags.iptc))
    for text in tags.texts:
        yield text.chunk, text.data


def _pack_density(x: float, y: float, *, unit: int) -> bytes:
    return struct.pack(">IIB", *(min(max(round(value), 1), 2**31 - 1) for value in (x, y)), unit)


def _wrap(name: bytes, value: bytes) -> bytes:
    digits = value.hex().encode()
    lines = [digits[i : i + 72] for i in range(0, len(digits), 72)]
    return b"\n%s\n%8d\n%s\n" % (name, len(value), b"\n".join(lines))
