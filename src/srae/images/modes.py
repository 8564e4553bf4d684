"""Pillow's images of any mode become pixels: grey or RGB, with alpha or without."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from srae.errors import DataError

_BITS, _PHOTOMETRIC = 258, 262  # TIFF's tags
_BAND = 512  # rows copied at a time


def from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    """RGB through the file's own ink profile where there is one, else by the plain complement."""
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            screen = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, profile, screen, outputMode="RGB") or image.convert("RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def to_pixels(image: Image.Image, name: str) -> np.ndarray:
    """A loaded image of any mode -> uint8 or uint16 (H, W, C).

    Raises:
        DataError: the mode has no such pixels, or values beyond 16 bits.
    """
    image = to_known_mode(image, name)
    return _grey_16(image, name) if image.mode.startswith("I") else copy_pixels(image)


def to_known_mode(image: Image.Image, name: str) -> Image.Image:
    """L, LA, RGB, RGBA, or 16-bit grey."""
    if image.mode.startswith("I"):
        return image
    if image.mode in ("YCbCr", "RGBX", "CMYK", "LAB", "HSV"):
        image = image.convert("RGB")
    elif image.mode in ("P", "PA") or (image.has_transparency_data and image.mode in ("1", "L", "RGB")):
        grey = image.mode in ("1", "L")
        image = image.convert(("LA" if grey else "RGBA") if image.has_transparency_data else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise DataError(f"colour mode {image.mode} is not supported", name, "save it as RGB or grey")
    return image


def copy_pixels(image: Image.Image) -> np.ndarray:
    """uint8 (H, W, C)."""
    pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    for rows, band in bands(image):
        pixels[rows] = band
    return pixels


def bands(image: Image.Image) -> Iterator[tuple[slice, np.ndarray]]:
    """Some rows at a time, uint8 (rows, W, C): Pillow's export takes twice the memory of what it exports."""
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        band = np.asarray(image.crop((0, top, image.width, bottom)))
        yield slice(top, bottom), band if band.ndim == 3 else band[:, :, None]


def _grey_16(image: Image.Image, name: str) -> np.ndarray:
    """uint16 (H, W, 1), or (H, W, 2) where one value stands for transparent."""
    grey = np.asarray(image)
    if grey.min() < 0 or grey.max() > 65_535:
        raise DataError("grey values beyond 16 bits", name, "save it as 16-bit grey")
    grey = _by_tags(grey.astype(np.uint16)[:, :, None], image)
    hidden = image.info.get("transparency")
    return with_key(grey, (hidden,)) if isinstance(hidden, int) else grey


def _by_tags(grey: np.ndarray, image: Image.Image) -> np.ndarray:
    """Deep grey of a TIFF from 0, black, to 65535, white: Pillow heeds neither the depth nor that 0 may be white."""
    tags = image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]
    bits = tags.get(_BITS, (16,))[0]
    if bits < 16:
        grey = (grey * (65_535 / (2**bits - 1)) + 0.5).astype(np.uint16)
    return 65_535 - grey if tags.get(_PHOTOMETRIC) == 0 and bits <= 16 else grey


def with_key(pixels: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """Alpha 0 where the colour is `key`, else 65535."""
    alpha = np.where((pixels == np.array(key)).all(2, keepdims=True), 0, 65_535)
    return np.concatenate((pixels, alpha.astype(np.uint16)), axis=2)
