"""A surface that is drawn on in fine pixels and reduced, and the colours of one image."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from srae.rendering.dice import Dice

Color = tuple[int, int, int]
Point = tuple[float, float]
"""x to the right and y down, in pixels of the finished image."""

FINE = 4
"""Side of the square of fine pixels whose mean is a pixel of the finished image: 17 levels of coverage."""


class Canvas:
    """Pixels of an image while it is drawn; all places and lengths are in pixels of the finished image."""

    def __init__(self, height: int, width: int, background: Color) -> None:
        self.height, self.width = height, width
        self._show(Image.new("RGB", (width * FINE, height * FINE), background))

    def _show(self, image: Image.Image) -> None:
        self._image, self._draw = image, ImageDraw.Draw(image)

    def finish(self) -> np.ndarray:
        """uint8 (height, width, 3)"""
        return np.array(self._image.reduce(FINE))

    def polygon(self, points: Sequence[Point], fill: Color) -> None:
        self._draw.polygon(_fine(points), fill=fill)

    def line(self, points: Sequence[Point], color: Color, width: float = 1.0) -> None:
        """Of a single point there is nothing to see."""
        if len(points) < 2:
            return
        self._draw.line(_fine(points), fill=color, width=max(1, round(width * FINE)), joint="curve")

    def ellipse(
        self, center: Point, radii: Point, fill: Color | None, outline: Color | None = None, width: float = 1.0
    ) -> None:
        (x, y), (across, down) = center, radii
        corners = _fine([(x - across, y - down), (x + across, y + down)])
        self._draw.ellipse(corners, fill=fill, outline=outline, width=max(1, round(width * FINE)))

    def box(
        self,
        corner: Point,
        size: Point,
        fill: Color | None,
        *,
        outline: Color | None = None,
        width: float = 1.0,
        radius: float = 0.0,
    ) -> None:
        (x, y), (across, down) = corner, size
        # Pillow's last pixel is inside the box.
        (left, top), (right, bottom) = _fine([(x, y), (x + max(across, 0.5), y + max(down, 0.5))])
        place = (left, top, max(right - 1, left), max(bottom - 1, top))
        thick = max(1, round(width * FINE))
        self._draw.rounded_rectangle(place, radius * FINE, fill=fill, outline=outline, width=thick)

    def text(self, corner: Point, words: str, font: ImageFont.FreeTypeFont, color: Color) -> None:
        """Args: font: of the size in fine pixels."""
        self._draw.text(_fine([corner])[0], words, fill=color, font=font)

    def gradient(self, first: Color, last: Color, angle: float, *, radial: bool = False) -> None:
        """Fill everything: from one border to the other in the direction of the angle, or from the middle outwards."""
        down, right = np.mgrid[-1 : 1 : self.height * 1j, -1 : 1 : self.width * 1j]
        across = (right * math.cos(angle) + down * math.sin(angle) + 1.5) / 3
        place = np.hypot(down, right) / math.sqrt(2) if radial else across
        mixed = np.array(first) + (np.array(last) - np.array(first)) * np.clip(place, 0, 1)[..., None]
        coarse = Image.fromarray(np.rint(mixed).astype(np.uint8))
        self._show(coarse.resize(self._image.size, Image.Resampling.BILINEAR))

    def turn(self, degrees: float, color: Color) -> None:
        """About the middle; the corners become `color`."""
        self._show(self._image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=color))

    def cut(self, height: int, width: int) -> None:
        """Keep the middle."""
        top, left = (self.height - height) // 2 * FINE, (self.width - width) // 2 * FINE
        self.height, self.width = height, width
        self._show(self._image.crop((left, top, left + width * FINE, top + height * FINE)))

    def inside(self, points: Sequence[Point], paint: Callable[[Canvas], None]) -> None:
        """What `paint` draws is kept inside a polygon alone."""
        before = self._image
        self._show(before.copy())
        paint(self)
        mask = Image.new("1", before.size)
        ImageDraw.Draw(mask).polygon(_fine(points), fill=1)
        before.paste(self._image, mask=mask)
        self._show(before)


def _fine(points: Sequence[Point]) -> list[Point]:
    return [(x * FINE, y * FINE) for x, y in points]


@dataclass(frozen=True)
class Palette:
    """The colours of one image."""

    background: Color
    ink: Color
    """Far from the background in lightness."""
    accents: Sequence[Color]
    is_dark: bool

    @property
    def soft(self) -> Color:
        """Near the background: panels, rules, grids."""
        return mix(self.background, self.ink, 0.15)


def mix(first: Color, last: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, last, strict=True))
    return red, green, blue


def from_hsv(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = (round(255 * channel) for channel in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return red, green, blue


def draw_palette(dice: Dice) -> Palette:
    """Dark on light, light on dark, or two colours; often black and white exactly, as in documents."""
    is_dark, hue = dice.chance(0.35), dice.between(0, 1)
    plain = dice.chance(0.4)
    tint = 0.0 if plain else dice.pick([0.0, 0.05, 0.2, 0.7])
    light = from_hsv(hue, tint * 0.5, 1.0 if plain else dice.between(0.85, 1))
    dark = from_hsv(hue + dice.pick([0.0, 0.5]), min(2 * tint, 1), 0.0 if plain else dice.between(0, 0.3))
    step = dice.pick([0.09, 0.25, 0.38])
    accents = [from_hsv(hue + step * i, dice.between(0.45, 1), dice.between(0.55, 1)) for i in range(dice.count(2, 5))]
    return Palette(dark, light, accents, True) if is_dark else Palette(light, dark, accents, False)
