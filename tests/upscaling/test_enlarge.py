"""Grey stays grey, edges stay clean, and the image's depth is the result's, whatever the network is."""

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor, nn

from srae.checkpoints.shipped import shipped_models
from srae.config.data_sets import PairsConfig
from srae.config.degrade import Degrade
from srae.config.experiment import ModelConfig
from srae.errors import CheckpointError, ConfigError, ResourceError
from srae.images.image import TaggedImage
from srae.images.resample import resize, shrink
from srae.images.tags import Tags
from srae.upscaling.backends import open_network
from srae.upscaling.backends.torch import from_trained
from srae.upscaling.enlarge import UpscaleOptions, chain_scale, pick_scale, upscale_image, upscale_pixels
from toys import Same, Strided, as_loaded, as_network, random_image, toy

torch.set_num_threads(1)

# ------------------------------------------------------------------------- colour


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_image_keeps_its_kind_through_any_model(channels: int, grey: bool, clear: bool, bits: Literal[8, 16]) -> None:
    smooth = resize(random_image(1 if grey else 3, 3, 4), (12, 16), "bilinear")
    alpha = resize(random_image(1, 3, 4), (12, 16), "bilinear") if clear else None
    pixels = TaggedImage.from_float(smooth, alpha, bits=bits).pixels
    image = TaggedImage(pixels, Tags(b"icc", b"exif", (72.0, 72.0)))
    output, _ = upscale_image(image, [as_network(Same(), channels)])
    assert np.abs(output.color - smooth).max() <= 1.01 / (2**bits - 1)
    assert (output.alpha is None) == (not clear)
    if output.alpha is not None and image.alpha is not None:
        assert np.array_equal(output.alpha, image.alpha)
    assert (output.bits, output.tags) == (bits, image.tags)
    twice, _ = upscale_image(image, [as_network(Same(2), channels)])
    assert twice.color.shape == (len(smooth), 24, 32)
    assert twice.alpha is None or twice.alpha.shape == (1, 24, 32)
    assert np.abs(resize(twice.color, (12, 16), "area") - smooth).max() < 0.05


def test_opaque_images_give_a_four_channel_model_full_alpha() -> None:
    model = Same()
    upscale_image(TaggedImage.from_float(random_image(3, 5, 5)), [as_network(model, 4)])
    assert model.seen[0].shape[1] == 4
    assert bool((model.seen[0][:, 3] == 1).all())


def test_hue_survives_a_grey_model() -> None:
    red = np.broadcast_to(np.float32([0.8, 0.1, 0.2])[:, None, None], (3, 6, 6))
    output, notes = upscale_image(TaggedImage.from_float(red, bits=16), [as_network(Same(2), 1)])
    assert np.allclose(output.color, red.repeat(2, 1).repeat(2, 2), atol=1e-4)
    assert any("grey" in note for note in notes)


class Smooth(nn.Module):
    """Bicubic, by its own weights: overshoots at edges as trained networks do."""

    multiple_of, receptive_radius, fixed_size = 1, 8, None

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        return resize(input, (input.shape[2] * self.scale, input.shape[3] * self.scale), "bicubic")


def _lively(scale: int, channels: int = 3) -> Strided:
    """A toy whose output fills the range from 0 to 1."""
    model = toy(channels=channels, scale=scale)
    with torch.no_grad():
        for layer in (model.down, model.lower, model.up, model.upper):
            layer.weight *= 2
        model.upper.bias += 0.5  # type: ignore[operator]
    return model


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("own_scale", [1, 2])
@pytest.mark.parametrize("hidden", [0.0, 1.0])
@pytest.mark.parametrize("color", [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.9, 0.4, 0.1)])
def test_a_disc_has_no_fringe_on_black_or_white(
    channels: int, own_scale: int, hidden: float, color: tuple[float, float, float]
) -> None:
    """Its edge is soft; what is wholly transparent is stored as black or as white."""
    y, x = np.mgrid[:33, :33].astype(np.float32)
    alpha = (10.5 - np.hypot(y - 16, x - 16)).clip(0, 1)[None]
    paint = np.float32(color)[:, None, None]
    image = TaggedImage.from_float(np.where(alpha > 0, paint, np.float32(hidden)), alpha)
    output, _ = upscale_image(image, [as_network(Smooth(own_scale), channels)], UpscaleOptions(scale=2))
    assert output.alpha is not None
    assert 0.05 < output.alpha.mean() < 0.95
    for ground in (0.0, 1.0):
        shown = output.color * output.alpha + ground * (1 - output.alpha)
        wanted = paint * output.alpha + ground * (1 - output.alpha)
        assert np.abs(shown - wanted).max() < 2.5 / 255


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("own_scale", [1, 2])
@pytest.mark.parametrize("planes", [1, 2, 3, 4])
@pytest.mark.parametrize("ensemble", [False, True])
def test_tiles_equal_the_whole_for_every_kind_of_image(
    channels: int, own_scale: int, planes: int, ensemble: bool
) -> None:
    pixels = random_image(planes, 133, 151).transpose(1, 2, 0)
    if planes in (2, 4):
        pixels[:, :, -1] *= pixels[:, :, -1] > 0.8
        pixels[20:100, 20:130, -1] = 0  # a hole larger than the squares that are filled at once
    chain = [as_network(_lively(own_scale, channels), channels)]
    whole = upscale_pixels(pixels, chain, UpscaleOptions(scale=2, tile=10**6, self_ensemble=ensemble))
    pieces = upscale_pixels(pixels, chain, UpscaleOptions(scale=2, tile=100, self_ensemble=ensemble))
    assert whole.shape == (266, 302, planes)
    assert whole.dtype == np.float32
    assert np.abs(whole - pieces).max() < 1e-5
    assert whole[:, :, 0].std() > 0.01


def test_the_progress_ends_at_one_and_the_layout_changes_nothing() -> None:
    pixels = (random_image(3, 60, 50).transpose(1, 2, 0) * 255).astype(np.uint8)
    chain, told = [as_network(toy(scale=2), 3), as_network(Same(2), 3)], list[float]()
    png = upscale_pixels(pixels, chain, UpscaleOptions(tile=28), progress=told.append)
    webp = upscale_pixels(pixels, chain, kind="WEBP")
    assert png.shape == (240, 200, 3)
    assert np.array_equal(png, webp)
    assert png.strides != webp.strides
    assert told == sorted(told)
    assert told[-1] == 1
    assert 0.5 in told


# ----------------------------------------------------------------------- precision


class Telling(Same):
    """Remembers in which type a convolution would be computed."""

    def __init__(self) -> None:
        super().__init__(2)
        self.inside: set[torch.dtype] = set()

    def forward(self, input: Tensor) -> Tensor:
        self.inside.add(torch.nn.functional.conv2d(input, input.new_ones(1, input.shape[1], 1, 1)).dtype)
        return super().forward(input)


@pytest.mark.parametrize("hardware", [True, False])
@pytest.mark.parametrize("network", ["residual", "espcn"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_auto_is_bfloat16_only_where_nobody_sees_it(
    hardware: bool, network: str, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srae.upscaling.backends.torch.has_bfloat16", lambda device: hardware)
    short = hardware and network == "residual" and dtype == np.uint8
    for precision, wanted in (
        ("auto", torch.bfloat16 if short else torch.float32),
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
    ):
        model = Telling()
        loaded = as_loaded(model, 3)
        config = loaded.config.model_copy(update={"model": ModelConfig(name=network)})
        chain = [from_trained(replace(loaded, config=config))] * 2
        for ensemble in (False, True):
            upscale_pixels(
                np.zeros((5, 4, 3), dtype), chain, UpscaleOptions(precision=precision, self_ensemble=ensemble)
            )
        assert model.inside == {wanted}


@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_bfloat16_changes_a_shipped_model_by_a_hundredth_of_a_decibel_at_most(name: str) -> None:
    network = open_network(shipped_models()[name], engine="torch")
    scale, changes = network.geometry.scale, []
    for image in (data.astronaut()[:144, 128:320], data.chelsea()[60:204, 100:292], data.page()[:144, :192]):
        pixels = image if image.ndim == 3 else image[:, :, None].repeat(3, 2)
        high = pixels.transpose(2, 0, 1) / np.float32(255)
        low = shrink(high, max(scale, 2)).clip(0, 1)
        low = low if scale > 1 else resize(low, (144, 192), "bilinear")
        errors = []
        for precision in ("float32", "bfloat16"):
            large = upscale_pixels(TaggedImage.from_float(low).pixels, [network], UpscaleOptions(precision=precision))
            errors.append(float(((large.transpose(2, 0, 1) / 255 - high) ** 2).mean()))
        changes.append(10 * math.log10(errors[0] / errors[1]))
    assert max(map(abs, changes)) <= 0.01
    assert any(changes)  # or nothing was computed in bfloat16


def test_tiles_equal_the_whole_in_bfloat16_too() -> None:
    pixels = data.chelsea()[:150, :170].copy()
    chain = [open_network(shipped_models()["tiny"], engine="torch")]
    whole, pieces = (
        upscale_pixels(pixels, chain, UpscaleOptions(tile=tile, precision="bfloat16")) for tile in (10**6, 90)
    )
    assert np.abs(whole.astype(int) - pieces).max() <= 1


# ----------------------------------------------------------------- turns and flips


def test_turns_change_nothing_for_a_model_that_commutes_with_them() -> None:
    for planes, side in ((3, (40, 61)), (4, (33, 20))):
        pixels = random_image(planes, *side).transpose(1, 2, 0)
        for tile in (24, None):
            plain, mean = (
                upscale_pixels(pixels, [as_network(Smooth(2), 3)], UpscaleOptions(tile=tile, self_ensemble=on))
                for on in (False, True)
            )
            assert np.abs(plain - mean).max() < 1e-5


def test_turns_make_any_model_commute_with_them() -> None:
    """The mean over a group is invariant under it: a turned image gives the turned result."""
    chain = [as_network(_lively(2), 3)]
    pixels = random_image(3, 24, 36).transpose(1, 2, 0)  # multiples of the stride: nothing is padded
    for turn in (np.rot90, np.flipud, np.fliplr):
        upright, turned = (
            upscale_pixels(np.ascontiguousarray(image), chain, UpscaleOptions(self_ensemble=True))
            for image in (pixels, turn(pixels))
        )
        assert np.abs(turn(upright) - turned).max() < 1e-5
    plain = upscale_pixels(pixels, chain)
    assert np.abs(plain - upscale_pixels(pixels, chain, UpscaleOptions(self_ensemble=True))).max() > 1e-3


def test_eight_runs_or_four_of_a_window_that_is_not_square() -> None:
    for fixed_size, count in ((None, 8), ((16, 16), 8), ((16, 12), 4)):
        model = Same(fixed_size=fixed_size)
        _, notes = upscale_image(
            TaggedImage.from_float(random_image(3, 12, 12)), [as_network(model, 3)], UpscaleOptions(self_ensemble=True)
        )
        assert len(model.seen) == count
        assert any("8 times the work" in note for note in notes)


# -------------------------------------------------------------------------- scale


@pytest.mark.parametrize("wrong", [{"scale": 0}, {"scale": True}, {"tile": 1.5}, {"tile": -1}, {"precision": "half"}])
def test_options_that_cannot_be_are_refused_where_they_are_made(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UpscaleOptions(**wrong)


def test_a_model_with_a_scale_takes_no_other() -> None:
    network = as_network(Same(2), 3)
    assert pick_scale(network, None) == pick_scale(network, 2) == 2
    for wrong in (1, 3, 4):
        with pytest.raises(ConfigError) as caught:
            upscale_image(TaggedImage.from_float(random_image(3, 4, 4)), [network], UpscaleOptions(scale=wrong))
        assert "--scale 2" in (caught.value.remedy or "")


def test_same_size_models_enhance_or_enlarge_first_as_their_data_was_made() -> None:
    image = TaggedImage.from_float(random_image(3, 7, 5))
    output, notes = upscale_image(image, [as_network(Same(), 3)])
    assert np.array_equal(output.color, image.color)
    assert any("--scale 2" in note for note in notes)
    for enlarge, kernel in ((None, "bilinear"), ("bicubic", "bicubic"), ("bilinear", "bilinear")):
        data = PairsConfig(enlarge=enlarge, degrade=Degrade(scale=2))  # type: ignore[arg-type]
        output, notes = upscale_image(image, [as_network(Same(), 3, data)], UpscaleOptions(scale=3))
        wanted = resize(image.color, (21, 15), kernel).clip(0, 1)  # type: ignore[arg-type]
        assert np.abs(output.color - wanted).max() < 0.51 / 255
        assert any(kernel in note for note in notes)
        assert any("trained on images enlarged x2" in note for note in notes)


def test_several_models_run_one_after_the_other() -> None:
    chain = [as_network(Same(2), 3), as_network(Smooth(2), 3)]
    image = TaggedImage.from_float(random_image(3, 9, 7))
    assert chain_scale(chain, None) == chain_scale(chain, 4) == 4
    output, _ = upscale_image(image, chain)
    doubled = image.color.repeat(2, 1).repeat(2, 2)
    assert np.abs(output.color - resize(doubled, (36, 28), "bicubic").clip(0, 1)).max() < 0.51 / 255
    with pytest.raises(ConfigError, match="enlarge by 4, not by 2"):
        upscale_image(image, chain, UpscaleOptions(scale=2))


def test_a_result_beyond_the_memory_is_refused_before_it_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Same(2)
    monkeypatch.setattr("srae.memory.available_memory", lambda: 4 * 30 * 30 * 3 - 1)
    with pytest.raises(ResourceError, match=r"60x60: 0\.0 GB of memory are needed"):
        upscale_image(TaggedImage.from_float(random_image(3, 30, 30)), [as_network(model, 3)])
    assert not model.seen


def test_bound_models_say_so() -> None:
    _, notes = upscale_image(TaggedImage.from_float(random_image(3, 20, 20)), [as_network(Same(2, (12, 16)), 3)])
    assert any("fixed input size 16x12" in note for note in notes)


def test_classifiers_and_broken_models_are_refused() -> None:
    image = TaggedImage.from_float(random_image(3, 4, 4))
    with pytest.raises(ConfigError, match="names images"):
        from_trained(as_loaded(Same(), 3, task="classification"))
    broken = toy()
    nn.init.constant_(broken.upper.bias, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="not a number"):
        upscale_image(image, [as_network(broken, 3)])


def test_output_is_a_image() -> None:
    """Whatever the model returns, colours stay in [0, 1]."""
    wild = toy()
    for parameter in wild.parameters():
        nn.init.uniform_(parameter, -3, 3)
    image = TaggedImage.from_float(random_image(3, 30, 30), random_image(1, 30, 30))
    output, _ = upscale_image(image, [as_network(wild, 3)], UpscaleOptions(scale=2))
    assert output.color.min() == 0
    assert output.color.max() == 1
    assert output.color.shape == (3, 60, 60)
