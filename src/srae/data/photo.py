"""Low-resolution images like photographs from the web: blurred, noisy, saved as JPEG; seeded and pure.

The order is that of a camera and the websites after it: lens (Gaussian blur,
often longer in one direction), sampling (shrinking by one of several kernels),
sensor (noise), files (JPEG none, one or two times, cropped in between or not).
The steps for one image are drawn first (`draw_recipe`) and then applied
(`follow`): a recipe can be printed and tested.

The steps and their kinds follow BSRGAN (Zhang et al. 2021) and Real-ESRGAN
(Wang et al. 2021), which draw blurs of standard deviation up to 3 pixels, noise
of up to 25 or 30 levels and JPEG qualities of 30 to 95, and go through the chain
twice.  Here the chain runs once and stays far below these values, as images of
today's phones do: a network that expects strong degradation smooths away the
detail of good images.

The same name and copy give the same result on every machine and in every
version of numpy: the generator is counter-based, only its raw bits are used,
and the noise comes from a table.  Floating-point sums and JPEG libraries may
change single levels; every wheel of Pillow contains libjpeg-turbo.
"""

from __future__ import annotations

import functools
import hashlib
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from srae.images.image import jpeg_roundtrip
from srae.images.resample import Kernel, shrink
from srae.images.tensors import to_float, to_uint8

VERSION = 1
"""Part of the data's fingerprint: raise it with every change of what is drawn or done."""

# What is drawn.  Shares and weights are probabilities; ranges are even unless said otherwise.
BLURRED = 0.6
BLUR_SIGMA = (0.1, 0.75)  # standard deviation in low-resolution pixels: up to 1.5 high-resolution pixels at x2
BLUR_UNEVEN = 0.5  # of the blurred: another deviation across, at any angle
KERNEL_WEIGHTS: dict[Kernel, float] = {"bicubic": 0.35, "bilinear": 0.25, "area": 0.25, "lanczos": 0.15}
NOISY = 0.6
READ_NOISE = 5.0  # levels of 255, standard deviation, at most; the square of an even draw: small values are common
PHOTON_NOISE = 6.0  # the same, at white; falls with the root of the value
NOISE_GREY = 0.4  # of the noisy: one noise for all colours
NOISE_SOFT = 0.5  # of the noisy: neighbours alike, as demosaicing and denoising leave it
SAVE_WEIGHTS = {0: 0.15, 1: 0.6, 2: 0.25}  # times saved as JPEG
QUALITY = (30, 95)  # of the last save; half of them 72 or better
QUALITY_POWER = 1.5
FIRST_QUALITY = (70, 95)  # of the first of two: cameras save with care
CHROMA_HALVED = 0.75  # of the saves: 4:2:0, else 4:4:4
CROPPED = 0.5  # of those saved twice: up to 7 pixels cut off in between, so that the blocks do not meet

JPEG_BLOCK = 8
LONGEST_SIDE = 65_500
"""Pixels that a JPEG can be high or wide."""

Item = TypeVar("Item")


class Save(NamedTuple):
    """One JPEG file on the way."""

    quality: int
    chroma_halved: bool
    corner: tuple[int, int]
    """Where in a block of 8x8 the image begins, down and across: (0, 0) unless it was cropped later."""


@dataclass(frozen=True)
class Recipe:
    """The steps for one image."""

    sigmas: tuple[float, float]
    """Standard deviations of the blur along and across its direction, in low-resolution pixels; 0: none."""
    angle: float
    """Of that direction against the rows, radians."""
    kernel: Kernel
    read_noise: float
    """Standard deviation, levels of 255."""
    photon_noise: float
    """The same, at white."""
    noise_grey: bool
    noise_soft: bool
    saves: tuple[Save, ...]


def photo_generator(name: str, copy: int = 0) -> np.random.Philox:
    """The random bits of one low-resolution image; they depend only on the name of the image and on `copy`."""
    # File systems differ in how they spell an accented letter.
    text = f"{unicodedata.normalize('NFC', name)}\0{copy}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return np.random.Philox(key=np.frombuffer(digest[:16], "<u8").astype(np.uint64))


def make_photo(high: np.ndarray, scale: int, bits: np.random.Philox) -> np.ndarray:
    """The low-resolution version of one image, degraded like a photograph from the web.

    Args:
        high: uint8 (H, W, C), sides multiples of the scale, at most `LONGEST_SIDE`;
            of 2 or 4 channels the last one is alpha, which is shrunk and nothing else.
        bits: see `photo_generator`; the generator advances.

    Returns:
        uint8 (H / scale, W / scale, C).
    """
    return follow(draw_recipe(bits), high, scale, bits)


def draw_recipe(bits: np.random.Philox) -> Recipe:
    """One recipe; every recipe uses up the same number of draws."""
    draws = iter(np.random.Generator(bits).random(24).tolist())
    blurred, uneven = next(draws) < BLURRED, next(draws) < BLUR_UNEVEN
    along, across = _between(*BLUR_SIGMA, next(draws)), _between(*BLUR_SIGMA, next(draws))
    angle = math.pi * next(draws)
    kernel = _pick(list(KERNEL_WEIGHTS), list(KERNEL_WEIGHTS.values()), next(draws))
    noisy = next(draws) < NOISY
    read, photon = READ_NOISE * next(draws) ** 2, PHOTON_NOISE * next(draws) ** 2
    grey, soft = next(draws) < NOISE_GREY, next(draws) < NOISE_SOFT
    count = _pick(list(SAVE_WEIGHTS), list(SAVE_WEIGHTS.values()), next(draws))
    cropped = next(draws) < CROPPED
    first = _draw_save(*FIRST_QUALITY, cropped, draws)
    last = _draw_save(*QUALITY, False, draws)
    return Recipe(
        sigmas=(along, across if uneven else along) if blurred else (0.0, 0.0),
        angle=angle,
        kernel=kernel,
        read_noise=read if noisy else 0.0,
        photon_noise=photon if noisy else 0.0,
        noise_grey=grey,
        noise_soft=soft,
        saves=((), (last,), (first, last))[count],
    )


def follow(recipe: Recipe, high: np.ndarray, scale: int, bits: np.random.Philox) -> np.ndarray:
    """As `make_photo`, by this recipe; `bits` give the noise."""
    colors = 1 if high.shape[2] < 3 else 3
    planes = to_float(torch.from_numpy(high).permute(2, 0, 1).contiguous())  # (H, W, C) -> (C, H, W)
    along, across = (sigma * scale for sigma in recipe.sigmas)
    color = blur(planes[:colors], along, across, recipe.angle)
    low = to_uint8(add_noise(shrink(color, scale, recipe.kernel), recipe, bits))
    pixels = low.permute(1, 2, 0).contiguous().numpy()  # (C, h, w) -> (h, w, C)
    for save in recipe.saves:
        pixels = save_as_jpeg(pixels, save)
    if high.shape[2] > colors:
        alpha = to_uint8(shrink(planes[colors:], scale, recipe.kernel))
        pixels = np.concatenate((pixels, alpha.permute(1, 2, 0).numpy()), axis=2)
    return pixels


def blur(image: Tensor, along: float, across: float, angle: float = 0.0) -> Tensor:
    """Gaussian blur of float32 (C, H, W), reflected at its borders.

    Args:
        along: standard deviation in pixels in the direction of `angle`.
        across: the same at right angles to it.
        angle: radians, 0 is along the rows.
    """
    if not along and not across:
        return image
    from scipy import fft  # imported here because it slows down the start of every command

    margin = math.ceil(4 * max(along, across))
    down, right = np.mgrid[-margin : margin + 1, -margin : margin + 1]
    main = (right * math.cos(angle) + down * math.sin(angle)) / max(along, 0.01)
    side = (down * math.cos(angle) - right * math.sin(angle)) / max(across, 0.01)
    weights = np.exp(-0.5 * (main**2 + side**2))
    weights /= weights.sum()
    # By FFT: a rotated Gaussian is not separable, and a sum over its taps takes several times as long.
    height, width = image.shape[1:]
    sizes = [fft.next_fast_len(length + 2 * margin, real=True) for length in (height, width)]
    padded = np.pad(image.numpy(), ((0, 0), (margin, margin), (margin, margin)), mode="symmetric")
    spectrum = fft.rfft2(padded, s=sizes)
    spectrum *= fft.rfft2(weights.astype(np.float32), s=sizes)
    blurred = fft.irfft2(spectrum, s=sizes, overwrite_x=True)
    return torch.from_numpy(blurred[:, 2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width].copy())


def add_noise(image: Tensor, recipe: Recipe, bits: np.random.Philox) -> Tensor:
    """Float32 (C, h, w) in [0, 1] -> the same with sensor noise; may leave the range."""
    read, photon = recipe.read_noise / 255, recipe.photon_noise / 255
    if not read and not photon:
        return image
    channels, height, width = image.shape
    shape = (1 if recipe.noise_grey else channels, height, width)
    if recipe.noise_soft:
        noise = _soften(_normal(bits, (shape[0], height + 2, width + 2)))
    else:
        noise = _normal(bits, shape)
    return image + (read**2 + photon**2 * image.clamp(0, 1)).sqrt_() * noise


def save_as_jpeg(pixels: np.ndarray, save: Save) -> np.ndarray:
    """uint8 (h, w, 1|3) through a JPEG file."""
    top, left = save.corner
    height, width = pixels.shape[:2]
    if top or left:
        pixels = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), mode="edge")
    saved = jpeg_roundtrip(pixels, save.quality, chroma_halved=save.chroma_halved)
    return np.ascontiguousarray(saved[top : top + height, left : left + width])


def _draw_save(worst: int, best: int, cropped: bool, draws: Iterator[float]) -> Save:
    quality = round(_between(best, worst, next(draws) ** QUALITY_POWER))
    chroma_halved = next(draws) < CHROMA_HALVED
    down, across = (int(next(draws) * JPEG_BLOCK) for _ in range(2))
    return Save(quality, chroma_halved, (down, across) if cropped else (0, 0))


def _between(first: float, last: float, draw: float) -> float:
    return first + (last - first) * draw


def _pick(items: Sequence[Item], weights: Sequence[float], draw: float) -> Item:
    """By weights that add up to 1."""
    ends = np.cumsum(weights)
    return items[min(int(np.searchsorted(ends, draw, side="right")), len(items) - 1)]


@functools.cache
def _normal_table() -> np.ndarray:
    """Standard normal values at 65,536 evenly spread probabilities, float32."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / 2**16) for i in range(2**16)], np.float32)


def _normal(bits: np.random.Philox, shape: tuple[int, int, int]) -> Tensor:
    """Standard normal float32, four from each 64 raw bits."""
    count = math.prod(shape)
    raw = np.asarray(bits.random_raw(-(-count // 4)), "<u8").view("<u2")[:count]
    return torch.from_numpy(_normal_table()[raw].reshape(shape))


def _soften(noise: Tensor) -> Tensor:
    """Weights 1, 2, 1 down and across (C, h + 2, w + 2) -> (C, h, w); the deviation stays 1."""
    down = noise[:, :-2] + 2 * noise[:, 1:-1] + noise[:, 2:]
    return (down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:]) / 6  # 6 is the norm of the 3x3 weights
