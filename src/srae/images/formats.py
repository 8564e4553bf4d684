"""The formats of image files: what each is called, how it is named in a path, and what it can hold."""

from __future__ import annotations

from pathlib import Path

from srae.errors import ConfigError

FORMATS = {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
FORMATS |= dict.fromkeys((".jpg", ".jpeg"), "JPEG") | dict.fromkeys((".tif", ".tiff"), "TIFF")
LOSSY = ("JPEG", "WEBP")
_LONGEST_SIDE = {"JPEG": 65_535, "WEBP": 16_383}
# A TIFF keeps its layout (strips, sizes, compression) among the tags that EXIF has; only these describe the image:
# description, make, model, software, date, artist, copyright, EXIF and GPS folders.
TIFF_TAGS_KEPT = frozenset((270, 271, 272, 305, 306, 315, 33432, 34665, 34853))
_MOST_TIFF_BYTES = 2**32 - 2**24  # its offsets have 32 bits


def format_of(path: Path) -> str:
    """PNG, JPEG, WEBP, BMP or TIFF.

    Raises:
        ConfigError: the suffix names none of them.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"cannot write {path.suffix or 'a file without suffix'}", str(path), "use .png, .jpg or .tif")
    return FORMATS[path.suffix.lower()]


def check_fit(path: Path, height: int, width: int, *, bytes_per_pixel: int, transparent: bool) -> None:
    """Whether the format that the suffix names can hold such an image.

    Raises:
        ConfigError: it is too large, or transparent and the format is not.
    """
    kind = format_of(path)
    too_many = kind == "TIFF" and height * width * bytes_per_pixel > _MOST_TIFF_BYTES
    if too_many or max(height, width) > _LONGEST_SIDE.get(kind, 2**31 - 1):
        raise ConfigError(f"{width}x{height} does not fit into {kind}", str(path), "use .png")
    if transparent and kind in ("JPEG", "BMP"):
        raise ConfigError(f"{kind} cannot hold transparency", str(path), "use .png")


def keeps_depth(kind: str, channels: int) -> bool:
    """Whether 16 bits stay 16 bits in this format."""
    return kind in ("PNG", "TIFF")


def memory_to_encode(kind: str, pixels: int, quality: int | None) -> int:
    """Bytes that the encoder takes besides the pixels; of libwebp as measured."""
    if kind == "WEBP":
        return pixels * (40 if quality is None else 12)
    return 4 * pixels if kind == "BMP" else 0
