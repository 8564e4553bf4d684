"""The tables of docs/formats.md, measured: every format is read and written with all that it may hold.

PYTHONPATH=src python tests/images/formats_page.py --write
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import metadata_samples
import numpy as np
from format_samples import MATRIX, ramp, widened

from srae.errors import DataError
from srae.images.decode import decode
from srae.images.encode import encode
from srae.images.formats import TABLE, Format
from srae.images.metadata import NAMES
from srae.images.tags import NO_TAGS, Tags

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
_BEGIN, _END = "<!-- measured -->\n", "<!-- end -->"
_YES, _NO = "yes", "–"
_CHANNELS = {"grey": 1, "colour": 3, "alpha": 4}
_TAGS = {
    "icc": "profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "iptc": "IPTC",
    "texts": "texts",
    "dpi": "resolution",
    "color": "colour chunks",
    "geo": "GeoTIFF",
}
assert {"aspect", *_TAGS} == set(NAMES)


def tables() -> str:
    """What is read, what is written, and what is kept beside the pixels, in Markdown."""
    written = [row for row in TABLE if row.writes]
    return "\n".join(
        (
            "### Read\n",
            _table(("format", "suffixes", "bits", "grey", "colour", "alpha", "frames", "needs"), map(_read, TABLE)),
            "### Written\n",
            _table(("format", "8 bits", "16 bits", "floats", "alpha", "frames", "longest side"), map(_write, written)),
            "### Kept beside the pixels\n",
            _table(("format", *_TAGS.values()), map(_keep, written)),
        )
    )


def _table(heads: tuple[str, ...], rows: object) -> str:
    lines = [heads, ("---",) * len(heads), *rows]  # type: ignore[misc]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _read(row: Format) -> tuple[str, ...]:
    """Bits and channels are those of files that other libraries wrote and that were read exactly."""
    exact = {
        (channels, bits)
        for suffix in (*row.suffixes, *row.aliases)
        for channels in range(1, 5)
        for bits in (8, 10, 12, 16)
        if suffix in MATRIX and channels in MATRIX[suffix][1] and bits in MATRIX[suffix][2]
        if np.array_equal(_decoded(suffix, channels, bits), widened(ramp(channels, bits), bits))
    }
    tried = {bits for _, bits in exact}
    bits = tried if max(tried, default=0) > 8 else set(row.reads)
    counts = {channels for channels, _ in exact} | _written_channels(row)
    colors = (_YES if number in counts else _NO for number in _CHANNELS.values())
    names = " ".join(f"`{suffix}`" for suffix in (*row.suffixes, *row.aliases))
    depths = ", ".join("floats" if number == 32 else str(number) for number in sorted(bits))
    return row.name, names, depths, *colors, _YES if row.animates or row.name == "TIFF" else _NO, _needs(row)


def _decoded(suffix: str, channels: int, bits: int) -> np.ndarray:
    return decode(MATRIX[suffix][0](ramp(channels, bits), bits), f"a{suffix}").pixels


def _written_channels(row: Format) -> set[int]:
    """What comes back with as many channels when srae writes it; palettes give GIF all of them."""
    if row.name == "GIF":
        return {1, 3, 4}
    return {channels for channels in (1, 3, 4) if row.writes and _back(row, ramp(channels, 8)).shape[2] == channels}


def _needs(row: Format) -> str:
    return f"`{row.remedy}`" if row.install else ""


def _write(row: Format) -> tuple[str, ...]:
    depths = [_name_loss(row, _back(row, pixels), pixels) for pixels in _of_all_depths()]
    alpha = _YES if _back(row, ramp(4, 8)).shape[2] == 4 else _NO
    longest = f"{row.longest_side:,}" if row.longest_side < 2**31 - 1 else _NO
    return row.name, *depths, alpha, _YES if row.animates else _NO, longest


def _of_all_depths() -> list[np.ndarray]:
    return [ramp(3, 8), ramp(3, 16), ramp(3, 16).astype(np.float32) / 7]


def _name_loss(row: Format, back: np.ndarray, pixels: np.ndarray) -> str:
    if back.dtype != pixels.dtype:
        return f"become {8 * back.dtype.itemsize}"
    return "exact" if np.array_equal(back, pixels) else "lossy"


def _back(row: Format, pixels: np.ndarray, tags: Tags = NO_TAGS) -> np.ndarray:
    return decode(_file(row, pixels, tags), f"a{row.suffixes[0]}").pixels


def _file(row: Format, pixels: np.ndarray, tags: Tags) -> bytes:
    file = io.BytesIO()
    encode(file, row.name, pixels, tags)
    return file.getvalue()


def _keep(row: Format) -> tuple[str, ...]:
    """Each alone, as EXIF holds a resolution, too."""
    kept = []
    for field in _TAGS:
        tags = Tags(**{field: getattr(metadata_samples.everything(), field)})
        try:
            found = decode(_file(row, metadata_samples.pixels(3, 5), tags), f"a{row.suffixes[0]}").tags
        except DataError:
            found = NO_TAGS
        moved = field == "texts" and b"a cat" in (found.exif or b"")  # as the description
        kept.append(_YES if getattr(found, field) or moved else _NO)
    if row.name == "JXL":  # libjxl describes every file by a profile; pillow-jxl-plugin writes sRGB alone
        kept[0] = "sRGB"
    return row.name, *kept


def page() -> str:
    """The page with its tables measured anew."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{tables()}\n{_END}{rest.partition(_END)[2]}"


if __name__ == "__main__":
    measured = page()
    if "--write" in sys.argv:
        PAGE.write_text(measured, encoding="utf-8")
    else:
        print(measured)
