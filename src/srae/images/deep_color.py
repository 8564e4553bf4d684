"""An image opened by Pillow becomes pixels, all their bits.

Of 16-bit colour Pillow keeps the more significant byte of each sample: unpacked twice it is complete.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile

from srae.images.modes import bands, copy_pixels, pillow_quiet, to_known_mode, to_pixels, with_key


class _DeepColor(NamedTuple):
    """How to get the second byte of 16-bit colour, of which Pillow keeps the first.

    Pillow's unpackers for 16 bits take the more significant byte of each
    sample.  The same data unpacked as if its byte order were the other gives
    the less significant one: decoded twice, by well-tried code, the image is
    complete.

    Attributes:
        low: unpacker of the low bytes; None when one pass gives all.
        premultiplied: colours are stored times alpha.
    """

    low: str | None
    premultiplied: bool = False


_OTHER = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


def load_pixels(image: Image.Image, again: Callable[[], Image.Image], name: str) -> np.ndarray:
    """Pixels (H, W, C) of an opened image: uint8, uint16 or float32.

    Args:
        again: opens it once more, for the second half of 16-bit colour.

    Raises:
        DataError: values that are not finite.
        Exception: of many kinds, when the file is damaged.
    """
    deep = _find_deep(image)
    _widen_key(image)
    image.load()
    if deep is None:
        with pillow_quiet():
            known = to_known_mode(image, name)
        return to_pixels(known, name)
    pixels = copy_pixels(image)
    if deep.low is None:
        return pixels.view(">u2").astype(np.uint16)  # bytes of a pixel: high, low, high, low
    pixels = pixels.astype(np.uint16)
    pixels <<= 8
    return _add_low_bytes(pixels, again(), deep)


def find_bits(image: Image.Image) -> int:
    """Bits of a sample of an opened image, 8 for fewer."""
    if image.mode == "F":
        return 32
    tiles = _tiles(image) if image.format in ("PNG", "TIFF") else []
    deep = any(_unpacker(tile).partition(";")[2] in _OTHER for tile in tiles)
    return 16 if deep or image.mode.startswith("I") else 8


def _find_deep(image: Image.Image) -> _DeepColor | None:
    """How to read an opened image with 16-bit colour, now ready to be loaded; None for all others."""
    if image.format not in ("PNG", "TIFF") or image.mode not in ("RGB", "RGBA") or not _tiles(image):
        return None
    if image.format == "PNG" and getattr(image, "is_animated", False):
        return None
    layout, _, order = _unpacker(_tiles(image)[0]).partition(";")
    if layout == "LA":  # read as four bytes a pixel: both of grey, both of alpha
        _set_unpacker(image, "RGBA")
        return _DeepColor(None)
    if order not in _OTHER:
        return None
    premultiplied = layout == "RGBa"
    if premultiplied:  # Pillow would divide by alpha in 8 bits
        layout = "RGBA"
        _set_unpacker(image, f"{layout};{order}")
    return _DeepColor(f"{layout};{_OTHER[order]}", premultiplied)


def _tiles(image: Image.Image) -> list[ImageFile._Tile]:
    return image.tile  # type: ignore[attr-defined]


def _unpacker(tile: ImageFile._Tile) -> str:
    return str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)


def _set_unpacker(image: Image.Image, raw: str) -> None:
    image.tile = [  # type: ignore[attr-defined]
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in _tiles(image)
    ]


def _add_low_bytes(pixels: np.ndarray, image: Image.Image, deep: _DeepColor) -> np.ndarray:
    """uint16 (H, W, 3|4) with the high bytes, and the opened image once more -> all bytes."""
    assert deep.low is not None
    key = image.info.get("transparency")
    _set_unpacker(image, deep.low)
    image.load()
    for rows, low in bands(image):
        pixels[rows] |= low
        if deep.premultiplied:
            band = pixels[rows].astype(np.float32)
            band[:, :, :3] *= 65_535 / np.maximum(band[:, :, 3:], 1)
            pixels[rows] = np.minimum(band + 0.5, 65_535)
    return with_key(pixels, key) if isinstance(key, tuple) and pixels.shape[2] == 3 else pixels


def _widen_key(image: Image.Image) -> None:
    """The transparent grey of a PNG of 2 or 4 bits, as its samples will be: Pillow widens these to 8 bits alone."""
    key = image.info.get("transparency")
    if image.format == "PNG" and isinstance(key, int) and _tiles(image):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}.get(_unpacker(_tiles(image)[0]), 1)
