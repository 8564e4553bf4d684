"""Formats of which Pillow's core reads no image, or not every bit: AVIF, HEIF, JPEG XL, JPEG 2000, 16-bit PPM.

Pillow, or its plugin, opens the file and tells what is beside the pixels; the
samples come from the library that gives all of their bits.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from srae.errors import ConfigError, DataError
from srae.images.formats import Format, format_of
from srae.images.headers import avif_bits, color_codes, read_jpeg2000, read_jxl

_SRGB = {(1, 13), (1, 1), (1, 2), (2, 2), (2, 13), (1, 6), (2, 1), (2, 6)}
"""Primaries and transfers that screens show as sRGB, or that are not stated (2)."""


class Samples(NamedTuple):
    """Pixels as decoded.

    Attributes:
        pixels: uint8 or uint16 (H, W, 1..4).
        upright: whether the decoder has turned them already, so that the orientation in EXIF means nothing.
        notes: for the user.
        color: as `Tags.color`, where the file states its colours by number.
    """

    pixels: np.ndarray
    upright: bool = False
    notes: tuple[str, ...] = ()
    color: tuple[tuple[bytes, bytes], ...] = ()


def open_image(file: IO[bytes], row: Format, check_size: Callable[[int, int], None]) -> Image.Image:
    """The opened file, nothing decoded but what a plugin decodes at once.

    Args:
        check_size: raises for a width and height that are too large.

    Raises:
        DataError: what the format needs is not installed.
    """
    if row.missing:
        raise DataError(f"{row.name} is not installed: {row.missing}", None, row.remedy)
    if row.name == "HEIF":
        return import_module("pillow_heif").HeifImageFile(file)
    if row.name == "JXL":  # its plugin decodes the image when it opens the file
        header = read_jxl(file.read())
        check_size(header.width, header.height)
        file.seek(0)
        return import_module("pillow_jxl.JpegXLImagePlugin").JXLImageFile(file)
    return Image.open(file, formats=row.pillow or (row.name,))


def find_more_bits(file: IO[bytes], image: Image.Image) -> int:
    """Bits of a sample of an opened image in a format of which Pillow's mode does not tell; 8 of all others."""
    if image.format == "HEIF":
        return int(image.info.get("bit_depth", 8))
    if image.format not in ("AVIF", "JPEG2000", "PPM"):
        return 8
    file.seek(0)
    data = file.read()
    if image.format == "PPM":
        return 16 if image.mode == "RGB" and int(_ppm_header(data)[0][3]) > 255 else 8
    return avif_bits(data) if image.format == "AVIF" else read_jpeg2000(data).bits


def check_profile(path: Path, icc: bytes | None) -> None:
    """Whether the format that the suffix names can hold this colour profile.

    Raises:
        ConfigError: it cannot, and without it the colours would be others.
    """
    if format_of(path) != "JXL" or icc is None:
        return  # pillow-jxl-plugin writes no profile
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip()
    except (ImageCms.PyCMSError, OSError):
        return  # damaged: no reader uses it
    if "sRGB" not in name and "SRG_Rel_SRG" not in name:
        raise ConfigError(f"JXL cannot hold the colour profile {name!r}", str(path), "use .avif or .png")


def read_samples(file: IO[bytes], image: Image.Image, frame: int | None) -> Samples | None:
    """Every bit of an opened image, not turned upright; None where Pillow reads all of them itself.

    Args:
        file: what `image` was opened from.

    Raises:
        Exception: of many kinds, when the file is damaged.
    """
    reader = _READERS.get(image.format or "")
    if reader is None:
        return None
    file.seek(0)
    return reader(file.read(), image, frame or 0)


def _read_heif(data: bytes, image: Image.Image, frame: int) -> Samples:
    library = import_module("pillow_heif")
    # Neither of its ways to convert is right: one cuts to 8 bits, the other makes white 65472.
    opened = library.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    chosen = opened[opened.primary_index]
    pixels = np.asarray(chosen)
    pixels = pixels[:, : chosen.size[0]]
    notes = [f"HEIF: {len(opened)} images in one file, the main one is taken"] if len(opened) > 1 else []
    pixels = _widen(pixels, int(chosen.info["bit_depth"]))
    if chosen.mode.startswith("RGBa"):
        pixels = _divide_by_alpha(pixels)
    return Samples(pixels, True, tuple(notes), _color(data))


def _read_jxl(data: bytes, image: Image.Image, frame: int) -> Samples:
    header = read_jxl(data)
    image._data = b""  # type: ignore[attr-defined]  # what the plugin decoded; of colour it keeps 8 bits
    pixels = import_module("imagecodecs").jpegxl_decode(data, index=0)
    notes = ("JXL: an animation, its first frame is taken",) if header.animated else ()
    if pixels.dtype.kind == "f":
        pixels = (np.clip(pixels, 0, 1) * np.float32(65_535) + np.float32(0.5)).astype(np.uint16)
        return Samples(_three(pixels), True, (*notes, "JXL: floats become 16 bits"))
    return Samples(_widen(pixels, header.bits), True, notes)


def _read_avif(data: bytes, image: Image.Image, frame: int) -> Samples:
    bits = avif_bits(data)
    if bits > 8 and (library := _imagecodecs()):
        return Samples(_widen(library.avif_decode(data, index=frame), bits), color=_color(data))
    notes = (_cut("AVIF", bits),) if bits > 8 else ()
    return Samples(_three(np.asarray(image)), False, notes, _color(data))


def _read_jpeg2000(data: bytes, image: Image.Image, frame: int) -> Samples | None:
    bits = read_jpeg2000(data).bits
    if bits <= 8:
        return None
    if library := _imagecodecs():
        return Samples(_widen(library.jpeg2k_decode(data), bits))
    if image.mode == "I;16":
        return Samples(_widen(np.asarray(image) >> max(0, 16 - bits), min(bits, 16)))
    return Samples(_three(np.asarray(image)), False, (_cut("JPEG2000", bits),))


def _read_ppm(data: bytes, image: Image.Image, frame: int) -> Samples | None:
    """Of 16-bit colour Pillow keeps 8 bits."""
    if image.mode != "RGB":
        return None
    words, place = _ppm_header(data)
    most = int(words[3])
    if most < 256:
        return None
    count = 3 * image.width * image.height
    if words[0] == b"P6":
        values = np.frombuffer(data, ">u2", count, place)
    else:
        values = np.array(data[place:].split()[:count], np.uint16)
    levels = _scale(values.reshape(image.height, image.width, 3), most)
    return Samples(levels)


def _ppm_header(data: bytes) -> tuple[list[bytes], int]:
    """Magic, width, height and the largest value, comments left out; and where the samples begin."""
    words: list[bytes] = []
    word, comment = b"", False
    for place, value in enumerate(data[:10_000]):
        letter = bytes((value,))
        comment = (comment or letter == b"#") and letter not in b"\r\n"
        if comment or letter.isspace():
            words += [word] if word else []
            word = b""
            if len(words) == 4 and not comment:
                return words, place + 1
        else:
            word += letter
    raise ValueError("its header never ends")


_READERS: dict[str, Callable[[bytes, Image.Image, int], Samples | None]] = {
    "HEIF": _read_heif,
    "JXL": _read_jxl,
    "AVIF": _read_avif,
    "JPEG2000": _read_jpeg2000,
    "PPM": _read_ppm,
}


def _imagecodecs() -> Any:
    try:
        return import_module("imagecodecs")
    except ImportError:
        return None


def _cut(name: str, bits: int) -> str:
    return f"{name}: {bits} bits are read as 8; pip install 'srae[tiff]' reads them all"


def _color(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The colours of AVIF and HEIF that are not sRGB, as PNG's cICP: of RGB samples in the full range."""
    codes = color_codes(data)
    if codes is None or codes in _SRGB or max(codes) > 255:
        return ()
    return ((b"cICP", bytes((*codes, 0, 1))),)


def _three(pixels: np.ndarray) -> np.ndarray:
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _widen(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Samples of this many bits -> uint8 for 8, else uint16 from 0 to 65535; (H, W, C)."""
    pixels = _three(pixels)
    if pixels.dtype == np.uint8 and bits == 8:
        return pixels
    if pixels.dtype.kind != "u" or bits > 16:
        raise DataError(f"samples of {bits} bits as {pixels.dtype}", None, "save it with 16 bits")
    return _scale(pixels, 2**bits - 1)


def _scale(pixels: np.ndarray, most: int) -> np.ndarray:
    """Whole numbers from 0 to `most` -> uint16 from 0 to 65535, rounded to nearest."""
    if most == 65_535:
        return pixels.astype(np.uint16)
    levels = (np.arange(most + 1, dtype=np.uint64) * 65_535 + most // 2) // most
    return levels.astype(np.uint16)[np.minimum(pixels, most)]


def _divide_by_alpha(pixels: np.ndarray) -> np.ndarray:
    """Colours that are stored times alpha, as they are."""
    most = np.iinfo(pixels.dtype).max
    color = pixels[:, :, :3].astype(np.float32) * (most / np.maximum(pixels[:, :, 3:], 1).astype(np.float32))
    return np.concatenate((np.minimum(color + 0.5, most).astype(pixels.dtype), pixels[:, :, 3:]), axis=2)
