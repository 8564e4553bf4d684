"""What an image file holds beside the pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Tags:
    """What belongs to an image and goes with it into its enlargement.

    Attributes:
        icc: colour profile as found in the file.
        exif: EXIF block without the orientation tag.
        dpi: dots per inch (x, y).
    """

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None

    def without_color_space(self) -> Tags:
        """Of the same image, its pixels converted to sRGB."""
        return replace(self, icc=None)


NO_TAGS = Tags()
