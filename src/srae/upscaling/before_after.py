"""The comparison image of `--compare`: the full result, and the crops where it differs most from bicubic."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFont

from srae.images.encode import float_range, to_8_bits, to_integers
from srae.images.image import TaggedImage, to_pixels
from srae.images.tags import Tags
from srae.images.windows import window_sums
from srae.upscaling.exact_size import resize_pixels
from srae.upscaling.regions import Planes, enlarged, filled, of_pixels, stacked

_MARK, _BLACK = (255, 45, 149), (22, 22, 24)
_CROP, _ZOOM, _ROWS = (80, 120), 4, 3
_GAP = 16
_TALLEST = 640
_BLOCK = 8
_BAND = 64 * _BLOCK


@dataclass(frozen=True)
class Place:
    """Top left corner of a crop, in pixels of the result."""

    top: int
    left: int


class Look(NamedTuple):
    """Colours of a strip."""

    paper: tuple[int, int, int]
    ink: tuple[int, int, int]
    faint: tuple[int, int, int]


DARK, LIGHT = Look(_BLACK, (244, 244, 245), (150, 150, 156)), Look((255, 255, 255), (28, 32, 36), (91, 101, 112))


def draw_comparison(
    before: TaggedImage,
    after: TaggedImage,
    title: str,
    model: str,
    *,
    others: Sequence[tuple[str, TaggedImage]] = (),
    look: Look = DARK,
) -> TaggedImage:
    """RGB, 8 bits: the result with boxes, below it each box four times as large, before and after.

    It is 1008 pixels wide, 496 more for each of `others`.  Left is the input enlarged bicubically, or as it is where
    the sizes are equal.  Transparency is shown on white, floats between the extremes of the result, 16 bits of which
    it uses less than a quarter brighter.  The colours are in the image's profile, of grey in sRGB.

    Args:
        title: name of the image.
        model: name of the model.
        others: names and results of further models, as large as `after`.
    """
    images = [before, after, *(image for _, image in others)]
    if after.pixels.dtype == np.float32:
        extremes = float_range(after.pixels)
        images = [replace(one, pixels=to_integers(one.pixels, np.uint16, extremes)) for one in images]
    times = _times_darker(images[1])
    if times > 1:
        images = [_brighten(image, times) for image in images]
    tags, show = _pick_colors(after.tags)
    columns = [_plain(images[0], after.pixels.shape[:2]), *map(_on_paper, images[1:])]
    size = min(_CROP[0], columns[1].height), min(_CROP[1], columns[1].width)
    places = find_places(columns, size)
    step = _CROP[1] * _ZOOM + _GAP
    wide = _GAP + len(columns) * step
    overview = show(_shrink(images[1].pixels, wide - 2 * _GAP, _TALLEST))
    head, row = 64, size[0] * _ZOOM + _GAP
    canvas = Image.new("RGB", (wide, head + overview.height + _GAP + 40 + len(places) * row), look.paper)
    draw = ImageDraw.Draw(canvas)
    _text(draw, (_GAP, 14), title, 20, look.ink)
    sizes = f"{before.pixels.shape[1]} x {before.pixels.shape[0]} to {columns[1].width} x {columns[1].height} pixels"
    _text(draw, (_GAP, 38), sizes + (f", shown {times} times as bright" if times > 1 else ""), 14, look.faint)
    corner = (wide - overview.width) // 2, head
    canvas.paste(overview, corner)
    for number, place in enumerate(places, 1):
        box = _on_overview(place, size, corner, overview, columns[1])
        draw.rectangle(box, outline=_MARK, width=2)
        _badge(draw, (box[0], max(head, box[1] - 20)), str(number))
    top = head + overview.height + _GAP + 40
    names = ["the input" if before.pixels.shape[:2] == after.pixels.shape[:2] else "bicubic", model]
    for number, name in enumerate([*names, *(name for name, _ in others)]):
        _text(draw, (_GAP + number * step, top - 32), name if number == 0 else f"srae: {name}", 18, look.ink)
    for number, place in enumerate(places, 1):
        for column, planes in enumerate(columns):
            canvas.paste(show(_crop(planes, place, size)), (_GAP + column * step, top))
        _badge(draw, (_GAP, top), str(number))
        top += row
    return TaggedImage(np.asarray(canvas), tags)


def _times_darker(image: TaggedImage) -> int:
    """How much brighter 16 bits can be shown of which less than a quarter is used, as those of a 12-bit camera."""
    if image.pixels.dtype != np.uint16:
        return 1
    most = int(image.pixels[:, :, : image.colors].max())
    return 65_535 // most if 0 < most < 2**14 else 1


def _brighten(image: TaggedImage, times: int) -> TaggedImage:
    pixels = image.pixels.copy()
    pixels[:, :, : image.colors] = np.minimum(pixels[:, :, : image.colors], 65_535 // times) * np.uint16(times)
    return replace(image, pixels=pixels)


def _pick_colors(tags: Tags) -> tuple[Tags, Callable[[Image.Image], Image.Image]]:
    """What says how the strip's colours are meant, and what is done to RGB of the image to fit that.

    A grey profile cannot describe RGB: its greys become those of sRGB.
    """
    space = (tags.icc or b"")[16:20]
    if space != b"GRAY":
        return Tags(tags.icc if space == b"RGB " else None, color=tags.color), lambda image: image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(tags.icc or b""))
        to_screen = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "L", "RGB")
    except (ImageCms.PyCMSError, OSError):
        return Tags(color=tags.color), lambda image: image
    return Tags(), lambda image: ImageCms.applyTransform(image.getchannel(0), to_screen) or image


def find_places(images: Sequence[Planes], size: tuple[int, int]) -> list[Place]:
    """The crops of this size (height, width) in which two of the images differ most; the crops do not overlap.

    Args:
        images: two or more of one size.
    """
    after = images[1]
    blocks = np.max([_differences(one, other) for one, other in combinations(images, 2)], axis=0)
    tall, wide = (max(1, side // _BLOCK) for side in size)
    tall, wide = min(tall, blocks.shape[0]), min(wide, blocks.shape[1])
    sums = window_sums(blocks, tall, wide)
    places: list[Place] = []
    while len(places) < _ROWS:
        y, x = (int(i) for i in np.unravel_index(np.argmax(sums), sums.shape))
        if sums[y, x] < 0:  # all other crops overlap one that is shown
            break
        places.append(Place(min(y * _BLOCK, after.height - size[0]), min(x * _BLOCK, after.width - size[1])))
        sums[max(0, y - tall) : y + tall + 1, max(0, x - wide) : x + wide + 1] = -1
    return places


def _differences(before: Planes, after: Planes) -> np.ndarray:
    """Mean absolute difference in squares of 8 pixels, (rows, columns)."""
    rows, columns = -(-after.height // _BLOCK), -(-after.width // _BLOCK)
    found = np.zeros((rows, columns))
    for top in range(0, after.height, _BAND):
        bottom = min(top + _BAND, after.height)
        box = (top, bottom, 0, after.width)
        both = np.abs(before.read(*box) - after.read(*box)).mean(0)
        starts = np.arange(0, len(both), _BLOCK), np.arange(0, after.width, _BLOCK)
        part = np.add.reduceat(np.add.reduceat(both, starts[0], 0), starts[1], 1)
        found[top // _BLOCK : top // _BLOCK + len(part)] = part
    return found / _BLOCK**2


# ---------------------------------------------------------------------- planes of both


def _plain(image: TaggedImage, size: tuple[int, int]) -> Planes:
    """Enlarged bicubically to this (height, width), on white."""
    scale = size[0] // image.pixels.shape[0]
    if size != (image.pixels.shape[0] * scale, image.pixels.shape[1] * scale):
        return _on_paper(TaggedImage(resize_pixels(image.pixels, size)))
    color, alpha = _split(image)
    if alpha is None:
        return enlarged(color, scale, "bicubic")
    return _on_white(enlarged(stacked(filled(color, alpha), alpha), scale, "bicubic"))


def _on_paper(image: TaggedImage) -> Planes:
    color, alpha = _split(image)
    return color if alpha is None else _on_white(stacked(color, alpha))


def _split(image: TaggedImage) -> tuple[Planes, Planes | None]:
    color, rest = of_pixels(image.pixels[:, :, : image.colors]), image.pixels[:, :, image.colors :]
    return color, of_pixels(rest) if rest.shape[2] else None


def _on_white(planes: Planes) -> Planes:
    def read(top: int, bottom: int, left: int, right: int) -> np.ndarray:
        piece = planes.read(top, bottom, left, right)
        alpha = piece[-1:].clip(0, 1)
        return piece[:-1] * alpha + (1 - alpha)

    return Planes(planes.height, planes.width, read)


# --------------------------------------------------------------------------- drawing


def _crop(planes: Planes, place: Place, size: tuple[int, int]) -> Image.Image:
    """Its pixels as squares of four by four."""
    piece = planes.read(place.top, place.top + size[0], place.left, place.left + size[1])
    image = Image.fromarray(to_pixels(np.broadcast_to(piece, (3, *size)), np.uint8))
    return image.resize((size[1] * _ZOOM, size[0] * _ZOOM), Image.Resampling.NEAREST)


def _shrink(pixels: np.ndarray, width: int, height: int) -> Image.Image:
    """Shrink to fit, on white; small images keep their size.  Block means first, which need no full copy."""
    factor = max(1, min(max(pixels.shape[1] // width, 1), max(pixels.shape[0] // height, 1)))
    rows, columns = pixels.shape[0] // factor, pixels.shape[1] // factor
    small = np.empty((rows, columns, pixels.shape[2]), np.float32)
    for y in range(rows):
        band = pixels[y * factor : (y + 1) * factor, : columns * factor]
        small[y] = band.reshape(factor, columns, factor, -1).mean((0, 2), dtype=np.float32)
    small = to_8_bits(small.round().astype(np.uint16)) if pixels.dtype == np.uint16 else small.round().astype(np.uint8)
    planes = _on_paper(TaggedImage(small))
    color = np.broadcast_to(planes.read(0, rows, 0, columns), (3, rows, columns))
    image = Image.fromarray(to_pixels(color, np.uint8))
    image.thumbnail((width, height), Image.Resampling.LANCZOS)
    return image


def _on_overview(
    place: Place, size: tuple[int, int], corner: tuple[int, int], overview: Image.Image, full: Planes
) -> tuple[int, int, int, int]:
    across, down = overview.width / full.width, overview.height / full.height
    x, y = corner[0] + place.left * across, corner[1] + place.top * down
    return round(x), round(y), round(x + size[1] * across), round(y + size[0] * down)


def _badge(draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str) -> None:
    x, y = corner
    draw.rectangle((x, y, x + 20, y + 20), fill=_MARK)
    draw.text((x + 10, y + 10), text, fill=_BLACK, font=_font(14), anchor="mm")


def _text(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, size: int, color: tuple[int, int, int]
) -> None:
    known = text.encode("latin-1", "replace").decode("latin-1")  # what the built-in font has
    draw.text(corner, known, fill=color, font=_font(size))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
