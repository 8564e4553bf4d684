"""The image of before and after shows the places where the two differ."""

import struct

import numpy as np
import pytest

from srae.images.image import TaggedImage
from srae.images.resample import resize
from srae.images.tags import Tags
from srae.upscaling.before_after import LIGHT, draw_comparison, find_places
from srae.upscaling.regions import of_array
from toys import random_image


def test_the_places_are_where_the_difference_is() -> None:
    first = random_image(3, 300, 500)
    second = first.copy()
    for strength, top, left in ((0.9, 200, 360), (0.6, 32, 40), (0.3, 40, 400)):
        second[:, top : top + 40, left : left + 60] += strength
    places = find_places([of_array(first), of_array(second)], (80, 120))
    assert len(places) == 3
    for place, (top, left) in zip(places, ((200, 360), (32, 40), (40, 400)), strict=True):
        assert place.top <= top
        assert place.top + 80 >= top + 40
        assert place.left <= left
        assert place.left + 120 >= left + 60


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 300), (300, 5), (80, 120), (170, 250), (3, 4000)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_every_size_and_kind(height: int, width: int, channels: int) -> None:
    for scale, dtype in ((1, np.uint8), (2, np.uint16)):
        most = np.iinfo(dtype).max
        draw = np.random.default_rng(height)
        before = TaggedImage(draw.integers(0, most + 1, (height, width, channels)).astype(dtype))
        after = TaggedImage(draw.integers(0, most + 1, (height * scale, width * scale, channels)).astype(dtype))
        drawn = draw_comparison(before, after, "名.png, é", "model").pixels
        assert drawn.shape[1:] == (1008, 3)
        assert drawn.dtype == np.uint8
        assert len(drawn) > 64
        assert drawn[64:].std() > 1


def test_left_is_bicubic_and_right_the_result_four_times_as_large() -> None:
    low = random_image(3, 40, 60)
    after = TaggedImage(np.full((80, 120, 3), 200, np.uint8))
    drawn = draw_comparison(TaggedImage.from_float(low), after, "a", "b").pixels
    bottom = len(drawn) - 16
    right = drawn[bottom - 320 : bottom, 512 : 512 + 480]
    assert (right == 200).all()
    left = drawn[bottom - 320 : bottom, 16 : 16 + 480].reshape(80, 4, 120, 4, 3)
    wanted = (resize(TaggedImage.from_float(low).color, (80, 120), "bicubic").clip(0, 1) * 255).transpose(1, 2, 0)
    assert np.abs(left[20:, 0, 20:, 0].astype(np.float32) - wanted[20:, 20:]).max() < 0.51
    assert (left[20:, :, 20:] == left[20:, :1, 20:, :1]).all()


def test_transparency_is_shown_on_white() -> None:
    hidden = TaggedImage(np.zeros((100, 200, 4), np.uint8))
    drawn = draw_comparison(hidden, hidden, "a", "b").pixels
    assert (drawn[-200:-40, 60:400] == 255).all()


def _profile(space: bytes) -> bytes:
    """ICC 2, of linear light: sRGB's primaries, or grey."""
    curve = b"curv" + bytes(8)
    parts = {name: b"XYZ " + struct.pack(">4i", 0, *(round(v * 65_536) for v in xyz)) for name, xyz in _XYZ.items()}
    parts |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    if space == b"GRAY":
        parts = {b"wtpt": parts[b"wtpt"], b"kTRC": curve}
    table, body, place = b"", b"", 128 + 4 + 12 * len(parts)
    for name, data in parts.items():
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", place + len(body), b"", 0x02100000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3i", 63_190, 65_536, 54_061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(parts)) + table + body


_XYZ = {
    b"wtpt": (0.9642, 1.0, 0.8249), b"rXYZ": (0.4361, 0.2225, 0.0139), b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7139),
}  # fmt: skip


def test_the_strip_has_the_profile_of_the_image() -> None:
    rgb, grey = _profile(b"RGB "), _profile(b"GRAY")
    pq = ((b"cICP", bytes((9, 16, 0, 1))),)
    for tags, channels, wanted in (
        (Tags(rgb), 3, Tags(rgb)),
        (Tags(rgb, b"exif", (72, 72)), 4, Tags(rgb)),
        (Tags(color=pq), 3, Tags(color=pq)),
        (Tags(grey), 1, Tags()),
        (Tags(b"no profile"), 3, Tags()),
        (Tags(), 3, Tags()),
    ):
        image = TaggedImage(np.full((100, 160, channels), 55, np.uint8), tags)
        drawn = draw_comparison(image, image, "a", "b")
        assert drawn.tags == wanted
        if channels == 1:  # 55 of linear light
            assert np.abs(drawn.pixels[-100, 100:300].astype(int) - 128).max() <= 1
        elif channels == 3:
            assert (drawn.pixels[-100, 100:300] == 55).all()


def test_floats_are_shown_between_their_extremes() -> None:
    ramp = np.linspace(-100, 900, 160 * 240, dtype=np.float32).reshape(160, 240, 1)
    drawn = draw_comparison(TaggedImage(ramp[::2, ::2]), TaggedImage(ramp), "a", "b").pixels
    shown = drawn[64 : 64 + 160, 500, 0].astype(int)
    assert shown[0] <= 2
    assert shown[-1] >= 250
    assert np.abs(np.diff(shown)).max() <= 3


@pytest.mark.parametrize(("most", "shown"), [(4095, 255), (65_535 // 2, 127), (0, 0)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_that_are_hardly_used_are_shown_brighter(most: int, shown: int, channels: int) -> None:
    pixels = np.full((160, 240, channels), most, np.uint16)
    if channels in (2, 4):
        pixels[:, :, -1] = 65_535
    drawn = draw_comparison(TaggedImage(pixels[::2, ::2]), TaggedImage(pixels), "a", "b").pixels
    for place in (drawn[64 + 50, 384 + 50], drawn[-100, 100], drawn[-100, 700]):  # the overview, left, right
        assert np.abs(place.astype(int) - shown).max() <= 1


def test_further_models_are_columns_of_the_same_crops() -> None:
    before = TaggedImage(np.full((80, 120, 3), 90, np.uint8))
    results = [TaggedImage(np.full((160, 240, 3), level, np.uint8)) for level in (100, 150, 200)]
    results[2].pixels[80:, 120:] = 250  # where the models differ most
    others = [("b", results[1]), ("c", results[2])]
    drawn = draw_comparison(before, results[0], "image", "a", others=others, look=LIGHT).pixels
    assert drawn.shape[1] == 1008 + 2 * 496
    assert (drawn[0] == 255).all(), "a white ground"
    rows = [drawn[top + 40 : top + 280, 16 + column * 496 + 40 : 496 * (column + 1) - 40]
            for column in range(4) for top in (len(drawn) - 3 * 336,)]  # fmt: skip
    assert [int(np.median(row)) for row in rows] == [90, 100, 150, 250]
