"""GeoTIFF 1.1 (OGC 19-008r4): where on Earth the pixels are, for an image of another size.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from srae.images.ifd import DOUBLE, Directory, Field, TiffStructure

_SCALE, _POINTS, _MATRIX, _KEYS = 33_550, 33_922, 34_264, 34_735
_TAGS = (_SCALE, _POINTS, _MATRIX, _KEYS, 34_736, 34_737, 42_112, 42_113)
"""Pixel scale, tie points, matrix; keys, their numbers, their texts; GDAL's metadata and its value for no data."""
_RASTER_TYPE, _IS_POINT = 1025, 2


@dataclass(frozen=True)
class GeoTags:
    """Attributes: size: (height, width) of the image to which they belong."""

    fields: tuple[Field, ...]
    size: tuple[int, int]


def read_geo(structure: TiffStructure, directory: Directory, size: tuple[int, int]) -> GeoTags | None:
    """None when the file says nothing.  Args: size: (height, width) of the image."""
    entries = directory.entries
    fields = tuple(structure.fields(entries[tag] for tag in _TAGS if tag in entries))
    return GeoTags(fields, size) if fields else None


def resize_geo(geo: GeoTags, height: int, width: int) -> list[Field]:
    """The same part of Earth on an image of this size."""
    across, down = width / geo.size[1], height / geo.size[0]
    # Raster coordinates are those of corners of pixels, or of their centres: then an enlarged image
    # begins a part of a pixel further out.
    centre = 0.5 if _counts_centres(geo) else 0.0
    return [_resize(field, across, down, centre) for field in geo.fields]


def _counts_centres(geo: GeoTags) -> bool:
    keys = next((field.value for field in geo.fields if field.tag == _KEYS), ())
    return any(tuple(keys[i : i + 4]) == (_RASTER_TYPE, 0, 1, _IS_POINT) for i in range(4, len(keys), 4))


def _resize(field: Field, across: float, down: float, centre: float) -> Field:
    if field.tag not in (_SCALE, _POINTS, _MATRIX) or field.type != DOUBLE or isinstance(field.value, bytes):
        return field
    value = list(field.value)
    if field.tag == _SCALE and len(value) >= 2:
        value[:2] = value[0] / across, value[1] / down
    elif field.tag == _POINTS:  # six numbers each: i, j, k of the raster; x, y, z of the Earth
        value[0::6] = [(i + centre) * across - centre for i in value[0::6]]
        value[1::6] = [(j + centre) * down - centre for j in value[1::6]]
    elif field.tag == _MATRIX and len(value) == 16:  # 4 x 4, row by row: raster coordinates to the Earth's
        for row in (0, 4, 8):
            value[row] /= across
            value[row + 1] /= down
            value[row + 3] += centre * (value[row] * (1 - across) + value[row + 1] * (1 - down))
    return field._replace(value=tuple(value))
