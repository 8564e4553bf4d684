"""What an image file says beside its pixels, read."""

from __future__ import annotations

import math
from typing import IO, NamedTuple

from PIL import Image

from srae.images.formats import TIFF_TAGS_KEPT
from srae.images.tags import Tags

_ORIENTATION, _RESOLUTION = 274, 282  # TIFF's tags


class FoundTags(NamedTuple):
    """Of one image in a file.

    Attributes:
        orientation: 1 to 8 as in EXIF; how the pixels lie. `tags` belong to the upright image.
        notes: for the user: what of the file `tags` do not hold.
    """

    tags: Tags
    orientation: int = 1
    notes: tuple[str, ...] = ()


def read_tags(file: IO[bytes], image: Image.Image) -> FoundTags:
    """Never an error: what is damaged is left out.

    Args:
        file: whose position is kept.
        image: the same file, opened by Pillow at the frame that is meant; loaded or not.
    """
    orientation, exif = _read_exif(image)
    return FoundTags(Tags(image.info.get("icc_profile") or None, exif, _dpi(image)), orientation)


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    if image.format == "TIFF" and _RESOLUTION not in image.tag_v2:  # type: ignore[attr-defined]
        return None  # Pillow says 1 for those
    try:
        x, y = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if math.isfinite(x + y) and min(x, y) > 0 else None


def _read_exif(image: Image.Image) -> tuple[int, bytes | None]:
    """The orientation, and the EXIF block without it; damaged EXIF is dropped, not an error."""
    exif, orientation = None, 1
    try:
        tags = image.getexif()
        orientation = tags.pop(_ORIENTATION, 1)
        if image.format == "TIFF":
            for tag in set(tags) - TIFF_TAGS_KEPT:
                del tags[tag]
        exif = tags.tobytes() if len(tags) else None
    except Exception:  # whatever is wrong with the block, the pixels are fine
        pass
    return orientation, exif
