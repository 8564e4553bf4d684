"""Any size in, exactly scale times that out; pieces equal the whole; grey stays grey and edges stay clean."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from srae.checkpoint import Loaded
from srae.config import Config, DataConfig, Degrade, ModelConfig
from srae.data.degrade import resize
from srae.errors import CheckpointError, ConfigError, ResourceError
from srae.images import Picture
from srae.models import build_model
from srae.upscale import fill_hidden, forward_any_size, pick_scale, read_geometry, upscale, upscale_picture

torch.set_num_threads(1)


class Strided(nn.Module):
    """Two strided convolutions and back; radius counted by hand: (1 + 2) down, 2 * 1 + 1 up, in pixels 3 + 4 + 2."""

    multiple_of = 4
    receptive_radius = 9
    fixed_size = None

    def __init__(self, channels: int = 3, scale: int = 1, fixed_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.fixed_size = fixed_size
        self.down = nn.Conv2d(channels, 5, 3, 2, 1)
        self.lower = nn.Conv2d(5, 6, 3, 2, 1)
        self.up = nn.ConvTranspose2d(6, 5, 4, 2, 1)
        self.upper = nn.ConvTranspose2d(5, channels * scale**2, 4, 2, 1)

    def forward(self, input: Tensor) -> Tensor:
        if self.fixed_size:
            assert tuple(input.shape[2:]) == self.fixed_size
        x = torch.tanh(self.lower(torch.tanh(self.down(input))))
        x = self.upper(torch.tanh(self.up(x)))
        return F.pixel_shuffle(x, self.scale)


class Same(nn.Module):
    """Returns its input, each pixel repeated `scale` times; remembers what it was given."""

    multiple_of = 1
    receptive_radius = 0

    def __init__(self, scale: int = 1, fixed_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.scale, self.fixed_size = scale, fixed_size
        self.seen: list[Tensor] = []

    def forward(self, input: Tensor) -> Tensor:
        self.seen.append(input)
        return input.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


def _toy(**options: object) -> Strided:
    torch.manual_seed(0)
    return Strided(**options).eval()  # type: ignore[arg-type]


def _random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _loaded(model: nn.Module, channels: int, data: DataConfig | None = None, task: str = "super_resolution") -> Loaded:
    config = Config(model=ModelConfig(name="identity"), data=data or DataConfig(), task=task)  # type: ignore[arg-type]
    return Loaded(model, config, (channels, 8, 8), (channels, 8, 8), "toy", Path("toy"), {})


@torch.no_grad()
def _whole(model: nn.Module, picture: Tensor) -> Tensor:
    return forward_any_size(model, picture[None])[0]


# -------------------------------------------------------------------------- tiles


@pytest.mark.parametrize("scale", [1, 2])
def test_tiles_equal_the_whole_for_every_size(scale: int) -> None:
    model = _toy(scale=scale)
    for size in range(1, 98):
        for shape in ((3, size, 17), (3, 13, size)):
            picture = _random(*shape)
            whole = _whole(model, picture)
            assert whole.shape == (3, shape[1] * scale, shape[2] * scale)
            for tile in (1, 37, 64):
                assert (upscale(model, picture, tile=tile) - whole).abs().max() <= 1e-5, (shape, tile)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 97), st.integers(1, 97), st.integers(1, 120))
def test_tiles_equal_the_whole(height: int, width: int, tile: int) -> None:
    model, picture = _toy(scale=2), _random(3, height, width)
    assert (upscale(model, picture, tile=tile) - _whole(model, picture)).abs().max() <= 1e-5


def test_tiles_without_their_overlap_would_differ() -> None:
    """The toy reaches as far as it says, so that the tests above can fail."""
    model, picture = _toy(), _random(3, 97, 97)
    model.receptive_radius = 0
    assert (upscale(model, picture, tile=28) - _whole(model, picture)).abs().max() > 1e-3


_NETWORKS: dict[str, tuple[str, int, int, dict]] = {
    "identity": ("identity", 16, 16, {}),
    "bicubic": ("bicubic", 16, 32, {}),
    "bicubic_shrink": ("bicubic", 16, 16, {"shrink": 2}),
    "residual": ("residual", 16, 16, {"width": 8, "blocks": 1}),
    "residual_x2": ("residual", 16, 32, {"width": 8, "blocks": 1, "shrink": 1}),
    "unet": ("unet", 16, 16, {"channels": [3, 4]}),
    "skips": ("conv_autoencoder", 128, 128, {"channels": [3, 4, 5], "skips": True}),
    "kernel_6": ("conv_autoencoder", 128, 128, {"channels": [3, 4], "kernel": 6, "padding": 2}),
    "pool": ("conv_autoencoder", 128, 128, {"channels": [3, 4], "stride": 1, "pool": 2}),
    "latent": ("conv_autoencoder", 16, 16, {"channels": [3, 4], "latent": 7}),
    "large_kernel": (
        "conv_autoencoder",
        16,
        16,
        {"channels": [3, 4], "kernel": [3, 8], "stride": [2, 1], "padding": [1, 0]},
    ),
}


@pytest.mark.parametrize("name", _NETWORKS)
def test_networks_of_srae_take_any_size_in_tiles(name: str) -> None:
    network, before, after, options = _NETWORKS[name]
    torch.manual_seed(1)
    model = build_model(network, (3, before, before), (3, after, after), options).eval()
    for parameter in model.parameters():  # also those that start at zero
        nn.init.uniform_(parameter, -0.4, 0.4)
    geometry = read_geometry(model)
    calls: list[int] = []
    model.register_forward_hook(lambda *_: calls.append(1))
    many = 2 * geometry.margin + geometry.multiple_of + 50  # more than one of the smallest tiles
    for height, width in ((1, 1), (1, 23), (97, 3), (50, 61), (before, before), (31, many), (many, many)):
        picture = _random(3, height, width)
        pieces = upscale(model, picture, tile=1)
        assert pieces.shape == (3, height * geometry.scale, width * geometry.scale)
        if geometry.fixed_size is None or (height, width) == geometry.fixed_size:
            assert (pieces - _whole(model, picture)).abs().max() <= 1e-4 * max(1, pieces.abs().max().item())
    assert len(calls) > 12


# ------------------------------------------------------------------------- memory


class Starved(nn.Module):
    """Has memory for tiles of `most` pixels a side; fails once more at call `failing`."""

    def __init__(self, inner: nn.Module, most: int, failing: int = -1, error: BaseException | None = None) -> None:
        super().__init__()
        self.inner, self.most, self.failing, self.calls = inner, most, failing, 0
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")
        for name in ("scale", "multiple_of", "receptive_radius", "fixed_size"):
            setattr(self, name, getattr(inner, name))

    def forward(self, input: Tensor) -> Tensor:
        self.calls += 1
        if max(input.shape[2:]) > self.most or self.calls == self.failing:
            raise self.error
        return self.inner(input)


def test_out_of_memory_at_every_tile_gives_the_same_picture() -> None:
    model, picture = _toy(), _random(3, 90, 70)
    whole = _whole(model, picture)
    count = Starved(model, 10**6)
    upscale(count, picture, tile=56)
    assert count.calls > 4
    for failing in range(1, count.calls + 1):
        assert (upscale(Starved(model, 10**6, failing), picture, tile=56) - whole).abs().max() <= 1e-5


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), torch.OutOfMemoryError("x")],
)
def test_every_way_to_be_out_of_memory(error: BaseException) -> None:
    model, picture = _toy(), _random(3, 90, 70)
    starved = Starved(model, 40, error=error)
    assert (upscale(starved, picture) - _whole(model, picture)).abs().max() <= 1e-5


def test_too_little_memory_for_the_smallest_tile() -> None:
    with pytest.raises(ResourceError) as caught:
        upscale(Starved(_toy(), 20), _random(3, 90, 70))
    assert "pieces of 28" in caught.value.what  # two margins of 12 and one stride
    assert caught.value.where == "CUDA out of memory. Tried to allocate 2 GiB."
    assert "--device cpu" in (caught.value.remedy or "")


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    with pytest.raises(RuntimeError, match="mat1"):
        upscale(Starved(_toy(), 1, error=RuntimeError("mat1 and mat2 shapes")), _random(3, 9, 9))


# ------------------------------------------------------------------------ windows


@pytest.mark.parametrize("scale", [1, 3])
def test_windows_of_a_model_that_changes_nothing_change_nothing(scale: int) -> None:
    for size in range(1, 98):
        picture = _random(3, size, 31)
        model = Same(scale, (16, 12))
        wanted = picture.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        assert torch.allclose(upscale(model, picture), wanted, atol=1e-5)
        assert {tuple(seen.shape[2:]) for seen in model.seen} == {(16, 12)}


def test_windows_fade_without_a_seam() -> None:
    """Windows that disagree (each returns its own constant) meet in small steps, not in one."""

    class Constant(Same):
        def forward(self, input: Tensor) -> Tensor:
            self.seen.extend(input)
            values = torch.arange(len(self.seen) - len(input), len(self.seen)) % 2
            return torch.ones_like(input) * values[:, None, None, None]

    output = upscale(Constant(1, (64, 64)), torch.zeros(1, 64, 200))
    assert output.min() < 0.01
    assert output.max() > 0.99
    assert output.diff(dim=2).abs().max() < 0.2


def test_a_picture_of_the_models_size_goes_through_once_and_untouched() -> None:
    model, picture = _toy(fixed_size=(16, 16)), _random(3, 16, 16)
    with torch.no_grad():
        assert torch.equal(upscale(model, picture), model(picture[None])[0])


def test_windows_run_one_by_one_when_memory_is_short() -> None:
    class Narrow(Same):
        def forward(self, input: Tensor) -> Tensor:
            if len(input) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().forward(input)

    picture = _random(3, 40, 40)
    assert torch.allclose(upscale(Narrow(1, (16, 16)), picture), picture, atol=1e-5)


# ------------------------------------------------------------------------- colour


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("clear", [True, False])
def test_a_picture_keeps_its_kind_through_any_model(channels: int, grey: bool, clear: bool) -> None:
    smooth = resize(_random(1 if grey else 3, 3, 4), (12, 16), "bilinear")
    alpha = resize(_random(1, 3, 4), (12, 16), "bilinear") if clear else None
    picture = Picture(smooth, alpha, 16 if grey else 8, b"icc", b"exif", (72.0, 72.0))
    output, _ = upscale_picture(picture, _loaded(Same(), channels))
    assert torch.allclose(output.color, smooth, atol=1e-5)
    assert (output.alpha is None) == (alpha is None)
    if alpha is not None:
        assert torch.allclose(output.alpha, alpha, atol=1e-5)  # type: ignore[arg-type]
    assert (output.bits, output.icc, output.exif, output.dpi) == (picture.bits, b"icc", b"exif", (72.0, 72.0))
    twice, _ = upscale_picture(picture, _loaded(Same(2), channels))
    assert twice.color.shape == (len(smooth), 24, 32)
    assert twice.alpha is None or twice.alpha.shape == (1, 24, 32)
    assert (resize(twice.color, (12, 16), "area") - smooth).abs().max() < 0.05


def test_opaque_pictures_give_a_four_channel_model_full_alpha() -> None:
    model = Same()
    upscale_picture(Picture(_random(3, 5, 5)), _loaded(model, 4))
    assert model.seen[0].shape[1] == 4
    assert bool((model.seen[0][:, 3] == 1).all())


def test_hue_survives_a_grey_model() -> None:
    red = torch.tensor([0.8, 0.1, 0.2])[:, None, None].expand(3, 6, 6)
    output, notes = upscale_picture(Picture(red), _loaded(Same(2), 1))
    assert torch.allclose(output.color, red.repeat_interleave(2, 1).repeat_interleave(2, 2), atol=1e-5)
    assert any("grey" in note for note in notes)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("own_scale", [1, 2])
def test_a_white_disc_on_transparent_black_has_no_dark_halo(channels: int, own_scale: int) -> None:
    y, x = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    disc = (((y - 16) ** 2 + (x - 16) ** 2).sqrt() < 10).float()[None]

    class Smooth(nn.Module):
        scale, multiple_of, receptive_radius, fixed_size = own_scale, 1, 8, None

        def forward(self, input: Tensor) -> Tensor:
            return resize(input, (input.shape[2] * own_scale, input.shape[3] * own_scale), "bicubic")

    output, _ = upscale_picture(Picture(disc.expand(3, -1, -1), disc), _loaded(Smooth(), channels), scale=2)
    assert output.alpha is not None
    visible = (output.alpha > 0.05).expand(3, -1, -1)
    assert visible.any()
    assert output.color[visible].min() > 0.999


def test_fill_hidden_takes_near_colours_and_leaves_visible_ones() -> None:
    for height, width in ((1, 1), (1, 9), (9, 1), (13, 6)):
        color, alpha = _random(3, height, width), (_random(1, height, width) > 0.7).float()
        filled = fill_hidden(color, alpha)
        seen = alpha.expand(3, -1, -1) > 0
        assert torch.equal(filled[seen], color[seen])
        if not seen.any():
            assert torch.equal(filled, color)
    half = torch.zeros(3, 8, 8)
    half[0, :, :2], half[1, :, 6:] = 1, 1
    alpha = half.sum(0, keepdim=True)
    filled = fill_hidden(half, alpha)
    assert filled[:, 0, 2].tolist() == [1, 0, 0]
    assert filled[:, 0, 5].tolist() == [0, 1, 0]


# -------------------------------------------------------------------------- scale


def test_a_model_with_a_scale_takes_no_other() -> None:
    loaded = _loaded(Same(2), 3)
    assert pick_scale(loaded, None) == pick_scale(loaded, 2) == 2
    for wrong in (1, 3, 4):
        with pytest.raises(ConfigError) as caught:
            upscale_picture(Picture(_random(3, 4, 4)), loaded, scale=wrong)
        assert "--scale 2" in (caught.value.remedy or "")


def test_same_size_models_enhance_or_enlarge_first_as_their_data_was_made() -> None:
    picture = Picture(_random(3, 7, 5))
    output, notes = upscale_picture(picture, _loaded(Same(), 3))
    assert torch.equal(output.color, picture.color)
    assert any("--scale 2" in note for note in notes)
    for enlarge, kernel in ((None, "bilinear"), ("bicubic", "bicubic"), ("bilinear", "bilinear")):
        data = DataConfig(enlarge=enlarge, degrade=Degrade(scale=2))  # type: ignore[arg-type]
        output, notes = upscale_picture(picture, _loaded(Same(), 3, data), scale=3)
        assert torch.equal(output.color, resize(picture.color, (21, 15), kernel).clamp(0, 1))  # type: ignore[arg-type]
        assert any(kernel in note for note in notes)
        assert any("trained on pictures enlarged x2" in note for note in notes)


def test_bound_models_say_so() -> None:
    _, notes = upscale_picture(Picture(_random(3, 20, 20)), _loaded(Same(2, (12, 16)), 3))
    assert any("bound to 16x12" in note for note in notes)


def test_classifiers_and_broken_models_are_refused() -> None:
    picture = Picture(_random(3, 4, 4))
    with pytest.raises(ConfigError, match="names pictures"):
        upscale_picture(picture, _loaded(Same(), 3, task="classification"))
    broken = _toy()
    nn.init.constant_(broken.upper.bias, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="not a number"):
        upscale_picture(picture, _loaded(broken, 3))


def test_output_is_a_picture() -> None:
    """Whatever the model returns, colours stay in [0, 1]."""
    wild = _toy()
    for parameter in wild.parameters():
        nn.init.uniform_(parameter, -3, 3)
    output, _ = upscale_picture(Picture(_random(3, 30, 30), _random(1, 30, 30)), _loaded(wild, 3), scale=2)
    assert output.color.min() == 0
    assert output.color.max() == 1
    assert output.color.shape == (3, 60, 60)
