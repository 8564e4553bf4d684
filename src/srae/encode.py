"""Pixels -> picture files, in little more memory than the pixels take.

PNG and TIFF are written from here, row by row and with all 16 bits, which
Pillow has for grey alone; JPEG, WebP and BMP by Pillow, without a copy of the
pixels where they lie in memory as Pillow wants them (`make_pixels`).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image, TiffImagePlugin, TiffTags

from srae.errors import ConfigError

FORMATS = {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
FORMATS |= dict.fromkeys((".jpg", ".jpeg"), "JPEG") | dict.fromkeys((".tif", ".tiff"), "TIFF")
LOSSY = ("JPEG", "WEBP")
_LONGEST_SIDE = {"JPEG": 65_535, "WEBP": 16_383}
_MOST_TIFF_BYTES = 2**32 - 2**24  # its offsets have 32 bits
_LONGEST_JPEG_EXIF = 65_533  # one segment
_QUALITY = 95
_BAND_BYTES = 2**21


def format_of(path: Path) -> str:
    """PNG, JPEG, WEBP, BMP or TIFF.

    Raises:
        ConfigError: the suffix names none of them.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"cannot write {path.suffix or 'a file without suffix'}", str(path), "use .png, .jpg or .tif")
    return FORMATS[path.suffix.lower()]


def check_fit(path: Path, height: int, width: int, *, bytes_per_pixel: int, transparent: bool) -> None:
    """Whether the format that the suffix names can hold such a picture.

    Raises:
        ConfigError: it is too large, or transparent and the format is not.
    """
    kind = format_of(path)
    too_many = kind == "TIFF" and height * width * bytes_per_pixel > _MOST_TIFF_BYTES
    if too_many or max(height, width) > _LONGEST_SIDE.get(kind, 2**31 - 1):
        raise ConfigError(f"{width}x{height} does not fit into {kind}", str(path), "use .png")
    if transparent and kind in ("JPEG", "BMP"):
        raise ConfigError(f"{kind} cannot hold transparency", str(path), "use .png")


def make_pixels(height: int, width: int, channels: int, dtype: np.dtype | type, kind: str) -> np.ndarray:
    """Uninitialised (H, W, C), laid out so that `encode` needs no copy of it for this format.

    For RGB in formats that Pillow writes every pixel has a fourth byte.
    """
    if channels == 3 and dtype == np.uint8 and kind in LOSSY:
        return np.empty((height, width, 4), np.uint8)[:, :, :3]
    return np.empty((height, width, channels), dtype)


def keeps_depth(kind: str, channels: int) -> bool:
    """Whether 16 bits stay 16 bits in this format."""
    return kind == "PNG" or (kind == "TIFF" and channels != 2)  # Pillow, and so we, cannot read those again


def memory_to_encode(kind: str, pixels: int, quality: int | None) -> int:
    """Bytes that the encoder takes besides the pixels; of libwebp as measured."""
    if kind == "WEBP":
        return pixels * (40 if quality is None else 12)
    return 4 * pixels if kind == "BMP" else 0


def encode(
    file: BinaryIO,
    kind: str,
    pixels: np.ndarray,
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    quality: int | None = None,
) -> None:
    """Write uint8 or uint16 pixels (H, W, C) that passed `check_fit`.

    Args:
        quality: 1 to 100, of JPEG (None: 95) and WebP (None: nothing is lost).
    """
    if pixels.dtype == np.uint16 and not keeps_depth(kind, pixels.shape[2]):
        pixels = to_8_bits(pixels)
    if kind == "PNG":
        _write_png(file, pixels, icc, exif, dpi)
    elif kind == "TIFF":
        _write_tiff(file, pixels, icc, exif, dpi)
    else:
        _write_with_pillow(file, kind, pixels, {"icc_profile": icc, "exif": exif, "dpi": dpi}, quality)


def to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """uint16 -> uint8 of the same shape, rounded to nearest."""
    result = np.empty(pixels.shape, np.uint8)
    for rows in _bands(pixels):
        result[rows] = (pixels[rows].astype(np.uint32) + 128) // 257
    return result


def to_image(pixels: np.ndarray) -> Image.Image:
    """A Pillow picture of uint8 (H, W, C), or of uint16 (H, W, 1); without a copy where the layout allows."""
    height, width, channels = pixels.shape
    if channels == 1:
        return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0]))
    if channels == 3 and pixels.strides == (4 * width, 4, 1):
        four = np.lib.stride_tricks.as_strided(pixels, (height, width, 4), pixels.strides, writeable=False)
        return Image.frombuffer("RGBX", (width, height), four, "raw", "RGBX", 0, 1)
    return Image.fromarray(np.ascontiguousarray(pixels))


def _bands(pixels: np.ndarray) -> Iterator[slice]:
    """Some rows at a time, about two megabytes."""
    step = max(1, _BAND_BYTES // max(1, pixels[:1].nbytes))
    return (slice(top, min(top + step, len(pixels))) for top in range(0, len(pixels), step))


class _Plain(io.RawIOBase):
    """A file that Pillow cannot reach behind: writing past our back it takes a full disk for an encoder's error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(data)


def _write_with_pillow(file: BinaryIO, kind: str, pixels: np.ndarray, extra: dict, quality: int | None) -> None:
    if kind in ("JPEG", "BMP") and pixels.shape[2] in (2, 4):  # `check_fit` knows that nothing is transparent
        pixels = pixels[:, :, :-1]
    options: dict[str, Any] = {key: value for key, value in extra.items() if value}
    if kind == "JPEG":
        # 4:4:4, because the point of the output is its detail.
        options |= {"quality": quality or _QUALITY, "subsampling": 0}
        if len(options.get("exif", b"")) > _LONGEST_JPEG_EXIF:
            del options["exif"]
    elif kind == "WEBP":
        options |= {"lossless": True, "exact": True} if quality is None else {"quality": quality, "alpha_quality": 100}
    image = to_image(pixels)
    if image.mode == "RGBX" and kind == "BMP":
        image = image.convert("RGB")
    image.save(cast(BinaryIO, _Plain(file)), format=kind, **options)


# ---------------------------------------------------------------------------- PNG


def _write_png(
    file: BinaryIO, pixels: np.ndarray, icc: bytes | None, exif: bytes | None, dpi: tuple[float, float] | None
) -> None:
    """PNG, third edition (W3C 2025); every row by the filter whose differences are smallest in sum."""
    height, width, channels = pixels.shape
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    file.write(b"\x89PNG\r\n\x1a\n")
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, color_type, 0, 0, 0)
    _write_chunk(file, b"IHDR", header)
    if icc:
        _write_chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if dpi:
        per_metre = (min(round(value / 0.0254), 2**31 - 1) for value in dpi)
        _write_chunk(file, b"pHYs", struct.pack(">IIB", *per_metre, 1))
    if exif:
        _write_chunk(file, b"eXIf", exif.removeprefix(b"Exif\0\0"))
    packer = zlib.compressobj(6, zlib.DEFLATED, 15, 9)
    above = np.zeros(width * channels * pixels.dtype.itemsize, np.uint8)
    for rows in _bands(pixels):
        band = np.ascontiguousarray(pixels[rows], ">u2" if pixels.dtype == np.uint16 else np.uint8)
        band = band.reshape(len(band), -1).view(np.uint8)
        packed = packer.compress(_filter_rows(band, above, channels * pixels.dtype.itemsize).data)
        if packed:
            _write_chunk(file, b"IDAT", packed)
        above = band[-1]
    _write_chunk(file, b"IDAT", packer.flush())
    _write_chunk(file, b"IEND", b"")


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def _filter_rows(rows: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """uint8 (H, bytes) -> (H, 1 + bytes), the first byte names the row's filter.

    Args:
        above: the row before the first.
        step: bytes of a pixel.
    """
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    up = np.concatenate((above[None], rows[:-1]))
    corner = np.zeros_like(rows)
    corner[:, step:] = up[:, :-step]
    best = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    smallest = np.full(len(rows), np.iinfo(np.int64).max)
    for number, guess in ((0, 0), (1, left), (2, up), (4, _paeth(left, up, corner))):
        rest = rows - guess
        size = np.abs(rest.view(np.int8).astype(np.int16)).sum(1, dtype=np.int64)
        better = size < smallest
        best[better, 0], best[better, 1:] = number, rest[better]
        smallest = np.minimum(size, smallest)
    return best


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Whichever of the three is nearest to left + up - corner."""
    to_left = up.astype(np.int16) - corner
    to_up = left.astype(np.int16) - corner
    to_corner = np.abs(to_left + to_up)
    to_left, to_up = np.abs(to_left), np.abs(to_up)
    near = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, near)


# --------------------------------------------------------------------------- TIFF


def _write_tiff(
    file: BinaryIO, pixels: np.ndarray, icc: bytes | None, exif: bytes | None, dpi: tuple[float, float] | None
) -> None:
    """TIFF 6.0, uncompressed, one strip; Pillow writes the directory."""
    height, width, channels = pixels.shape
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    found = Image.Exif()
    found.load(exif or b"")
    for tag in found:
        tags[tag] = found.get_ifd(tag) if tag in TiffTags.TAGS_V2_GROUPS else found[tag]
    tags[256], tags[257] = width, height
    tags[258] = (8 * pixels.dtype.itemsize,) * channels
    tags[259] = 1  # no compression
    tags[262] = 1 if channels < 3 else 2  # 0 is black; RGB
    tags[277], tags[278], tags[284] = channels, height, 1  # samples of a pixel side by side, all rows in one strip
    tags[273], tags[279] = (0,), (pixels[:1].nbytes * height,)  # the writer adds where the directory ends
    tags.tagtype[279] = TiffTags.LONG
    if channels in (2, 4):
        tags[338] = 2  # alpha, not multiplied into the colours
    if icc:
        tags[34675] = icc
    if dpi:
        tags[282], tags[283], tags[296] = dpi[0], dpi[1], 2  # per inch
    tags.save(file)
    for rows in _bands(pixels):
        file.write(np.ascontiguousarray(pixels[rows], pixels.dtype.newbyteorder("<")).data)
