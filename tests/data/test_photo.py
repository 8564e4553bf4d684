"""Photographs from the web: what is drawn, what each step does to an image, and that a seed settles all of it."""

from __future__ import annotations

import functools
import math
import unicodedata
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from srae.data import photo
from srae.data.degrade import make_low
from srae.data.demo import demo_image
from srae.data.photo import (
    Recipe,
    Save,
    add_noise,
    blur,
    draw_recipe,
    follow,
    make_photo,
    photo_generator,
    save_as_jpeg,
)
from srae.images.image import jpeg_roundtrip

NOTHING = Recipe((0.0, 0.0), 0.0, "bicubic", 0.0, 0.0, noise_grey=False, noise_soft=False, saves=())


@functools.cache
def _image() -> np.ndarray:
    return demo_image()[40:168, 120:248].copy()


@functools.cache
def _recipes() -> list[Recipe]:
    return [draw_recipe(photo_generator(f"{i}.png")) for i in range(2000)]


def _low(name: str = "a.png", copy: int = 0) -> np.ndarray:
    return make_low(_image(), "photo", 2, name=name, copy=copy)


# ---------------------------------------------------------------------------- seeds


def test_name_and_copy_settle_every_pixel_and_nothing_else_has_a_part_in_it() -> None:
    before = _image().copy()
    first = [_low(copy=copy) for copy in range(6)]
    np.random.default_rng(3).random(5)
    torch.manual_seed(9)
    assert all(np.array_equal(_low(copy=copy), first[copy]) for copy in reversed(range(6)))
    assert np.array_equal(_image(), before)
    assert len({low.tobytes() for low in [*first, _low("b.png"), _low("c/a.png")]}) == 8


def test_an_accented_name_is_the_same_name_on_every_file_system() -> None:
    composed = unicodedata.normalize("NFC", "café.png")
    decomposed = unicodedata.normalize("NFD", "café.png")
    assert composed != decomposed and np.array_equal(_low(composed), _low(decomposed))
    assert _low("\udcff.png").shape == (64, 64, 3)  # a name that is no Unicode


def test_nothing_but_raw_bits_is_used_so_that_every_numpy_draws_the_same() -> None:
    bits = photo_generator("a")
    raw = bits.random_raw(24)
    draws = np.random.Generator(photo_generator("a")).random(24)
    assert np.array_equal(draws, (raw >> np.uint64(11)) * 2.0**-53)
    for name in "abcdefgh":  # every recipe takes the same 24 of them: the noise begins at one place
        used, skipped = photo_generator(name), photo_generator(name)
        draw_recipe(used)
        skipped.random_raw(24)
        assert used.random_raw() == skipped.random_raw()


def test_the_table_of_the_noise_is_the_normal_distribution() -> None:
    values = photo._normal(photo_generator("a"), (1, 1, 10**6 + 1))
    assert values.shape == (1, 1, 10**6 + 1) and values.dtype == torch.float32
    assert abs(values.mean()) < 0.005 and abs(values.std() - 1) < 0.005
    for limit, share in ((1, 0.6827), (2, 0.9545), (3, 0.9973)):
        assert abs((values.abs() < limit).float().mean() - share) < 0.002


# -------------------------------------------------------------------------- recipes


def test_recipes_keep_to_the_table() -> None:
    recipes = _recipes()
    low, high = photo.BLUR_SIGMA
    for recipe in recipes:
        assert recipe.sigmas == (0, 0) or all(low <= sigma <= high for sigma in recipe.sigmas)
        assert 0 <= recipe.angle < math.pi
        assert 0 <= recipe.read_noise <= photo.READ_NOISE and 0 <= recipe.photon_noise <= photo.PHOTON_NOISE
        for save in recipe.saves:
            assert photo.QUALITY[0] <= save.quality <= photo.QUALITY[1] and all(0 <= x < 8 for x in save.corner)
        assert all(save.quality >= photo.FIRST_QUALITY[0] for save in recipe.saves[:-1])
        assert not recipe.saves or recipe.saves[-1].corner == (0, 0)  # the last file is the image itself


def test_everything_in_the_table_comes_up_as_often_as_it_says() -> None:
    recipes = _recipes()
    blurred = [r for r in recipes if r.sigmas != (0, 0)]
    noisy = [r for r in recipes if r.read_noise + r.photon_noise > 0]
    twice = [r for r in recipes if len(r.saves) == 2]
    saves = [save for r in recipes for save in r.saves]
    for wanted, kind in (
        (photo.BLURRED, [r.sigmas != (0, 0) for r in recipes]),
        (photo.BLUR_UNEVEN, [r.sigmas[0] != r.sigmas[1] for r in blurred]),
        (photo.NOISY, [r.read_noise + r.photon_noise > 0 for r in recipes]),
        (photo.NOISE_GREY, [r.noise_grey for r in noisy]),
        (photo.NOISE_SOFT, [r.noise_soft for r in noisy]),
        (photo.CHROMA_HALVED, [save.chroma_halved for save in saves]),
        (photo.CROPPED * (1 - 1 / 64), [r.saves[0].corner != (0, 0) for r in twice]),
        (0.5, [r.saves[-1].quality >= 72 for r in recipes if r.saves]),
    ):
        assert sum(kind) / len(kind) == pytest.approx(wanted, abs=0.06)
    for table, found in (
        (photo.KERNEL_WEIGHTS, Counter(r.kernel for r in recipes)),
        (photo.SAVE_WEIGHTS, Counter(len(r.saves) for r in recipes)),
    ):
        assert sum(table.values()) == pytest.approx(1)  # type: ignore[attr-defined]
        for key, weight in table.items():  # type: ignore[attr-defined]
            assert found[key] / len(recipes) == pytest.approx(weight, abs=0.05)


# ---------------------------------------------------------------------- one image


@pytest.mark.parametrize("kernel", photo.KERNEL_WEIGHTS)
def test_a_recipe_without_faults_is_plain_shrinking(kernel: str) -> None:
    recipe = replace(NOTHING, kernel=kernel)
    done = follow(recipe, _image(), 2, photo_generator("a"))
    assert np.array_equal(done, make_low(_image(), kernel, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("scale", "size"), [(2, (34, 50)), (3, (33, 48)), (4, (4, 4)), (2, (2, 64)), (8, (8, 8))])
def test_every_size_and_number_of_channels_is_taken(channels: int, scale: int, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    high = random.integers(0, 256, (*size, channels), dtype=np.uint8)
    for copy in range(4):
        low = make_photo(high, scale, photo_generator("a", copy))
        assert low.shape == (size[0] // scale, size[1] // scale, channels) and low.dtype == np.uint8
        assert low.flags.c_contiguous and low.flags.writeable


def test_alpha_is_shrunk_and_nothing_else() -> None:
    alpha = np.full((*_image().shape[:2], 1), 255, np.uint8)
    alpha[:40] = 0
    high = np.concatenate((_image(), alpha), axis=2)
    recipe = replace(NOTHING, sigmas=(0.7, 0.7), read_noise=5.0, saves=(Save(30, True, (0, 0)),))
    low = follow(recipe, high, 2, photo_generator("a"))
    assert np.array_equal(low[:, :, 3:], make_low(high, "bicubic", 2)[:, :, 3:])
    assert np.array_equal(low[:, :, :3], follow(recipe, _image(), 2, photo_generator("a")))


def test_the_mean_colour_stays_and_the_image_is_still_there() -> None:
    plain = make_low(_image(), "bicubic", 2).astype(np.float64)
    distances = []
    for copy in range(40):
        low = _low(copy=copy).astype(np.float64)
        assert np.abs((low - plain).mean(axis=(0, 1))).max() < 2
        distances.append(10 * math.log10(255**2 / ((low - plain) ** 2).mean()))
    assert 22 < min(distances) < 30 and 35 < max(distances)  # from clearly damaged to nearly clean


def test_a_degraded_image_can_be_enlarged_again() -> None:
    low, same = _low(), make_low(_image(), "photo", 2, "bicubic", name="a.png")
    assert same.shape == _image().shape
    assert np.abs(make_low(same, "area", 2).astype(int) - low).mean() < 2


# ----------------------------------------------------------------------------- steps


@pytest.mark.parametrize("sigmas", [(1.5, 1.5), (0.8, 1.4), (2.0, 0.5)])
def test_upright_blur_is_that_of_scipy_up_to_the_border(sigmas: tuple[float, float]) -> None:
    pixels = np.random.default_rng(0).random((37, 50))
    expected = gaussian_filter(pixels, (sigmas[1], sigmas[0]), truncate=6)
    found = blur(torch.from_numpy(pixels).float()[None].expand(2, -1, -1), *sigmas)
    assert found.dtype == torch.float32
    assert np.abs(found.numpy() - expected).max() < 2e-4


@pytest.mark.parametrize("angle", [0.0, 0.6, math.pi / 2, 2.5])
def test_a_turned_blur_has_its_deviations_along_its_direction(angle: float) -> None:
    point = torch.zeros(1, 41, 41)
    point[0, 20, 20] = 1
    spread = blur(point, 2.0, 1.0, angle)[0].double().numpy()
    down, right = np.mgrid[-20:21, -20:21]
    along = right * math.cos(angle) + down * math.sin(angle)
    across = down * math.cos(angle) - right * math.sin(angle)
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    assert (spread * along**2).sum() == pytest.approx(4, abs=0.02)
    assert (spread * across**2).sum() == pytest.approx(1, abs=0.02)
    assert abs((spread * along * across).sum()) < 0.02


def test_blur_of_nothing_and_of_constants_changes_nothing() -> None:
    image = torch.rand(3, 9, 7)
    assert torch.equal(blur(image, 0.0, 0.0), image)
    assert (blur(torch.full((1, 3, 40), 0.3), 5.0, 2.0, 1.0) - 0.3).abs().max() < 1e-6


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_noise_is_as_strong_as_the_recipe_says(soft: bool, grey: bool) -> None:
    recipe = replace(NOTHING, read_noise=3.0, photon_noise=4.0, noise_soft=soft, noise_grey=grey)
    for value in (0.0, 0.25, 1.0):
        image = torch.full((3, 200, 300), value)
        noise = (add_noise(image, recipe, photo_generator("a")) - image) * 255
        assert noise.shape == image.shape and abs(noise.mean()) < 0.2
        assert noise[0].std() == pytest.approx(math.sqrt(9 + 16 * value), rel=0.03)
        assert torch.equal(noise[0], noise[1]) == grey
        neighbours = (noise[0, :, 1:] * noise[0, :, :-1]).mean() / noise[0].var()
        assert neighbours == pytest.approx(2 / 3 if soft else 0, abs=0.03)


def _steps(pixels: np.ndarray, offset: int) -> tuple[float, float]:
    """Mean difference of neighbouring columns where blocks that begin at `offset` meet, and elsewhere."""
    steps = np.abs(np.diff(pixels[:, :, 0].astype(float), axis=1)).mean(axis=0)
    meets = (np.arange(1, pixels.shape[1]) - offset) % 8 == 0
    return steps[meets].mean(), steps[~meets].mean()


@pytest.mark.parametrize("corner", [(0, 0), (3, 5)])
def test_jpeg_leaves_its_blocks_where_the_crop_says(corner: tuple[int, int]) -> None:
    down, right = np.mgrid[0:64, 0:96]
    smooth = (40 + 0.4 * right + 0.1 * down)[:, :, None].repeat(3, 2).astype(np.uint8)
    saved = save_as_jpeg(smooth, Save(20, True, corner))
    assert saved.shape == smooth.shape and saved.flags.c_contiguous
    meets, elsewhere = _steps(saved, (8 - corner[1]) % 8)
    assert meets > 2 * elsewhere
    meets, elsewhere = _steps(smooth, 0)
    assert meets < 1.2 * elsewhere


def test_jpeg_loses_more_at_lower_quality_and_colour_detail_when_it_is_halved() -> None:
    low = make_low(_image(), "bicubic", 2)
    losses = [np.square(jpeg_roundtrip(low, q, chroma_halved=True).astype(float) - low).mean() for q in (95, 70, 30)]
    assert 0 < losses[0] < losses[1] < losses[2]
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0], stripes[:, 1::2, 2] = 200, 200
    halved, full = (jpeg_roundtrip(stripes, 95, chroma_halved=half).astype(float) for half in (True, False))
    assert np.abs(full - stripes).mean() < 5 and np.abs(halved - stripes).mean() > 30
    grey = low[:, :, :1]
    assert jpeg_roundtrip(grey, 80, chroma_halved=True).shape == grey.shape
