"""How the sizes of a low- and a high-resolution image fit: one whole scale, after less than a low pixel is cut off."""

from __future__ import annotations

from typing import NamedTuple

Size = tuple[int, int]
"""Height and width."""


class Fit(NamedTuple):
    scale: int
    low: Size
    """What is kept of the low-resolution image, from its upper left corner."""
    high: Size


def find_fit(low: Size, high: Size) -> Fit | None:
    """None where the sides do not differ by one whole scale, up to less than one pixel of the low-resolution image.

    Scripts that shrink by 2 make 160 or 161 pixels of 321: they round down or up.  Both begin in the upper
    left corner, so the last row or column of either image is dropped.
    """
    if not all(low):  # the header of a damaged file
        return None
    scale = round(high[0] / low[0])
    if not scale or any(abs(wide - narrow * scale) >= scale for narrow, wide in zip(low, high, strict=True)):
        return None
    height, width = (min(narrow, wide // scale) for narrow, wide in zip(low, high, strict=True))
    if not height or not width:
        return None
    return Fit(scale, (height, width), (height * scale, width * scale))


def is_cut(low: Size, high: Size) -> bool:
    """Whether a pair fits only after a part of it is cut off."""
    fit = find_fit(low, high)
    return fit is not None and (fit.low, fit.high) != (low, high)
