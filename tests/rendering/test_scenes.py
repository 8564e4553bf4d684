"""Rendered images: the same from the same random numbers, of any size, anti-aliased, of many kinds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from srae.rendering import lettering, scenes
from srae.rendering.canvas import Canvas, Palette, draw_palette
from srae.rendering.dice import Dice
from srae.rendering.scenes import SCENES, render_image, rendering_digest, to_grey

PLAIN = Palette((255, 255, 255), (0, 0, 0), [(200, 30, 30), (30, 30, 200)], is_dark=False)


def bits(seed: int) -> np.random.Philox:
    return np.random.Philox(key=seed)


@pytest.mark.parametrize("size", [(4, 4), (5, 40), (48, 33)])
def test_equal_bits_equal_image_of_any_size(size: tuple[int, int]) -> None:
    images = [render_image(bits(seed), *size) for seed in range(60)]
    assert {(image.shape, image.dtype.name) for image in images} == {((*size, 3), "uint8")}
    assert all(np.array_equal(image, render_image(bits(seed), *size)) for seed, image in enumerate(images))
    assert len({image.tobytes() for image in images}) > (55 if min(size) > 4 else 30)


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_fills_an_image_with_edges(scene: str) -> None:
    spread = []
    for seed in range(6):
        canvas = Canvas(64, 64, PLAIN.background)
        SCENES[scene](canvas, Dice(bits(seed)), PLAIN)
        spread.append(np.abs(np.diff(canvas.finish().astype(int), axis=1)).mean())
    assert np.median(spread) > 1


def test_images_are_varied() -> None:
    """In colour and grey, light and dark, straight and turned; text and line art come most often."""
    images = np.stack([render_image(bits(seed), 32, 32) for seed in range(200)]).astype(int)
    grey = (images == images[..., :1]).all((1, 2, 3)).mean()
    dark = (np.median(images, axis=(1, 2, 3)) < 90).mean()
    assert 0.15 < grey < 0.7 and 0.15 < dark < 0.6
    assert set(scenes._ORDER) == set(SCENES)
    assert {name for name, count in Counter(scenes._ORDER).items() if count == 3} == {"page", "line art"}


def test_an_edge_has_the_share_that_it_covers() -> None:
    canvas = Canvas(2, 4, (0, 0, 0))
    canvas.box((0.5, 0.25), (2, 1), (255, 255, 255))
    assert np.array_equal(canvas.finish()[:, :, 0], [[96, 191, 96, 0], [32, 64, 32, 0]])


def test_what_is_painted_inside_stays_inside() -> None:
    canvas = Canvas(8, 8, (0, 0, 0))
    canvas.inside([(0, 0), (4, 0), (4, 8), (0, 8)], lambda inner: inner.box((0, 0), (8, 8), (255, 255, 255)))
    assert canvas.finish()[:, :3].min() == 255 and canvas.finish()[:, 5:].max() == 0


def test_grey_is_pillows_luma() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert np.array_equal(to_grey(pixels)[..., 0], np.asarray(Image.fromarray(pixels).convert("L")))


def test_ink_stands_out_from_every_background() -> None:
    for seed in range(100):
        palette = draw_palette(Dice(bits(seed)))
        assert abs(max(palette.ink) - max(palette.background)) > 120
        assert (max(palette.background) < max(palette.ink)) == palette.is_dark


def test_letters_are_in_the_fonts() -> None:
    """A font draws one box in place of every letter that it lacks."""
    for name in (*lettering._WIDE, *lettering._NARROW):
        font = lettering.open_font(name, 12)
        missing = font.getmask("\U000f0000").getbbox(), bytes(font.getmask("\U000f0000"))
        alphabets = "".join(lettering._SCRIPTS) + lettering._SIGNS if name in lettering._WIDE else lettering._LATIN
        drawn = {letter: (font.getmask(letter).getbbox(), bytes(font.getmask(letter))) for letter in alphabets}
        assert missing not in drawn.values()


def test_the_digest_changes_with_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = rendering_digest()
    assert digest == rendering_digest() and len(digest) == 16
    monkeypatch.setattr(scenes, "_GREY", 0.9)
    assert digest != rendering_digest()
