"""What an image file holds beside the pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from srae.images.geotiff import GeoTags
from srae.images.texts import Text


@dataclass(frozen=True)
class Tags:
    """What belongs to an image and goes with it into its enlargement.

    Attributes:
        icc: colour profile as found in the file.
        exif: EXIF block; its orientation is 1, the sizes that it states are those of the file it was found in.
        dpi: dots per inch (x, y).
        aspect: dots per unknown unit (x, y), where the file says no more about the shape of its pixels.
        xmp: packet in UTF-8, cleaned as `xmp.clean_xmp` does.
        iptc: records of IPTC-IIM.
        texts: of a PNG, the prompts of image generators too; comments of a JPEG.
        color: PNG's chunks, kind and data, that tell what the samples mean: cICP, mDCV, cLLI, gAMA, cHRM, sRGB.
        geo: where on Earth the pixels are.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    aspect: tuple[float, float] | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    texts: tuple[Text, ...] = ()
    color: tuple[tuple[bytes, bytes], ...] = ()
    geo: GeoTags | None = None

    def without_color_space(self) -> Tags:
        """Of the same image, its pixels converted to sRGB."""
        return replace(self, icc=None, color=())


NO_TAGS = Tags()
CREDENTIALS_NOTE = "content credentials (C2PA) left out: they vouch for other pixels"
