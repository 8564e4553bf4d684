"""Any size in, exactly scale times that out; pieces equal the whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from srae.checkpoints.loading import read_geometry
from srae.evaluation.forward import forward_any_size, forward_in_pieces
from srae.models import build_model
from toys import Same, random_planes, toy

torch.set_num_threads(1)


@torch.no_grad()
def _whole(model: nn.Module, image: Tensor) -> Tensor:
    return forward_any_size(model, image[None])[0]


# -------------------------------------------------------------------------- tiles


@pytest.mark.parametrize("scale", [1, 2])
def test_tiles_equal_the_whole_for_every_size(scale: int) -> None:
    model = toy(scale=scale)
    for size in (*range(1, 41), 56, 63, 64, 65, 97):
        for shape in ((3, size, 17), (3, 13, size)):
            image = random_planes(*shape)
            whole = _whole(model, image)
            assert whole.shape == (3, shape[1] * scale, shape[2] * scale)
            for tile in (1, 37, 64):
                assert (forward_in_pieces(model, image, tile=tile) - whole).abs().max() <= 1e-5, (shape, tile)


@settings(max_examples=40)
@given(st.integers(1, 97), st.integers(1, 97), st.integers(1, 120))
def test_tiles_equal_the_whole(height: int, width: int, tile: int) -> None:
    model, image = toy(scale=2), random_planes(3, height, width)
    assert (forward_in_pieces(model, image, tile=tile) - _whole(model, image)).abs().max() <= 1e-5


def test_tiles_without_their_overlap_would_differ() -> None:
    """The toy reaches as far as it says, so that the tests above can fail."""
    model, image = toy(), random_planes(3, 97, 97)
    model.receptive_radius = 0
    assert (forward_in_pieces(model, image, tile=28) - _whole(model, image)).abs().max() > 1e-3


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
        image = random_planes(3, height, width)
        pieces = forward_in_pieces(model, image, tile=1)
        assert pieces.shape == (3, height * geometry.scale, width * geometry.scale)
        if geometry.fixed_size is None or (height, width) == geometry.fixed_size:
            assert (pieces - _whole(model, image)).abs().max() <= 1e-4 * max(1, pieces.abs().max().item())
    assert len(calls) > 12


def test_pieces_lie_in_memory_as_in_training() -> None:
    """channels_last, or every convolution would turn its input and output round."""

    class Watching(Same):
        def forward(self, input: Tensor) -> Tensor:
            assert input.is_contiguous(memory_format=torch.channels_last)
            return super().forward(input)

    model = Watching()
    forward_in_pieces(model, random_planes(3, 70, 50), tile=40)
    assert len(model.seen) == 4


# ------------------------------------------------------------------------ windows


@pytest.mark.parametrize("scale", [1, 3])
def test_windows_of_a_model_that_changes_nothing_change_nothing(scale: int) -> None:
    for size in range(1, 98):
        image = random_planes(3, size, 31)
        model = Same(scale, (16, 12))
        wanted = image.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        assert torch.allclose(forward_in_pieces(model, image), wanted, atol=1e-5)
        assert {tuple(seen.shape[2:]) for seen in model.seen} == {(16, 12)}


def test_windows_fade_without_a_seam() -> None:
    """Windows that disagree (each returns its own constant) meet in small steps, not in one."""

    class Constant(Same):
        def forward(self, input: Tensor) -> Tensor:
            self.seen.extend(input)
            values = torch.arange(len(self.seen) - len(input), len(self.seen)) % 2
            return torch.ones_like(input) * values[:, None, None, None]

    output = forward_in_pieces(Constant(1, (64, 64)), torch.zeros(1, 64, 200))
    assert output.min() < 0.01
    assert output.max() > 0.99
    assert output.diff(dim=2).abs().max() < 0.2


def test_a_image_of_the_models_size_goes_through_once_and_untouched() -> None:
    model, image = toy(fixed_size=(16, 16)), random_planes(3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(forward_in_pieces(model, image), model(image[None])[0], atol=1e-6)


def test_windows_run_one_by_one_when_memory_is_short() -> None:
    class Narrow(Same):
        def forward(self, input: Tensor) -> Tensor:
            if len(input) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().forward(input)

    image = random_planes(3, 40, 40)
    assert torch.allclose(forward_in_pieces(Narrow(1, (16, 16)), image), image, atol=1e-5)
