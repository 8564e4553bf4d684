"""Resampling against the formula written out, against other libraries, and by its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.transform import resize as skimage_resize

from srae.data.degrade import make_low
from srae.images.resample import KERNELS, enlarge, resize, shrink
from srae.images.tensors import to_float, to_uint8

SIZES = [(8, 9), (12, 17), (40, 30), (23, 34), (1, 1)]


def _kernel(name: str, x: float) -> float:
    a = abs(x)
    if name == "bicubic":
        if a <= 1:
            return 1.5 * a**3 - 2.5 * a**2 + 1
        return -0.5 * a**3 + 2.5 * a**2 - 4 * a + 2 if a <= 2 else 0.0
    if name == "bilinear":
        return max(0.0, 1 - a)
    if name == "lanczos":
        if a == 0:
            return 1.0
        return 3 * math.sin(math.pi * a) * math.sin(math.pi * a / 3) / (math.pi * a) ** 2 if a < 3 else 0.0
    return 1.0 if -0.5 <= x < 0.5 else 0.0


def _slow(line: list[float], new_length: int, name: str) -> list[float]:
    """imresize of one line, sample by sample."""
    length = len(line)
    ratio = length / new_length
    widening = 1.0 if name == "nearest" else max(1.0, ratio)
    result = []
    for position in range(new_length):
        centre = (position + 0.5) * ratio - 0.5
        total = weights = 0.0
        for index in range(math.floor(centre - 4 * widening), math.ceil(centre + 4 * widening) + 1):
            weight = _kernel(name, (centre - index) / widening)
            mirrored = index
            while not 0 <= mirrored < length:
                mirrored = -1 - mirrored if mirrored < 0 else 2 * length - 1 - mirrored
            total += weight * line[mirrored]
            weights += weight
        result.append(total / weights)
    return result


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "area", "lanczos", "nearest"])
@pytest.mark.parametrize("lengths", [(16, 8), (17, 5), (9, 27), (10, 13), (3, 2), (1, 4), (6, 1)])
def test_lines_follow_the_formula(kernel: str, lengths: tuple[int, int]) -> None:
    line = torch.rand(lengths[0], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = torch.tensor(_slow(line.tolist(), lengths[1], kernel), dtype=torch.float64)
    across = resize(line[None, None], (1, lengths[1]), kernel)[0, 0]  # type: ignore[arg-type]
    down = resize(line[None, :, None], (lengths[1], 1), kernel)[0, :, 0]  # type: ignore[arg-type]
    assert torch.allclose(across, expected, atol=1e-12) and torch.allclose(down, expected, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", SIZES)
def test_constants_stay(kernel: str, size: tuple[int, int]) -> None:
    image = torch.full((2, 3, 16, 23), 0.37)
    output = resize(image, size, kernel)  # type: ignore[arg-type]
    assert output.shape == (2, 3, *size) and output.dtype == torch.float32
    assert (output - 0.37).abs().max() < 1e-6


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "area", "gaussian"])
@pytest.mark.parametrize("new_length", [20, 80, 10])
def test_ramps_stay_inside(kernel: str, new_length: int) -> None:
    if kernel == "area" and new_length > 40:
        kernel = "bilinear"  # a box cannot draw a ramp that is finer than its input
    ramp = torch.arange(40, dtype=torch.float64).expand(1, 4, 40)
    ratio = 40 / new_length
    output = resize(ramp, (4, new_length), kernel)[0, 0]  # type: ignore[arg-type]
    expected = (torch.arange(new_length, dtype=torch.float64) + 0.5) * ratio - 0.5
    edge = math.ceil(9 / ratio)
    inside = slice(edge, -edge) if new_length > 2 * edge else slice(new_length // 2, new_length // 2 + 1)
    assert torch.allclose(output[inside], expected[inside], atol=1e-9)


@pytest.mark.parametrize("name", ["bicubic", "bilinear", "area", "lanczos", "nearest"])
@pytest.mark.parametrize("size", [(32, 41), (120, 100), (21, 27)])
def test_inside_the_borders_it_is_what_pillow_makes(name: str, size: tuple[int, int]) -> None:
    image = torch.rand(1, 63, 81, generator=torch.Generator().manual_seed(0)) * 255
    method = Image.Resampling["BOX" if name == "area" else name.upper()]
    pillow = np.asarray(Image.fromarray(image[0].numpy()).resize(size[::-1], method))
    output = resize(image, size, name)[0].numpy()  # type: ignore[arg-type]
    edge = 9
    assert np.abs(output - pillow)[edge:-edge, edge:-edge].max() < 1e-2


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_gaussian_with_mirrored_border_is_scikit_image_with_its_borders(scale: int) -> None:
    pixels = np.random.default_rng(0).random((12 * scale, 17 * scale))
    small = skimage_resize(pixels, (12, 17), order=1, anti_aliasing=True, mode="reflect")
    large = skimage_resize(small, pixels.shape, order=1, anti_aliasing=False, mode="reflect")
    output = shrink(torch.from_numpy(pixels)[None], scale, "gaussian", "mirror")
    assert np.abs(output[0].numpy() - small).max() < 1e-9
    assert np.abs(enlarge(output, scale, "bilinear", "mirror")[0].numpy() - large).max() < 1e-9


def test_shrinking_is_antialiased_and_nearest_is_not() -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(1, 16, 16)
    assert (shrink(stripes, 2, "bicubic")[:, :, 2:-2] - 0.5).abs().max() < 1e-6
    assert set(shrink(stripes, 2, "nearest").unique().tolist()) == {1.0}


def test_batches_are_resized_as_their_images() -> None:
    images = torch.rand(3, 2, 10, 14)
    together = shrink(images, 2)
    assert all(torch.equal(together[i], shrink(images[i], 2)) for i in range(3))


def test_what_cannot_be_resized_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple of 2"):
        shrink(torch.rand(1, 5, 4), 2)
    with pytest.raises(ValueError, match="one of bicubic"):
        resize(torch.rand(1, 4, 4), (2, 2), "cubic")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="floats"):
        resize(torch.zeros(1, 4, 4, dtype=torch.uint8), (2, 2))


def test_the_low_side_is_rounded_before_it_is_enlarged() -> None:
    high = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    planes = to_float(torch.from_numpy(high).permute(2, 0, 1))
    small = to_uint8(shrink(planes, 2))
    assert np.array_equal(make_low(high, "bicubic", 2), small.permute(1, 2, 0).numpy())
    again = to_uint8(enlarge(to_float(small), 2, "bilinear"))
    assert np.array_equal(make_low(high, "bicubic", 2, "bilinear"), again.permute(1, 2, 0).numpy())
