"""The formats of image files: one row each says how it is named and recognised, what it holds, and what it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any

from srae.errors import ConfigError


@dataclass(frozen=True)
class Format:
    """A row of the table.

    Attributes:
        name: in code and in messages, Pillow's name where it has one.
        suffixes: of its files; a result has the suffix of its source, and the first where another format was asked for.
        magic: pattern of the first bytes; None: it has none, the suffix decides.
        reads: bits of a sample that are read, 32 for floats.
        writes: bits of a sample that are written, 32 for floats; none: it is only read.
        aliases: suffixes that are read only; results are given the first of `suffixes`.
        alpha: transparency is written.
        quality: `--quality` matters.
        animates: several frames are read and, with `writes`, written.
        longest_side: in pixels, of what is written.
        pillow: the plugins of Pillow that may open it.
        modules: what it needs beside Pillow's core.
        install: what to give pip for it.
    """

    name: str
    suffixes: tuple[str, ...]
    magic: bytes | None
    reads: tuple[int, ...] = (8,)
    writes: tuple[int, ...] = ()
    aliases: tuple[str, ...] = ()
    alpha: bool = True
    quality: bool = False
    animates: bool = False
    longest_side: int = 2**31 - 1
    pillow: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    install: str = ""

    @property
    def missing(self) -> str:
        """Which of `modules` cannot be imported, and why; empty where the format can be used."""
        return _missing(self.modules)

    @property
    def remedy(self) -> str:
        return f"pip install {self.install}"

    def describe(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {
            "name": self.name,
            "suffixes": [*self.suffixes, *self.aliases],
            "reads_bits": list(self.reads),
            "writes_bits": list(self.writes),
            "writes_alpha": bool(self.writes) and self.alpha,
            "quality": self.quality,
            "longest_side": self.longest_side if self.writes else None,
            "installed": not self.missing,
            "install": self.remedy if self.install else None,
        }


@cache
def _missing(modules: tuple[str, ...]) -> str:
    try:
        for name in modules:
            import_module(name)
    except Exception as error:  # a library that is there but broken raises anything
        return str(error)
    return ""


_BOX = rb"\0\0\0."  # length of the first box of a file in the ISO base media format
TABLE = (
    Format("PNG", (".png",), rb"\x89PNG\r\n\x1a\n", (8, 16), (8, 16), (".apng",), animates=True),
    Format(
        "JPEG",
        (".jpg", ".jpeg"),
        rb"\xff\xd8\xff",
        writes=(8,),
        aliases=(".jfif", ".jpe", ".jif", ".mpo"),
        alpha=False,
        quality=True,
        longest_side=65_535,
    ),
    Format("WEBP", (".webp",), rb"RIFF....WEBP", writes=(8,), quality=True, animates=True, longest_side=16_383),
    Format(
        "BMP",
        (".bmp",),
        rb"BM|[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",  # .dib may lack the header of the file
        writes=(8,),
        aliases=(".dib",),
        alpha=False,
        pillow=("BMP", "DIB"),
    ),
    Format("TIFF", (".tif", ".tiff"), rb"II[*+]\0|MM\0[*+]", (8, 16, 32), (8, 16, 32)),
    Format(
        "AVIF",
        (".avif",),
        _BOX + rb"ftyp(?:avi[fs]|mi[fa][1f].{4,40}avi[fs])",
        (8, 16),
        (8,),
        (".avifs",),
        quality=True,
        animates=True,
        longest_side=65_535,
        modules=("PIL._avif",),
        install="--upgrade pillow",
    ),
    Format(
        "JXL",
        (".jxl",),
        rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
        (8, 16),
        (8,),  # imagecodecs and pillow-jxl-plugin mark what has 16 bits as linear light
        quality=True,
        modules=("pillow_jxl", "imagecodecs"),
        install="'srae[jxl]'",
    ),
    Format(
        "HEIF",
        (".heic", ".heif"),
        _BOX + rb"ftyp(?:he[iv][cxms]|m[is][fa]1)",
        (8, 16),
        aliases=(".hif", ".heics", ".heifs"),
        modules=("pillow_heif",),
        install="'srae[heif]'",
    ),
    Format(
        "JPEG2000",
        (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
        rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
        (8, 16),
    ),
    Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), rb"P[1-6]\s", (8, 16)),
    Format("GIF", (".gif",), rb"GIF8[79]a", animates=True),
    Format("TGA", (".tga",), None),
)
BY_NAME = {row.name: row for row in TABLE}
BY_SUFFIX = {suffix: row for row in TABLE for suffix in (*row.suffixes, *row.aliases)}
EXTENSIONS = frozenset(BY_SUFFIX)
"""What an image's name may end in, in small letters."""
ACCEPTED = f"{', '.join(row.name for row in TABLE)} are accepted"
_LONGEST_MAGIC = 64

_OTHER_KINDS = {
    "camera raws": (
        ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .kdc .mrw .nef .nrw .orf .pef .raf .raw .rw2 .sr2 .srf .srw .x3f",
        "develop them first",
    ),
    "videos": (".3gp .avi .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .webm .wmv", "extract their frames first"),
    "drawings": (".ai .cdr .eps .pdf .ps .psd .svg .svgz .xcf", "export them as PNG"),
    "other images": (
        ".dds .exr .fit .fits .hdr .ico .pcx .pfm .qoi .sgi .xpm",
        "convert them to PNG or TIFF",
    ),
}
OTHERS = {suffix: (kind, remedy) for kind, (all_, remedy) in _OTHER_KINDS.items() for suffix in all_.split()}
"""Suffix -> what people call such a file, and what to do with it, of images that srae does not read."""


def identify(head: bytes, suffix: str = "") -> Format | None:
    """The format of a file by its first bytes.

    Args:
        head: at least 64 bytes, or all there are.
        suffix: of its name; counts only for formats without a magic number.
    """
    for row in TABLE:
        if row.magic is None:
            if suffix.lower() in row.suffixes:
                return row
        elif re.match(row.magic, head[:_LONGEST_MAGIC], re.DOTALL):
            return row
    return None


def explain_unknown(name: str) -> str:
    """What to do with a file that is no image srae reads, by its name."""
    kind, remedy = OTHERS.get(PurePath(name).suffix.lower(), ("", ""))
    return f"{kind}: {remedy}; {ACCEPTED}" if kind else ACCEPTED


def result_suffix(source: Path) -> str:
    """How the result of this source ends: as the source, or as a near format that can be written; most often PNG."""
    row = BY_SUFFIX.get(source.suffix.lower())
    if row is None or not row.writes or row.missing:
        return ".png"
    return source.suffix if source.suffix.lower() in row.suffixes else row.suffixes[0]


def format_of(path: Path) -> str:
    """The name of the format in which a file is written.

    Raises:
        ConfigError: the suffix names none that can be written here.
    """
    row = BY_SUFFIX.get(path.suffix.lower())
    if row is None or not row.writes:
        what = f"cannot write {path.suffix or 'a file without suffix'}"
        known = " ".join(one.suffixes[0] for one in TABLE if one.writes)
        raise ConfigError(what, str(path), f"use one of {known}")
    if row.missing:
        raise ConfigError(f"{row.name} is not installed: {row.missing}", str(path), row.remedy)
    return row.name


def check_fit(path: Path, height: int, width: int, *, transparent: bool) -> None:
    """Whether the format that the suffix names can hold such an image.

    Raises:
        ConfigError: it is too large, or transparent and the format is not.
    """
    row = BY_NAME[format_of(path)]
    if max(height, width) > row.longest_side:
        raise ConfigError(f"{width}x{height} does not fit into {row.name}", str(path), "use .png")
    if transparent and not row.alpha:
        raise ConfigError(f"{row.name} cannot hold transparency", str(path), "use .png")


def keeps_depth(kind: str, bits: int) -> bool:
    """Whether samples of so many bits, 32 for floats, stay what they are in this format."""
    return bits in BY_NAME[kind].writes


def memory_to_encode(kind: str, pixels: int, quality: int | None) -> int:
    """Bytes that the encoder takes besides the pixels; of libwebp, libaom and libjxl as measured."""
    lossless = quality is None
    return pixels * {"WEBP": 40 if lossless else 12, "AVIF": 40, "JXL": 20, "BMP": 4}.get(kind, 0)
