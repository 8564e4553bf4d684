"""What running shows of a network: sizes, period and reach, on functions whose answer is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from srae.checkpoints.facts import Geometry
from srae.checkpoints.probing import Run, UnfitNetwork, find_sizes, measure_reach

UNKNOWN = Geometry(receptive_radius=None)


def enlarge(images: np.ndarray, scale: int) -> np.ndarray:
    return images.repeat(scale, 2).repeat(scale, 3)


def blur(radius: int, scale: int = 1) -> Run:
    """Sees `radius` pixels to every side."""

    def run(images: np.ndarray) -> np.ndarray:
        for axis in (2, 3):
            images = uniform_filter1d(images, 2 * radius + 1, axis=axis, mode="nearest")
        return enlarge(images, scale)

    return run


def in_windows(side: int, wraps: bool = False) -> Run:
    """The mean of a window is added to each of its pixels; sides are padded to whole windows inside."""

    def run(images: np.ndarray) -> np.ndarray:
        *_, height, width = images.shape
        padded = np.pad(images, ((0, 0), (0, 0), (0, -height % side), (0, -width % side)), "edge")
        if wraps:
            padded = np.roll(padded, side // 2, (2, 3))
        rows, columns = padded.shape[2] // side, padded.shape[3] // side
        windows = padded.reshape(1, -1, rows, side, columns, side)
        means = windows.mean((3, 5), keepdims=True)
        output = (windows + means).reshape(padded.shape)
        return (np.roll(output, -(side // 2), (2, 3)) if wraps else output)[:, :, :height, :width] / 2

    return run


def globally(weight: float) -> Run:
    """The mean of the image, with this weight, is added to each pixel."""
    return lambda images: images + np.float32(weight) * images.mean((2, 3), keepdims=True)


def far_and_faint(images: np.ndarray) -> np.ndarray:
    """A change is felt 30 pixels around in full, and everywhere by a thousandth."""
    return blur(30)(images) + np.float32(1e-3) * images.mean((2, 3), keepdims=True)


def only_multiples(run: Run, multiple: int) -> Run:
    def checked(images: np.ndarray) -> np.ndarray:
        if images.shape[2] % multiple or images.shape[3] % multiple:
            raise RuntimeError("shapes do not fit")
        return run(images)

    return checked


@pytest.mark.parametrize(
    ("run", "multiple", "radius"),
    [
        (blur(0), 1, 0),
        (blur(1, scale=2), 1, 1),
        (blur(9, scale=3), 1, 9),
        (blur(60), 1, 60),
        (blur(100), 1, 100),
        (blur(300), 1, None),
        (in_windows(8), 8, 7),
        (in_windows(7), 7, 6),
        (in_windows(16, wraps=True), 16, 8 + 15),
        (globally(0.0), 1, 0),
        (globally(0.3), 1, None),
    ],
)
def test_the_reach_is_found(run: Run, multiple: int, radius: int | None) -> None:
    scale = run(np.zeros((1, 1, 8, 8), np.float32)).shape[2] // 8
    found = measure_reach(run, 1, Geometry(scale=scale, receptive_radius=None))
    if radius is None:
        assert found.sees_all
    else:  # where in a window a change begins is not known
        assert found.multiple_of == multiple
        assert found.receptive_radius is not None and radius <= found.receptive_radius < radius + multiple


def test_what_is_faint_everywhere_has_an_effective_radius() -> None:
    radius = measure_reach(far_and_faint, 1, UNKNOWN).receptive_radius
    assert radius is not None and 20 <= radius <= 40


def test_where_changes_begin_between_multiples_the_radius_covers_them() -> None:
    found = measure_reach(only_multiples(blur(10), 4), 1, Geometry(multiple_of=4, receptive_radius=None))
    assert found.multiple_of == 4
    assert found.receptive_radius is not None and 10 <= found.receptive_radius <= 13


@pytest.mark.parametrize("fixed_size", [(64, 48)])
def test_a_fixed_size_is_not_measured(fixed_size: tuple[int, int]) -> None:
    geometry = find_sizes(blur(3, scale=2), 3, fixed_size)
    assert geometry == Geometry(scale=2, receptive_radius=None, fixed_size=fixed_size)
    assert measure_reach(blur(3, scale=2), 3, geometry) == geometry


@pytest.mark.parametrize("multiple", [1, 2, 3, 7, 8, 12, 48, 64])
@pytest.mark.parametrize("scale", [1, 3])
def test_sizes_are_found(multiple: int, scale: int) -> None:
    geometry = find_sizes(only_multiples(lambda images: enlarge(images, scale), multiple), 3)
    assert (geometry.scale, geometry.multiple_of, geometry.smallest) == (scale, multiple, multiple)


def test_small_images_may_not_run() -> None:
    def run(images: np.ndarray) -> np.ndarray:
        if min(images.shape[2:]) <= 20:
            raise RuntimeError("padding of 20 is too much")
        return images

    assert find_sizes(run, 1).smallest == 32


def fails(images: np.ndarray) -> np.ndarray:
    raise RuntimeError("weights of another shape")


@pytest.mark.parametrize(
    ("run", "named"),
    [
        (fails, "weights of another shape"),
        (lambda images: images[:, :1], "(1, 1, 64, 64)"),
        (lambda images: images[:, :, ::2, ::2], "(1, 3, 32, 32)"),
        (lambda images: images.repeat(2, 2), "(1, 3, 128, 64)"),
        (lambda images: images.mean((2, 3)), "(1, 3)"),
        (lambda images: images if images.shape[2] in (64, 96) else images[..., 1:], "few sizes"),
    ],
)
def test_what_is_no_network_for_images_is_refused(run: Callable, named: str) -> None:
    with pytest.raises(UnfitNetwork) as caught:
        find_sizes(run, 3)
    assert named in str(caught.value)
