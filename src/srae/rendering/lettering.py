"""Words and fonts.  The fonts are those that Matplotlib brings along, so that no machine has others."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont

from srae.errors import ResourceError
from srae.rendering.canvas import FINE, Canvas, Color, Point
from srae.rendering.dice import Dice

_LATIN = "abcdefghijklmnopqrstuvwxyz"
_SCRIPTS = (
    _LATIN,
    _LATIN,
    _LATIN,
    _LATIN + "äöüéèçñåøß",
    "αβγδεζηθικλμνξοπρστυφχψω",
    "абвгдежзийклмнопрстуфхцчшщыьэюя",
)
_SIGNS = "0123456789+-=/()[]{}<>%&@#*!?.,:;'\"$_|~^"
_WIDE = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique", "DejaVuSerif",
         "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSansMono", "DejaVuSansMono-Bold")  # fmt: skip
"""They have every letter above."""
_NARROW = (
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "STIXGeneralBolIta",
    "cmr10",
    "cmss10",
    "cmtt10",
    "cmb10",
)
"""Latin letters and digits alone are sure to be there."""


def pick_font(dice: Dice) -> str:
    return dice.pick(_WIDE if dice.chance(0.7) else _NARROW)


def open_font(name: str, size: float) -> ImageFont.FreeTypeFont:
    """Args: size: of the em in pixels of the finished image."""
    return _open(name, max(8, round(size * FINE)))


@lru_cache(maxsize=512)
def _open(name: str, size: int) -> ImageFont.FreeTypeFont:
    # The other layout, Raqm, is missing from some builds of Pillow, and places letters differently.
    path = _folder() / f"{name}.ttf"
    try:
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        remedy = "pip install --force-reinstall matplotlib"
        raise ResourceError("a font of Matplotlib is missing", str(path), remedy) from None


@cache
def _folder() -> Path:
    import matplotlib  # slow, and needed by rendering alone

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def draw_words(dice: Dice, font: str, count: int) -> str:
    """Words, numbers and signs, of letters that the font has."""
    letters = dice.pick(_SCRIPTS) if font in _WIDE else _LATIN
    return " ".join(_word(dice, letters, signs=font in _WIDE) for _ in range(count))


def _word(dice: Dice, letters: str, *, signs: bool) -> str:
    kind = dice.between(0, 1)
    length = dice.count(1, 9)
    if kind < 0.1:
        return "".join(dice.pick("0123456789") for _ in range(min(length, 5)))
    if kind < 0.16 and signs:
        return "".join(dice.pick(_SIGNS) for _ in range(min(length, 4)))
    word = "".join(dice.pick(letters) for _ in range(length))
    return word.upper() if kind < 0.3 else word.capitalize() if kind < 0.5 else word


def write_line(canvas: Canvas, dice: Dice, corner: Point, size: float, color: Color, *, font: str, words: int) -> None:
    canvas.text(corner, draw_words(dice, font, words), open_font(font, size), color)
