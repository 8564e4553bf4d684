"""The image of before and after shows the places where the two differ."""

import numpy as np
import pytest
import torch

from srae.images.image import TaggedImage
from srae.images.resample import resize
from srae.upscaling.before_after import draw_comparison, find_places
from srae.upscaling.regions import of_tensor
from toys import random_planes


def test_the_places_are_where_the_difference_is() -> None:
    first = random_planes(3, 300, 500)
    second = first.clone()
    for strength, top, left in ((0.9, 200, 360), (0.6, 32, 40), (0.3, 40, 400)):
        second[:, top : top + 40, left : left + 60] += strength
    places = find_places(of_tensor(first), of_tensor(second), (80, 120))
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
    low = random_planes(3, 40, 60)
    after = TaggedImage(np.full((80, 120, 3), 200, np.uint8))
    drawn = draw_comparison(TaggedImage.from_float(low), after, "a", "b").pixels
    bottom = len(drawn) - 16
    right = drawn[bottom - 320 : bottom, 512 : 512 + 480]
    assert (right == 200).all()
    left = drawn[bottom - 320 : bottom, 16 : 16 + 480].reshape(80, 4, 120, 4, 3)
    wanted = (resize(TaggedImage.from_float(low).color, (80, 120), "bicubic").clamp(0, 1) * 255).permute(1, 2, 0)
    assert torch.from_numpy(left[20:, 0, 20:, 0].astype(np.float32)).sub(wanted[20:, 20:]).abs().max() < 0.51
    assert (left[20:, :, 20:] == left[20:, :1, 20:, :1]).all()


def test_transparency_is_shown_on_white() -> None:
    hidden = TaggedImage(np.zeros((100, 200, 4), np.uint8))
    drawn = draw_comparison(hidden, hidden, "a", "b").pixels
    assert (drawn[-200:-40, 60:400] == 255).all()
