"""Transparency, grey stored as colour, and textures: what the network makes of channels that are no photograph."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from srae.checkpoints.shipped import shipped_models
from srae.images.resample import resize
from srae.upscaling.backends import open_network
from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels
from srae.upscaling.network import Network
from toys import Same, as_network, random_image

torch.set_num_threads(1)


def _shipped(name: str) -> Network:
    return open_network(shipped_models()[name], engine="torch")


def _logo(width: int, height: int) -> np.ndarray:
    """uint8 (H, W), 255 in letters and lines."""
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    draw.text((10, 10), "srae Logo", fill=255, font=ImageFont.load_default(40))
    draw.text((10, 60), "thin lines, serifs, 0123", fill=255, font=ImageFont.load_default(20))
    draw.ellipse((20, 90, 110, 150), outline=255, width=4)
    draw.line((120, 150, width, 90), fill=255, width=3)
    return np.asarray(image)


def _psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((found.astype(float) - wanted) ** 2).mean()))


@pytest.mark.parametrize(("name", "scale"), [("x2", 2), ("x4", 4)])
def test_a_shape_in_the_transparency_is_as_sharp_as_on_white(name: str, scale: int) -> None:
    high = _logo(240, 160)
    planes = (high / np.float32(255))[None]
    low = (resize(planes, (160 // scale, 240 // scale), "bicubic").clip(0, 1) * 255).round()[0].astype(np.uint8)
    on_white = upscale_pixels(255 - low[:, :, None], [_shipped(name)])[:, :, 0]
    black = np.zeros((*low.shape, 4), np.uint8)
    black[:, :, 3] = low
    alpha = upscale_pixels(black, [_shipped(name)])[:, :, 3]
    assert _psnr(alpha, high) >= _psnr(on_white, 255 - high)


def test_a_hard_edge_stays_hard_and_all_else_is_untouched() -> None:
    sprite = np.zeros((24, 24, 4), np.uint8)
    y, x = np.mgrid[:24, :24]
    sprite[(x - 12) ** 2 + (y - 12) ** 2 < 81] = (200, 40, 40, 255)
    large = upscale_pixels(sprite, [_shipped("x2")])
    soft = (large[:, :, 3] > 0) & (large[:, :, 3] < 255)
    bicubic = np.asarray(Image.fromarray(sprite[:, :, 3]).resize((48, 48), Image.Resampling.BICUBIC))
    assert soft.sum() < ((bicubic > 0) & (bicubic < 255)).sum()
    distance = np.hypot(*((np.mgrid[:48, :48] - 23.5) / 2 - 0.25))
    assert set(np.unique(large[distance < 7, 3])) == {255}
    assert set(np.unique(large[distance > 12, 3])) == {0}
    assert np.abs(large[soft, :3].astype(int) - (200, 40, 40)).max() <= 8


@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_constant_transparency_costs_no_second_run(alpha: int) -> None:
    pixels = (random_image(4, 9, 8) * 255).transpose(1, 2, 0).astype(np.uint8)
    pixels[:, :, 3] = alpha
    model = Same(2)
    large = upscale_pixels(pixels, [as_network(model, 3)])
    assert len(model.seen) == 1
    assert bool((large[:, :, 3] == alpha).all())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", ["x2", "x2_photo", "p"])
@pytest.mark.parametrize("clear", [False, True])
def test_grey_stored_as_colour_stays_grey(dtype: type, name: str, clear: bool) -> None:
    grey = 255 - _logo(160, 96)[20:60, :70]
    grey[::3, ::2] //= 2  # a screen of dots
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    one = (grey[:, :, None] / 255 * most).astype(dtype)
    alpha = [np.full_like(one, most)] if clear else []
    alone = upscale_pixels(np.concatenate([one, *alpha], 2), [_shipped(name)])
    three = upscale_pixels(np.concatenate([one, one, one, *alpha], 2), [_shipped(name)])
    for channel in range(3):
        assert np.array_equal(three[:, :, channel], alone[:, :, 0])
    one_pixel_off = np.concatenate([one, one, one], 2)
    one_pixel_off[-1, -1, 2] = most // 3 if most > 1 else 0.3
    result = upscale_pixels(one_pixel_off, [_shipped(name)])
    assert not np.array_equal(result[:, :, 0], result[:, :, 2])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_separate_fourth_channel_leaves_the_colours_alone(channels: int) -> None:
    texture = (random_image(4, 20, 24) * 255).transpose(1, 2, 0).astype(np.uint8)
    texture[:, :12, 3] = 0
    options = UpscaleOptions(alpha="separate")
    same = upscale_pixels(texture, [as_network(Same(1), 3)], options)
    assert np.array_equal(same, texture)
    chain = [_shipped("x2")] if channels == 3 else [as_network(Same(2), channels)]
    both, color = upscale_pixels(texture, chain, options), upscale_pixels(texture[:, :, :3].copy(), chain, options)
    assert np.array_equal(both[:, :, :3], color)
    assert not np.array_equal(upscale_pixels(texture, chain)[:, :, :3], color)


# --------------------------------------------------------------------------- wrap


@pytest.mark.parametrize("chain", [["x2"], ["x4"], ["x2_photo"], ["x2", "x2"]])
@pytest.mark.parametrize("wrap", ["x", "y", "xy"])
def test_a_seamless_texture_stays_seamless(chain: list[str], wrap: str) -> None:
    """As if it had been enlarged with its neighbours: no step at the joint that is not inside."""
    noise = np.random.default_rng(0).random((24, 28, 3)).astype(np.float32)
    smooth = sum(np.roll(noise, (dy, dx), (0, 1)) for dy in range(3) for dx in range(3)) / 9
    pixels = (smooth * 255).round().astype(np.uint8)
    models = [_shipped(name) for name in chain]
    large = upscale_pixels(pixels, models, UpscaleOptions(wrap=wrap, precision="float32"))
    copies = (3 if "y" in wrap else 1, 3 if "x" in wrap else 1)
    many = upscale_pixels(np.tile(pixels, (*copies, 1)), models, UpscaleOptions(precision="float32"))
    height, width = large.shape[:2]
    top, left = (height if "y" in wrap else 0), (width if "x" in wrap else 0)
    assert np.abs(large.astype(int) - many[top : top + height, left : left + width]).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 40)])
@pytest.mark.parametrize("wrap", ["x", "y", "xy"])
def test_images_smaller_than_the_reach_wrap_too(size: tuple[int, int], wrap: str) -> None:
    pixels = (random_image(2, *size) * 255).transpose(1, 2, 0).astype(np.uint8)
    large = upscale_pixels(pixels, [_shipped("x2")], UpscaleOptions(wrap=wrap))
    assert large.shape == (2 * size[0], 2 * size[1], 2)


@pytest.mark.parametrize("wrong", [{"wrap": "z"}, {"alpha": "none"}])
def test_other_words_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UpscaleOptions(**wrong)  # type: ignore[arg-type]
