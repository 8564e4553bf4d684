"""The kinds of rendered images, and one image from random bits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np

from srae.rendering.artwork import draw_icons, draw_line_art, draw_logo, draw_pattern
from srae.rendering.canvas import Canvas, Palette, draw_palette
from srae.rendering.dice import Dice
from srae.rendering.documents import draw_chart, draw_diagram, draw_interface, draw_page

SCENES: dict[str, Callable[[Canvas, Dice, Palette], None]] = {
    "page": draw_page,
    "interface": draw_interface,
    "chart": draw_chart,
    "diagram": draw_diagram,
    "logo": draw_logo,
    "icons": draw_icons,
    "line art": draw_line_art,
    "pattern": draw_pattern,
}
_ORDER = (*SCENES, "page", "page", "interface", "logo", "line art", "line art")
"""Text and line art come most often: there is least of them in photographs."""
_GREY = 0.2
"""Share of images without colour."""
_TURNED = 0.15
"""Share of images that are turned by up to 45 degrees, as a photograph of a page or a sign is."""


def render_image(bits: np.random.BitGenerator, height: int, width: int) -> np.ndarray:
    """One image, uint8 (height, width, 3); equal bits, equal image."""
    dice = Dice(bits)
    palette, grey, scene = draw_palette(dice), dice.chance(_GREY), dice.pick(_ORDER)
    turned = dice.between(-45, 45) if dice.chance(_TURNED) else 0.0
    around = math.ceil((max(height, width) * math.sqrt(2) - min(height, width)) / 2) if turned else 0
    canvas = Canvas(height + 2 * around, width + 2 * around, palette.background)
    SCENES[scene](canvas, dice, palette)
    if turned:
        canvas.turn(turned, palette.background)
        canvas.cut(height, width)
    pixels = canvas.finish()
    return np.repeat(to_grey(pixels), 3, axis=2) if grey else pixels


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> (H, W, 1), luma of BT.601 as Pillow rounds it."""
    weighed = pixels.astype(np.uint32) @ np.array([19_595, 38_470, 7_471], np.uint32)
    return ((weighed + 0x8000) >> 16).astype(np.uint8)[..., None]


def rendering_digest() -> str:
    """16 hex digits of what the pixels depend on: this package, Pillow and its FreeType, Matplotlib's fonts."""
    digest = hashlib.sha256()
    for i in range(32):
        digest.update(render_image(np.random.Philox(key=i), 48, 48).tobytes())
    return digest.hexdigest()[:16]
