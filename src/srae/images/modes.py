"""Pillow's images of any mode become pixels: grey or RGB, with alpha or without."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageCms

from srae.errors import DataError
from srae.images.lab import lab_levels_to_srgb

_BITS, _PHOTOMETRIC = 258, 262  # TIFF's tags
_BAND = 512  # rows copied at a time

_pillow_globals = threading.Lock()


@contextmanager
def pillow_quiet() -> Iterator[None]:
    """Pillow's warnings and its own pixel limit are process-wide; off here, back afterwards, one thread at a time."""
    with _pillow_globals, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


_CONVERTED = ("CMYK", "LAB", "HSV")  # modes whose profile, where there is one, does not describe RGB


def converts_colors(image: Image.Image) -> bool:
    """Whether the pixels of such an image are in another colour space than the image: its profile goes."""
    return image.mode in _CONVERTED


def is_grey_mode(image: Image.Image) -> bool:
    """Whether such an image has no colours."""
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


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
    """A loaded image of any mode -> uint8, uint16 or float32 (H, W, C); CMYK through the profile in its `info`.

    Raises:
        DataError: values that are not finite.
    """
    image = to_known_mode(image, name)
    if image.mode == "F":
        grey = check_finite(np.array(image)[:, :, None], name)
        return 1 - grey if _white_is_zero(image) else grey
    return _deep_grey(image) if image.mode.startswith("I") else copy_pixels(image)


def check_finite(pixels: np.ndarray, name: str) -> np.ndarray:
    """The same. Raises: DataError: some are NaN or infinite."""
    if strange := pixels.size - sum(int(np.isfinite(band).sum()) for band in np.array_split(pixels, 64)):
        remedy = "replace them, e.g. by a number below all others"
        raise DataError(f"{strange} of {pixels.size} values are not finite numbers", name, remedy)
    return pixels


def to_known_mode(image: Image.Image, name: str) -> Image.Image:
    """L, LA, RGB, RGBA, grey of 16 or 32 bits, or F."""
    mode = image.mode
    if mode == "CMYK":
        return from_cmyk(image, image.info.get("icc_profile"))
    if mode == "LAB":
        levels = np.array(image)
        levels[:, :, 1:] ^= 128  # Pillow gives a and b as TIFF has them, signed
        return Image.fromarray(lab_levels_to_srgb(levels, 255))
    if mode in ("YCbCr", "RGBX", "HSV"):
        image = image.convert("RGB")
    elif mode in ("La", "RGBa"):  # colours times alpha
        image = image.convert(mode.upper())
    elif mode in ("P", "PA") or (image.has_transparency_data and mode in ("1", "L", "RGB")):
        image = image.convert(("LA" if mode in ("1", "L") else "RGBA") if image.has_transparency_data else "RGB")
    elif mode == "1":
        image = image.convert("L")
    if image.mode not in ("L", "LA", "RGB", "RGBA", "F") and not image.mode.startswith("I"):
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


def _deep_grey(image: Image.Image) -> np.ndarray:
    """uint16 (H, W, 1), or (H, W, 2) where one value stands for transparent; float32 for values beyond 16 bits."""
    grey = np.asarray(image)[:, :, None]
    if grey.min() < 0 or grey.max() > 65_535:
        return grey.astype(np.float32)
    grey = _by_tags(grey.astype(np.uint16), image)
    hidden = image.info.get("transparency")
    return with_key(grey, (hidden,)) if isinstance(hidden, int) else grey


def _by_tags(grey: np.ndarray, image: Image.Image) -> np.ndarray:
    """Deep grey of a TIFF from 0, black, to 65535, white: Pillow heeds neither the depth nor that 0 may be white."""
    bits = image.tag_v2.get(_BITS, (16,))[0] if image.format == "TIFF" else 16  # type: ignore[attr-defined]
    if bits < 16:
        grey = (grey * (65_535 / (2**bits - 1)) + 0.5).astype(np.uint16)
    return 65_535 - grey if bits <= 16 and _white_is_zero(image) else grey


def _white_is_zero(image: Image.Image) -> bool:
    return image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0  # type: ignore[attr-defined]


def with_key(pixels: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """Alpha 0 where the colour is `key`, else 65535."""
    alpha = np.where((pixels == np.array(key)).all(2, keepdims=True), 0, 65_535)
    return np.concatenate((pixels, alpha.astype(np.uint16)), axis=2)
