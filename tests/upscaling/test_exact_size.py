"""Sizes between those of the models: exact, antialiased, and the same however the rows are cut."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from srae.errors import ConfigError
from srae.images import resample
from srae.images.image import from_pixels
from srae.models import build_model
from srae.upscaling.exact_size import Planner, WantedSize, resize_pixels
from srae.upscaling.network import Network
from toys import as_network

SIZES = [((30, 40), (17, 29)), ((9, 7), (9, 5)), ((64, 3), (20, 3)), ((5, 5), (1, 1)), ((8, 6), (13, 11))]


def _bicubic(scale: int) -> Network:
    return as_network(build_model("bicubic", (3, 8, 8), (3, 8 * scale, 8 * scale), {}), 3)


@pytest.mark.parametrize(("size", "new"), SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_rows_at_a_time_as_at_once(
    size: tuple[int, int], new: tuple[int, int], channels: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(channels)
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    pixels = (draw.random((*size, channels)) * most).astype(dtype)
    whole = resize_pixels(pixels, new)
    assert (whole.shape, whole.dtype) == ((*new, channels), dtype)
    monkeypatch.setattr(resample, "_BAND_PIXELS", 50)
    assert np.array_equal(resize_pixels(pixels, new), whole)
    if channels in (1, 3):
        wanted = resample.resize(from_pixels(pixels), new)
        wanted = wanted if dtype == np.float32 else (wanted.clip(0, 1) * most).round()
        assert np.abs(whole - wanted.transpose(1, 2, 0).astype(np.float64)).max() <= 1e-6 * most


def test_what_nobody_sees_colours_nothing() -> None:
    """A red shape beside invisible green: no pixel of the result is greenish, and hard edges get no dark rim."""
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[:, :, 1] = 255
    pixels[10:30, 10:30] = (255, 0, 0, 255)
    small = resize_pixels(pixels, (27, 27))
    seen = small[:, :, 3] > 8
    assert seen.sum() > 100
    assert small[seen][:, 1].max() <= 1
    assert small[seen][:, 0].min() >= 254


def test_floats_keep_values_beyond_their_range() -> None:
    pixels = np.full((10, 10, 1), 7.5, np.float32)
    assert np.allclose(resize_pixels(pixels, (6, 6)), 7.5)


@pytest.mark.parametrize(
    ("wanted", "size", "result", "mark"),
    [
        (WantedSize(Fraction("1.5")), (9, 7), (14, 11), "x1.5"),  # 13.5 and 10.5 are rounded up
        (WantedSize(Fraction("1.25")), (10, 2), (13, 3), "x1.25"),  # 12.5, 2.5
        (WantedSize(Fraction(5)), (9, 7), (45, 35), "x5"),
        (WantedSize(width=20), (9, 7), (26, 20), "w20"),
        (WantedSize(height=20), (9, 7), (20, 16), "h20"),
        (WantedSize(width=20, height=20), (9, 7), (20, 16), "w20_h20"),
        (WantedSize(width=14), (9, 7), (18, 14), "w14"),
        (WantedSize(), (9, 7), (18, 14), "x2"),
    ],
)
def test_sizes_and_names(wanted: WantedSize, size: tuple[int, int], result: tuple[int, int], mark: str) -> None:
    """The next larger shipped scale, and a reduction only where it is needed."""
    planner = Planner(wanted, lambda path: _bicubic(int(path.stem[1:])))
    plan = planner.plan(*size)
    assert plan.result(*size) == result
    assert planner.mark == mark
    larger = size[0] * plan.factor, size[1] * plan.factor
    assert larger[0] >= result[0] and larger[1] >= result[1]
    assert (plan.size is None) == (larger == result)


def test_refusals() -> None:
    for wanted, size in (
        (WantedSize(width=7), (9, 7)),
        (WantedSize(height=5), (9, 7)),
        (WantedSize(width=100), (9, 7)),  # 14 times
        (WantedSize(width=20, height=9), (9, 7)),  # fits inside already
    ):
        with pytest.raises(ConfigError):
            Planner(wanted, lambda _: _bicubic(2)).plan(*size)
    with pytest.raises(ConfigError):
        Planner(WantedSize(width=21), lambda _: _bicubic(2), Path("double")).plan(
            9, 7
        )  # 3 times by a model that doubles
    with pytest.raises(ConfigError):
        WantedSize(Fraction(2), 100)
    assert Planner(WantedSize(Fraction("1.5")), lambda _: _bicubic(2), Path("double")).plan(9, 7).result(9, 7) == (
        14,
        11,
    )
