"""Samples as a TIFF stores them become grey or RGB, from 0, black, with alpha or without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from tifffile import TiffPage

from srae.errors import DataError
from srae.images.bands import bands
from srae.images.lab import lab_levels_to_srgb
from srae.images.modes import check_finite, copy_pixels, from_cmyk
from srae.images.tiff import describe

_COLORS = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3, 9: 3}  # samples of each photometric interpretation
_WHITE_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB, _ICC_LAB = 0, 2, 3, 5, 6, 8, 9
_BANDS = (0, 1, 2)  # photometric interpretations whose samples are what they are
_TO_RGB = (6, 7, 34_892, 33_003, 33_005, 34_712)  # codecs that convert YCbCr themselves: JPEG, JPEG 2000
_PREMULTIPLIED = 1
_ALPHA = (_PREMULTIPLIED, 2, 999)  # kinds of extra samples; the last is Corel's


@dataclass(frozen=True)
class Layout:
    """What the samples of a pixel mean.

    Attributes:
        colors: how many of them, from the first, are the colour.
        alpha: which one is transparency.
        premultiplied: colours are stored times alpha.
        converted: the colours become sRGB, whatever profile the file has.
        all_colors: 1 for grey, 3 for colour; with samples that are neither colour nor alpha, the number of all.
        notes: for the user: what is dropped, or taken for something that the file does not say.
    """

    colors: int
    alpha: int | None
    premultiplied: bool
    converted: bool
    all_colors: int
    notes: tuple[str, ...]


def read_layout(page: TiffPage, name: str, *, bands: bool = False) -> Layout:
    """Args: bands: all samples of grey, RGB or more bands are colours.

    Raises:
        DataError: a colour space that srae does not know, or too few samples for it.
    """
    samples, colors, notes = page.samplesperpixel, _COLORS.get(int(page.photometric), 0), []
    if bands and page.photometric in _BANDS:
        return Layout(samples, None, premultiplied=False, converted=False, all_colors=samples, notes=())
    kinds = [int(kind) for kind in np.atleast_1d(page.extrasamples)][: max(0, samples - colors)]
    kinds += [0] * (samples - colors - len(kinds))
    if page.photometric == _RGB and samples == 4 and 338 not in page.tags:
        kinds = [2]  # Pillow and others take a fourth sample of which nothing is said for alpha
    if colors == 1 and samples >= 3 and not any(kinds) and page.photometric != _PALETTE:
        # GDAL writes so what is more than 8 bits deep; everybody shows it as RGB.
        colors, kinds = 3, kinds[2:]
        notes.append("the file names no colours: its first three samples are taken as red, green and blue")
    if not colors or samples < colors:
        raise _unknown(page, name)
    alpha = next((place for place, kind in enumerate(kinds) if kind in _ALPHA), None)
    dropped = len(kinds) - (alpha is not None)
    if dropped:
        notes.append(f"{dropped} of {samples} samples a pixel are neither colour nor transparency: left out")
    premultiplied = alpha is not None and kinds[alpha] == _PREMULTIPLIED
    converted = page.photometric in (_CMYK, _LAB, _ICC_LAB)
    all_colors = samples if dropped else 1 if colors == 1 and page.photometric != _PALETTE else 3
    return Layout(colors, None if alpha is None else colors + alpha, premultiplied, converted, all_colors, tuple(notes))


def _unknown(page: TiffPage, name: str) -> DataError:
    return DataError(
        f"this TIFF has {describe(page)}", name, "convert it to RGB: magick in.tif -colorspace sRGB out.png"
    )


def to_colors(
    samples: np.ndarray, page: TiffPage, layout: Layout, icc: bytes | None, name: str
) -> tuple[np.ndarray, list[str]]:
    """Samples (H, W, S) -> pixels (H, W, C) of uint8, uint16 or float32, and what is lost on the way.

    Floats and 32-bit integers keep their values; alpha is in [0, 1] then.

    Raises:
        DataError: values that are not finite, or kinds of samples that this colour space does not have.
    """
    floats, notes = samples.dtype.kind == "f" or samples.dtype.itemsize > 2, list[str]()
    if page.photometric == _YCBCR and page.compression not in _TO_RGB:  # Pillow's libtiff knows it
        raise _unknown(page, name)
    if page.photometric in (_LAB, _ICC_LAB) and (floats or page.sampleformat != 1):
        raise _unknown(page, name)
    if layout.alpha is not None and samples.shape[2] > layout.colors + 1:
        samples = samples[:, :, [*range(layout.colors), layout.alpha]]
    elif layout.alpha is None:
        samples = samples[:, :, : layout.colors]
    if page.photometric == _PALETTE:
        return _look_up(samples, page), notes
    pixels, white = _to_levels(samples, page, name)
    if pixels.dtype == np.float32 and samples.dtype.kind in "iu" and max(pixels.max(), -pixels.min()) > 2**24:
        notes.append("integers of 32 bits become 32-bit floats, which hold 24 bits exactly")
    elif samples.dtype == np.float64:
        notes.append("floats of 64 bits become 32 bits")
    if layout.premultiplied:
        _divide_by_alpha(pixels, white)
    color = pixels[:, :, : layout.colors]
    if page.photometric == _WHITE_IS_ZERO and layout.colors == 1:
        np.subtract(white, color, out=color)
    elif page.photometric == _CMYK:
        pixels, lost = _convert_cmyk(pixels, white, icc)
        notes += lost
    elif page.photometric in (_LAB, _ICC_LAB):
        _convert_lab(pixels, page)
    if pixels.dtype == np.float32 and layout.alpha is not None:
        pixels[:, :, -1] = np.clip(pixels[:, :, -1] / white, 0, 1)
    return pixels, notes


def _to_levels(samples: np.ndarray, page: TiffPage, name: str) -> tuple[np.ndarray, np.generic]:
    """Values that srae computes with, own memory, and the one that stands for white."""
    kind, bits = samples.dtype.kind, page.bitspersample
    if kind == "f":
        with np.errstate(over="ignore"):
            pixels = samples.astype(np.float32, copy=False)
        return check_finite(pixels, name), np.float32(1)
    if samples.dtype.itemsize > 2 or (kind == "i" and samples.min(initial=0) < 0):
        return samples.astype(np.float32), np.float32(2 ** (bits - (kind == "i")) - 1)
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    white = dtype.type(np.iinfo(dtype).max)
    pixels = np.ascontiguousarray(samples).astype(dtype, copy=not samples.flags.writeable)
    most = 2**bits - 1
    if kind != "i" and most < white:
        table = ((2 * np.arange(most + 1) * int(white) + most) // (2 * most)).astype(dtype)  # rounded to nearest
        for rows in bands(pixels):
            pixels[rows] = table.take(pixels[rows], mode="clip")
    return pixels, white


def _look_up(indices: np.ndarray, page: TiffPage) -> np.ndarray:
    """Of a palette, uint16 (H, W, 3); alpha beside it is left out, as nobody writes it."""
    assert page.colormap is not None
    colormap = np.ascontiguousarray(page.colormap.T.astype(np.uint16))
    return colormap[np.minimum(indices[:, :, 0], len(colormap) - 1)]


def _divide_by_alpha(pixels: np.ndarray, white: np.generic) -> None:
    """In place; colours where nothing is seen stay as they are."""
    for rows in bands(pixels):
        alpha = pixels[rows][:, :, -1:].astype(np.float32)
        color = pixels[rows][:, :, :-1] * (float(white) / np.where(alpha > 0, alpha, float(white)))
        if pixels.dtype != np.float32:
            color = np.minimum(color + 0.5, float(white))
        pixels[rows, :, :-1] = color


def _convert_cmyk(pixels: np.ndarray, white: np.generic, icc: bytes | None) -> tuple[np.ndarray, list[str]]:
    """(H, W, 4|5) -> (H, W, 3|4): through the profile in 8 bits where there is one, else by the plain complement."""
    most = float(white)
    if icc is None or pixels.dtype == np.float32:
        for rows in bands(pixels):
            light = most - pixels[rows, :, :4].astype(np.float32)
            color = light[:, :, :3] * (light[:, :, 3:] / most)
            pixels[rows, :, :3] = color if pixels.dtype == np.float32 else color + 0.5
        return np.delete(pixels, 3, axis=2), []
    ink = np.ascontiguousarray((pixels[:, :, :4] >> 8).astype(np.uint8) if most > 255 else pixels[:, :, :4])
    image = Image.frombuffer("CMYK", (ink.shape[1], ink.shape[0]), ink, "raw", "CMYK", 0, 1)
    color = copy_pixels(from_cmyk(image, icc))
    notes = ["CMYK goes through its profile in 8 bits: 16 become 8"] if most > 255 else []
    if pixels.shape[2] == 5:
        alpha = pixels[:, :, 4:] >> 8 if most > 255 else pixels[:, :, 4:]
        color = np.concatenate((color, alpha.astype(np.uint8)), axis=2)
    return color, notes


def _convert_lab(pixels: np.ndarray, page: TiffPage) -> None:
    """In place, to sRGB; a and b are signed in CIE Lab and have an offset in ICC Lab, whose 16 bits end at 65280."""
    most = int(np.iinfo(pixels.dtype).max)
    if page.photometric == _LAB:
        pixels[:, :, 1:3] ^= (most + 1) // 2
    white = most - most % 256 if page.photometric == _ICC_LAB and most > 255 else most
    pixels[:, :, :3] = lab_levels_to_srgb(pixels[:, :, :3], white)
