"""Images in formats that srae reads, written by other libraries, losslessly."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from PIL import Image

SIZE = (24, 40)


def ramp(channels: int, bits: int) -> np.ndarray:
    """Every level from black to white, in each channel another way round; (H, W, C) of this many bits."""
    most = 2**bits - 1
    line = np.linspace(0, most, SIZE[0] * SIZE[1]).round().astype(np.uint8 if bits == 8 else np.uint16).reshape(SIZE)
    return np.stack([line, line[::-1], line[:, ::-1], most - line // 2][:channels], axis=2)


def widened(pixels: np.ndarray, bits: int) -> np.ndarray:
    """What the image must be read as: 8 bits as they are, white otherwise 65535."""
    if bits == 8:
        return pixels
    return np.floor(pixels.astype(np.float64) * 65_535 / (2**bits - 1) + 0.5).astype(np.uint16)


def jxl(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpegxl_encode(flat(pixels), lossless=True, bitspersample=bits)


def avif(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.avif_encode(flat(pixels), level=100, bitspersample=bits)


def jpeg2000(pixels: np.ndarray, bits: int, kind: str = "jp2") -> bytes:
    return imagecodecs.jpeg2k_encode(flat(pixels), level=0, bitspersample=bits, codecformat=kind)


def heif(pixels: np.ndarray, bits: int) -> bytes:
    file, mode = io.BytesIO(), {1: "L", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    if bits > 8:
        pixels, mode = pixels << (16 - bits), f"{mode};16"
    lossless = {"quality": -1, "chroma": 444, "matrix_coefficients": 0, "save_nclx_profile": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
        pillow_heif.encode(mode, SIZE[::-1], np.ascontiguousarray(pixels).tobytes(), file, **lossless)
    return file.getvalue()


def ppm(pixels: np.ndarray, bits: int) -> bytes:
    kind = {1: b"P5", 3: b"P6"}[pixels.shape[2]]
    head = b"%s # made by hand\n%d %d\n%d\n" % (kind, SIZE[1], SIZE[0], 2**bits - 1)
    return head + pixels.astype("u1" if bits == 8 else ">u2").tobytes()


def plain_ppm(pixels: np.ndarray, bits: int) -> bytes:
    words = b" ".join(b"%d" % value for value in pixels.ravel())
    return b"P%d\n%d %d %d\n%s" % (2 if pixels.shape[2] == 1 else 3, SIZE[1], SIZE[0], 2**bits - 1, words)


def by_pillow(kind: str, **options: Any) -> Callable[[np.ndarray, int], bytes]:
    def save(pixels: np.ndarray, bits: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(flat(pixels)).save(file, kind, **options)
        return file.getvalue()

    return save


def flat(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


MATRIX: dict[str, tuple[Callable[[np.ndarray, int], bytes], tuple[int, ...], tuple[int, ...]]] = {
    ".jxl": (jxl, (1, 2, 3, 4), (8, 10, 12, 16)),
    ".avif": (avif, (1, 3, 4), (8, 10, 12)),
    ".jp2": (jpeg2000, (1, 2, 3, 4), (8, 10, 12, 16)),
    ".j2k": (lambda pixels, bits: jpeg2000(pixels, bits, "j2k"), (1, 3), (8, 12, 16)),
    ".heic": (heif, (1, 3, 4), (8, 10, 12)),
    ".ppm": (ppm, (1, 3), (8, 10, 12, 16)),
    ".pnm": (plain_ppm, (1, 3), (8, 10, 16)),
    ".tga": (by_pillow("TGA", compression="tga_rle"), (1, 2, 3, 4), (8,)),
    ".dib": (by_pillow("DIB"), (1, 3), (8,)),
    ".png": (by_pillow("PNG"), (1, 2, 3, 4), (8,)),
    ".webp": (by_pillow("WEBP", lossless=True, exact=True), (3, 4), (8,)),
    ".tif": (by_pillow("TIFF"), (1, 2, 3, 4), (8,)),
    ".gif": (by_pillow("GIF"), (1,), (8,)),
}
"""Suffix -> who writes it, (pixels, bits) -> bytes; and the channels and depths that are tried."""
