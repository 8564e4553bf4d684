"""Deep images that use a part of their range: stretched for the network, as they were afterwards."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from srae.checkpoints.shipped import shipped_models
from srae.images.resample import resize
from srae.upscaling.backends import open_network
from srae.upscaling.enlarge import upscale_pixels
from srae.upscaling.ranges import WHOLE, ValueRange, measure_range
from toys import Same, as_network

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0, 65_535], WHOLE),
        ([100, 65_000], WHOLE),
        ([100, 40_000], (0.0, 40_000 / 65_535, False)),
        ([0, 4095], (0.0, 4095 / 65_535, False)),
        ([30_000, 31_000], (30_000 / 65_535, 1000 / 65_535, False)),
        ([0, 0], WHOLE),
        ([400, 400], (0.0, 400 / 65_535, False)),
    ],
)
def test_of_16_bits(values: list[int], wanted: ValueRange) -> None:
    assert measure_range(np.array(values, np.uint16).reshape(1, -1, 1)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.0, 1.0], WHOLE),
        ([0.0, 255.0], (0.0, 256.0, False)),
        ([-3.0, 4.0], (-3.0, 8.0, False)),
        ([1500.0, 1800.0], (1500.0, 512.0, False)),
        ([0.7, 0.95], (0.7, 0.25, False)),
        ([0.9, 0.99], (0.875, 0.125, False)),  # not beyond 1
        ([-5.0, -5.0], (-5.0, 1.0, False)),
    ],
)
def test_of_floats(values: list[float], wanted: ValueRange) -> None:
    found = measure_range(np.array(values, np.float32).reshape(1, -1, 1))
    assert found == pytest.approx(wanted)


def test_8_bits_are_never_stretched() -> None:
    assert measure_range(np.full((4, 4, 3), 9, np.uint8)) == WHOLE


def test_outliers_go_around_the_network() -> None:
    dim = np.random.default_rng(0).integers(400, 1000, (100, 100, 1)).astype(np.uint16)
    dim[50, 50] = 65_535
    assert measure_range(dim) == pytest.approx((0.0, np.percentile(dim, 99.95) / 65_535, True))
    large = upscale_pixels(dim, [as_network(Same(1), 1)])
    assert np.array_equal(large, dim)


@given(
    low=st.floats(-1e6, 1e6, width=32),
    width=st.floats(0.125, 1e6, width=32),
    dtype=st.sampled_from([np.uint16, np.float32]),
    channels=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_the_identity_returns_every_sample(low: float, width: float, dtype: type, channels: int, seed: int) -> None:
    values = np.random.default_rng(seed).random((7, 5, 1 if channels == 2 else channels)) * width + low
    pixels = np.clip(values, 0, 65_535).astype(np.uint16) if dtype == np.uint16 else values.astype(np.float32)
    result = upscale_pixels(pixels, [as_network(Same(1), 3)])
    assert result.dtype == dtype
    # A grey float through three channels is a weighted sum of equal values: one rounding of the range.
    tolerance = 0 if dtype == np.uint16 else (np.abs(pixels).max() + width) * 2**-22
    assert np.abs(result.astype(float) - pixels).max() <= tolerance


@pytest.mark.parametrize("share", [2, 16, 64])
@pytest.mark.parametrize("kind", ["uint16", "float32", "float32, below zero"])
def test_dim_images_are_as_good_as_bright_ones(share: int, kind: str) -> None:
    high = data.camera()[None, 100:260, 150:390].astype(np.float32) / 255
    low = resize(high, (80, 120), "bicubic").clip(0, 1)[0][:, :, None]
    chain = [open_network(shipped_models()["x2"], engine="torch")]
    offset = -1000 if "zero" in kind else 0

    def psnr(scale: float, dtype: type, offset: float = 0) -> float:
        values = low * scale + offset
        pixels = (values.round() if dtype == np.uint16 else values).astype(dtype)
        result = (upscale_pixels(pixels, chain)[:, :, 0].astype(float) - offset) / scale
        return float(-10 * np.log10(((result - high[0]) ** 2).mean()))

    bright = psnr(65_535, np.uint16)
    scale = 65_535 / share if kind == "uint16" else 3000 / share
    assert psnr(scale, np.uint16 if kind == "uint16" else np.float32, offset) == pytest.approx(
        bright, abs=0.02 if kind == "uint16" else 0.1
    )


@pytest.mark.parametrize(
    ("values", "trained", "wanted"),
    [
        ([0, 700], (0, 4095), (0.0, 4095 / 65_535, False)),  # a dark image of a camera of 12 bits, not one of 10
        ([0, 700], (0, 65_535), WHOLE),
        ([0, 700], None, (0.0, 700 / 65_535, False)),
        ([100] * 98 + [0, 9000], (50, 1050), (50 / 65_535, 1000 / 65_535, True)),  # a few outside go past the network
        ([0, 5000] * 50, (0, 1023), (0.0, 5000 / 65_535, False)),  # images of another kind have their own
    ],
)
def test_the_range_of_the_training_comes_first(
    values: list[int], trained: tuple[float, float] | None, wanted: ValueRange
) -> None:
    assert measure_range(np.array(values, np.uint16).reshape(1, -1, 1), trained) == pytest.approx(wanted)
    floats = np.array(values, np.float32).reshape(1, -1, 1)
    if trained and wanted != WHOLE and values[-1] != 5000:
        assert measure_range(floats, trained) == pytest.approx(tuple(v * 65_535 for v in wanted[:2]) + wanted[2:])
    assert measure_range(np.zeros((1, 4, 1), np.uint8), trained) == WHOLE
