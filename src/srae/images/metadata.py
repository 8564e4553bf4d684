"""What an image file says beside its pixels: read from every format, and made to fit the one that is written."""

from __future__ import annotations

import io
import math
import struct
from dataclasses import replace
from typing import IO, NamedTuple

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from srae.images.exif import DESCRIPTION, RESOLUTION, build_user_comment, make_upright, states, with_size
from srae.images.ifd import TiffStructure
from srae.images.jpeg_segments import read_jpeg_tags, too_long
from srae.images.png_chunks import read_png_tags
from srae.images.tags import Tags
from srae.images.tiff_tags import read_density, read_tiff_tags
from srae.images.xmp import clean_xmp, resize_xmp

NAMES = {
    "icc": "a colour profile",
    "exif": "EXIF",
    "dpi": "the resolution",
    "aspect": "the shape of pixels",
    "xmp": "XMP",
    "iptc": "IPTC",
    "texts": "comments and texts",
    "color": "what the samples mean (PNG's cICP, gAMA, cHRM)",
    "geo": "the place on Earth (GeoTIFF)",
}
"""The fields of `Tags`, as users call them."""
KEPT: dict[str, frozenset[str]] = {
    "PNG": frozenset(("icc", "exif", "dpi", "aspect", "xmp", "iptc", "texts", "color")),
    "JPEG": frozenset(("icc", "exif", "dpi", "aspect", "xmp", "iptc", "texts")),
    "WEBP": frozenset(("icc", "exif", "xmp")),
    "TIFF": frozenset(("icc", "exif", "dpi", "aspect", "xmp", "iptc", "texts", "geo")),
    "BMP": frozenset(("dpi",)),
    "AVIF": frozenset(("icc", "exif", "xmp")),
    "JXL": frozenset(("icc", "exif", "xmp")),  # of profiles sRGB alone, which needs none: see `check_profile`
}
"""The fields of `Tags` that a format holds when srae writes it."""
_ORIENTATION = 274  # TIFF's tag
_LONGEST_XMP = 2**24
_SRGB = {b"sRGB": None, b"cICP": b"\1\x0d\0\1", b"gAMA": struct.pack(">I", 45_455)}
_SRGB[b"cHRM"] = struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
"""Of the chunks in `Tags.color`, what says sRGB; None: anything."""
_PROMPT = "parameters"  # where generators of images keep it in a PNG; elsewhere it is EXIF's comment


class FoundTags(NamedTuple):
    """Of one image in a file.

    Attributes:
        orientation: 1 to 8 as in EXIF; how the pixels lie. `tags` belong to the upright image.
        notes: for the user: what of the file `tags` do not hold.
    """

    tags: Tags
    orientation: int = 1
    notes: tuple[str, ...] = ()


def read_tags(file: IO[bytes], image: Image.Image) -> FoundTags:
    """Never an error: what is damaged is left out, and said.

    Args:
        file: the whole file; its position changes.
        image: the same file, opened by Pillow at the frame that is meant; loaded or not.
    """
    if isinstance(image, TiffImageFile):
        found = read_page_tags(file, image.tag_v2.offset)
        # Pillow turns TIFFs upright when it loads them, and then forgets the tag.
        return found if _ORIENTATION in image.tag_v2 else found._replace(orientation=1)
    if image.format == "PNG":
        tags, exif, xmp, notes = read_png_tags(file)
    elif isinstance(image, JpegImageFile):
        tags, exif, xmp, notes = read_jpeg_tags(image)
        tags = replace(tags, dpi=_dpi(image))
    else:
        tags, exif, xmp, notes = Tags(image.info.get("icc_profile") or None, dpi=_dpi(image)), *_from_info(image), ()
    return _upright(tags, exif, xmp, notes)


def read_page_tags(file: IO[bytes], offset: int | None) -> FoundTags:
    """As `read_tags`, of the page of a TIFF whose directory is at `offset`; None: the first."""
    try:
        tags, orientation, xmp, notes = read_tiff_tags(file, offset)
    except ValueError as error:
        return FoundTags(Tags(), 1, (f"tags of this TIFF left out: {error}",))
    return _upright(tags, tags.exif, xmp, notes, orientation if orientation in range(2, 9) else 1)


def _from_info(image: Image.Image) -> tuple[bytes | None, bytes | None]:
    """EXIF and XMP as Pillow's plugins give them."""
    exif, xmp = image.info.get("exif"), image.info.get("xmp")
    return exif if isinstance(exif, bytes) else None, xmp.encode() if isinstance(xmp, str) else xmp


def _upright(
    tags: Tags, exif: bytes | None, xmp: bytes | None, notes: tuple[str, ...], orientation: int = 1
) -> FoundTags:
    """Args: orientation: where EXIF does not say."""
    if exif:
        try:
            exif, stated, thumbnail_lost = make_upright(exif)
            orientation = stated if stated > 1 else orientation
        except ValueError as error:
            exif, thumbnail_lost = None, False
            notes += (f"EXIF is damaged ({error}) and left out",)
        if thumbnail_lost:
            notes += ("EXIF's thumbnail left out: it is not upright",)
    if xmp and len(xmp) > _LONGEST_XMP:
        xmp = None
        notes += (f"XMP of more than {_LONGEST_XMP >> 20} MiB left out",)
    dpi, aspect = tags.dpi, tags.aspect
    if orientation > 4:
        dpi, aspect = dpi and (dpi[1], dpi[0]), aspect and (aspect[1], aspect[0])
    if exif and not dpi and not aspect:
        dpi, aspect = _density(exif)
    tags = replace(tags, exif=exif or None, xmp=clean_xmp(xmp) if xmp else None, dpi=dpi, aspect=aspect)
    return FoundTags(tags, orientation, notes)


def _density(exif: bytes) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """As an upright EXIF block states it."""
    block = TiffStructure(io.BytesIO(exif))
    return read_density(block, block.read_directory(block.first))


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if math.isfinite(x + y) and min(x, y) > 0 else None


# ------------------------------------------------------------------------- to be written


class FittedTags(NamedTuple):
    """Attributes: notes: for the user, a line for each kind that the format does not hold."""

    tags: Tags
    notes: tuple[str, ...]


def fit_tags(tags: Tags, kind: str, height: int, width: int) -> FittedTags:
    """What goes into a file of this format with an image of this size.

    Args:
        kind: a key of `KEPT`.
    """
    kept, notes = KEPT[kind], []
    if tags.exif is None and "exif" in kept and kind != "PNG":
        tags = _prompt_to_exif(tags)
    exif = with_size(tags.exif, height, width) if tags.exif else None
    xmp = resize_xmp(tags.xmp, height, width) if tags.xmp else None
    fitted = replace(tags, exif=exif, xmp=xmp)
    for field, name in NAMES.items():
        if getattr(tags, field) and field not in kept:
            fitted = replace(fitted, **{field: getattr(Tags, field)})
            if not _is_kept_elsewhere(field, tags):
                notes.append(f"{kind} cannot hold {name}: left out")
    if kind == "TIFF" and fitted.texts and exif and states(exif, DESCRIPTION):
        fitted = replace(fitted, texts=())
        notes.append("TIFF has one description, EXIF's: comments and texts left out")
    for field in too_long(fitted) if kind == "JPEG" else ():
        fitted = replace(fitted, **{field: getattr(Tags, field)})
        notes.append(f"{kind} cannot hold more than 64 KiB of {NAMES[field]}: left out")
    return FittedTags(fitted, tuple(notes))


def _prompt_to_exif(tags: Tags) -> Tags:
    """The prompt of an image generator, where such programs look for it."""
    prompt = next((text for text in tags.texts if text.keyword == _PROMPT), None)
    words = prompt and prompt.words()
    if not words:
        return tags
    return replace(tags, exif=build_user_comment(words), texts=tuple(text for text in tags.texts if text is not prompt))


def _is_kept_elsewhere(field: str, tags: Tags) -> bool:
    if field == "dpi":
        return tags.exif is not None and states(tags.exif, RESOLUTION)
    return field == "color" and _is_srgb(tags.color)


def _is_srgb(color: tuple[tuple[bytes, bytes], ...]) -> bool:
    return all(kind in _SRGB and _SRGB[kind] in (None, data) for kind, data in color)
