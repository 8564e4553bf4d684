"""A rectangle of what is done to an image is what would be done to all of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srae.images.resample import resize
from srae.upscaling.regions import (
    Planes,
    changed,
    enlarged,
    extended,
    fill_hidden,
    filled,
    of_array,
    of_pixels,
    stacked,
)
from toys import random_image

Side = st.integers(1, 150)


def _all(planes: Planes) -> np.ndarray:
    return planes.read(0, planes.height, 0, planes.width)


def _rectangles(planes: Planes, count: int = 12) -> list[tuple[int, int, int, int]]:
    draw = np.random.default_rng(planes.height * 1000 + planes.width)
    rows, columns = (np.sort(draw.integers(0, side + 1, (count, 2))) for side in (planes.height, planes.width))
    boxes = [(int(t), int(b), int(left), int(r)) for (t, b), (left, r) in zip(rows, columns, strict=True)]
    return [box for box in boxes if box[0] < box[1] and box[2] < box[3]]


def _agrees(planes: Planes, whole: np.ndarray) -> None:
    assert (planes.height, planes.width) == tuple(whole.shape[1:])
    assert np.abs(_all(planes) - whole).max() < 1e-6
    for top, bottom, left, right in _rectangles(planes):
        piece = planes.read(top, bottom, left, right)
        assert piece.shape[1:] == (bottom - top, right - left)
        assert np.abs(piece - whole[:, top:bottom, left:right]).max() < 1e-6


@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 255), (np.uint16, 65_535)])
def test_pixels_become_numbers_from_0_to_1(dtype: type, most: int) -> None:
    pixels = np.random.default_rng(0).integers(0, most + 1, (9, 5, 3)).astype(dtype)
    pixels[0, 0, 0], pixels[1, 1, 1] = 0, most
    planes = _all(of_pixels(pixels))
    assert planes[0, 0, 0] == 0
    assert planes[1, 1, 1] == 1
    assert np.array_equal((planes * most).round().transpose(1, 2, 0), pixels)
    exact = random_image(3, 9, 5)
    assert np.array_equal(_all(of_pixels(exact.transpose(1, 2, 0))), exact)


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "lanczos", "nearest", "area"])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_enlarged(kernel: str, factor: int) -> None:
    for height, width in ((1, 1), (2, 70), (37, 41)):
        image = random_image(3, height, width)
        whole = resize(image, (height * factor, width * factor), kernel)  # type: ignore[arg-type]
        _agrees(enlarged(of_array(image), factor, kernel), whole)  # type: ignore[arg-type]


@settings(max_examples=40)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 40), st.integers(0, 40))
def test_extended(height: int, width: int, below: int, beside: int) -> None:
    image = random_image(2, height, width)
    whole = np.pad(image, ((0, 0), (0, below), (0, 0)), "reflect" if below < height else "edge")
    whole = np.pad(whole, ((0, 0), (0, 0), (0, beside)), "reflect" if beside < width else "edge")
    _agrees(extended(of_array(image), height + below, width + beside), whole)


@settings(max_examples=30)
@given(Side, Side, st.sampled_from([0.0, 0.5, 0.99, 0.9999, 1.0]), st.sampled_from([1, 3]))
def test_filled(height: int, width: int, hidden: float, channels: int) -> None:
    color = random_image(channels, height, width)
    alpha = (random_image(1, height, width) >= hidden).astype(np.float32)
    alpha[:, : height // 2, : width // 2] = 0
    _agrees(filled(of_array(color), of_array(alpha)), fill_hidden(color, alpha))


def test_changed_and_stacked() -> None:
    first, second = random_image(3, 20, 30), random_image(1, 20, 30)
    both = stacked(changed(of_array(first), lambda planes: 1 - planes), of_array(second))
    _agrees(both, np.concatenate((1 - first, second)))


def test_fill_hidden_takes_near_colours_and_leaves_visible_ones() -> None:
    for height, width in ((1, 1), (1, 9), (9, 1), (13, 6)):
        color, alpha = random_image(3, height, width), (random_image(1, height, width) > 0.7).astype(np.float32)
        result = fill_hidden(color, alpha)
        seen = np.broadcast_to(alpha, color.shape) > 0
        assert np.array_equal(result[seen], color[seen])
        if not seen.any():
            assert np.array_equal(result, color)
    half = np.zeros((3, 8, 8), np.float32)
    half[0, :, :2], half[1, :, 6:] = 1, 1
    alpha = half.sum(0, keepdims=True)
    result = fill_hidden(half, alpha)
    assert result[:, 0, 2].tolist() == [1, 0, 0]
    assert result[:, 0, 5].tolist() == [0, 1, 0]
