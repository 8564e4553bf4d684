"""Any size that is asked for: the next larger model, then an antialiased reduction to the exact size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srae.checkpoints.shipped import default_models, next_scale
from srae.errors import ConfigError
from srae.images.image import from_pixels, to_levels, write_planes
from srae.images.resample import Kernel, resize_bands
from srae.memory import check_memory
from srae.upscaling.enlarge import chain_scale
from srae.upscaling.network import Network

_KERNEL: Kernel = "bicubic"


@dataclass(frozen=True)
class WantedSize:
    """How large results are; at most one of `scale` and the sides is given, none means the model's own scale.

    Attributes:
        scale: times each side, at least 1; a side becomes the nearest whole number, halves rounded up.
        width, height: in pixels; with both, the result fits inside them. The ratio of the sides is kept.

    Raises:
        ConfigError: a scale beside sides.
    """

    scale: Fraction | None = None
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        if self.scale and self.depends:
            raise ConfigError("--scale beside --width or --height", None, "leave one of them out")

    @property
    def depends(self) -> bool:
        """Whether the scale is another for every image."""
        return bool(self.width or self.height)

    def times(self, height: int, width: int) -> Fraction | None:
        """How much longer the sides of such an image become; None: as the model has it."""
        wanted = [Fraction(new, max(1, old)) for new, old in ((self.width, width), (self.height, height)) if new]
        return min(wanted) if wanted else self.scale

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result, each at least 1."""
        times = self.times(height, width) or Fraction(1)
        new = [max(1, math.floor(side * times + Fraction(1, 2))) for side in (height, width)]
        return new[0], new[1]


def read_scale(scale: float | Fraction | None) -> Fraction | None:
    """A number as a person means it: 1.1 is eleven tenths.

    Raises:
        ValueError: it is no finite number of at least 1.
    """
    if scale is None:
        return None
    if isinstance(scale, bool) or not isinstance(scale, int | float | Fraction) or not 1 <= scale < math.inf:
        raise ValueError(f"scale is a number of at least 1, or None; not {scale!r}")
    return Fraction(scale).limit_denominator(1_000_000)


def pick_factor(chain: Sequence[Network], times: Fraction | None) -> int:
    """By how much a chain enlarges an image that becomes so much larger (None: as the chain has it).

    Raises:
        ConfigError: the chain enlarges by less, or is no model for images.
    """
    own = chain_scale(chain, None)
    if own == 1 or (times or 0) > own:  # the image is enlarged before the model, or it is said that it cannot be
        return chain_scale(chain, math.ceil(times or 1))
    return own


class Plan(NamedTuple):
    """How one image is enlarged.

    Attributes:
        factor: of the chain.
        size: (height, width) that is reduced to; None: the chain's own.
    """

    chain: Sequence[Network]
    factor: int
    size: tuple[int, int] | None = None

    def result(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result of an image of this size."""
        return self.size or (height * self.factor, width * self.factor)


@dataclass
class Planner:
    """Chooses the models for every image; each is loaded once.

    Attributes:
        chosen: the model that was named; None: those that ship.
        load: a file -> its model.
    """

    wanted: WantedSize
    load: Callable[[Path], Network]
    chosen: Path | None = None
    loaded: dict[Path, Network] = field(default_factory=dict)

    def plan(self, height: int, width: int) -> Plan:
        """For an image of this size.

        Raises:
            ConfigError: it is as large already, or no model enlarges so much.
        """
        times = self.wanted.times(height, width)
        if times is not None and (times < 1 or (times == 1 and self.wanted.depends)):
            what = f"{width}x{height} is as large already as is asked for"
            raise ConfigError(what, None, "srae enlarges; another program reduces images")
        chain, factor = self._pick(times)
        size = (height * factor, width * factor) if times is None else self.wanted.size_of(height, width)
        return Plan(chain, factor, None if size == (height * factor, width * factor) else size)

    @property
    def scale(self) -> Fraction | None:
        """Of all results; None where every image has its own."""
        return None if self.wanted.depends else self.wanted.scale or Fraction(self._pick(None)[1])

    @property
    def mark(self) -> str:
        """What the names of results say: `x2`, `x1.5`, `w3840`, `h2160`, `w3840_h2160`.

        Raises:
            ConfigError: no model enlarges so much.
        """
        if self.scale:
            self._pick(self.scale)
            return f"x{float(self.scale):g}"
        sides = (("w", self.wanted.width), ("h", self.wanted.height))
        return "_".join(f"{letter}{side}" for letter, side in sides if side)

    def _pick(self, times: Fraction | None) -> tuple[list[Network], int]:
        """Models that run one after the other, and by how much they enlarge."""
        paths = [self.chosen] if self.chosen else default_models(next_scale(times))
        chain = [self._load(path) for path in paths]
        return chain, pick_factor(chain, times)

    def _load(self, path: Path) -> Network:
        if path not in self.loaded:
            self.loaded[path] = self.load(path)
        return self.loaded[path]


def resize_pixels(pixels: np.ndarray, size: tuple[int, int], *, separate: bool = False) -> np.ndarray:
    """uint8, uint16 or float32 (H, W, 1..4) -> the same type and channels in this (height, width).

    Bicubic, antialiased where it reduces, some rows at a time. Colours count as much as they are opaque.

    Args:
        separate: the last of two or four channels is no transparency.

    Raises:
        ResourceError: not enough memory.
    """
    shape = (*size, pixels.shape[2])
    check_memory(math.prod(shape) * pixels.dtype.itemsize, f"an image of {size[1]}x{size[0]}", "ask for fewer pixels")
    result = np.empty(shape, pixels.dtype)
    opaque = separate or pixels.shape[2] in (1, 3)

    def read(top: int, bottom: int) -> np.ndarray:
        planes = from_pixels(pixels[top:bottom])
        return planes if opaque else np.concatenate((planes[:-1] * planes[-1:], planes))

    for rows, planes in resize_bands(read, pixels.shape[:2], size, _KERNEL):
        planes = planes if opaque else _divide(planes)
        levels = planes if pixels.dtype == np.float32 else to_levels(planes, pixels.dtype)
        write_planes(result[rows], levels)
    return result


def _divide(planes: np.ndarray) -> np.ndarray:
    """Colours times alpha, colours, and alpha -> colours and alpha; where nothing is seen, the plain colours."""
    count = len(planes) // 2
    products, plain, alpha = planes[:count], planes[count:-1], planes[-1:]
    return np.concatenate((np.where(alpha > 1e-4, products / np.maximum(alpha, 1e-4), plain), alpha))
