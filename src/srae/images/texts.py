"""Texts in image files: those of a PNG, which have a keyword and may be compressed, and comments.  Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

MOST_BYTES = 2**24
"""Of what is unpacked from a file; more is left out."""
_COMMENT = "Comment"


@dataclass(frozen=True)
class Text:
    """A text as it stands in a PNG.

    Attributes:
        chunk: tEXt, zTXt or iTXt.
        data: of the chunk: keyword, NUL, and the text, which may be compressed.
    """

    chunk: bytes
    data: bytes

    @property
    def keyword(self) -> str:
        return self.data.partition(b"\0")[0].decode("latin-1")

    def unpack(self) -> bytes | None:
        """The text in Latin-1, or in UTF-8 for iTXt; None when it is damaged or too long."""
        rest = self.data.partition(b"\0")[2]
        if self.chunk == b"tEXt":
            return rest
        if self.chunk == b"zTXt":
            return unpack(rest[1:])
        packed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)  # language, translated keyword, text
        return None if len(parts) < 3 else unpack(parts[2]) if packed else parts[2]

    def words(self) -> str | None:
        """The same as a string."""
        value = self.unpack()
        return None if value is None else value.decode("utf-8" if self.chunk == b"iTXt" else "latin-1", "replace")


def unpack(data: bytes) -> bytes | None:
    """What zlib packed; None when it is damaged or too long."""
    unpacker = zlib.decompressobj()
    try:
        value = unpacker.decompress(data, MOST_BYTES)
    except zlib.error:
        return None
    return value if unpacker.eof else None


def read_comment(data: bytes) -> Text:
    """A comment of a JPEG.  Nobody says in which letters it is written: UTF-8 if it can be, else bytes as they are."""
    data = data.rstrip(b"\0")
    try:
        utf8 = not data.isascii() and bool(data.decode("utf-8"))
    except UnicodeDecodeError:
        utf8 = False
    return Text(b"iTXt", b"Comment\0\0\0\0\0" + data) if utf8 else Text(b"tEXt", b"Comment\0" + data)


def write_comments(texts: Iterable[Text]) -> list[bytes]:
    """For formats whose texts have no keywords: a comment as it was read, others begin with their keyword."""
    comments = []
    for text in texts:
        value = text.unpack() if text.keyword == _COMMENT else f"{text.keyword}: {text.words() or ''}".encode()
        comments.append(value or b"")
    return [comment for comment in comments if comment]
