"""The networks of the papers: exact counts, any size and scale, pieces that equal the whole, a sane start."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from refusals import refuses
from srae.config.loading import CONFIG_FOLDERS, load_config
from srae.errors import ConfigError, ResourceError
from srae.evaluation.forward import forward_any_size, forward_in_pieces
from srae.models import build_model, check_options, count_multiply_adds, count_parameters
from srae.models.blocks import enlarge_bicubic
from toys import random_planes

FOLDER = next(folder for folder in CONFIG_FOLDERS if folder.is_dir()) / "published"
CONFIGS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
NETWORKS = ["srcnn", "fsrcnn", "espcn", "vdsr", "edsr", "imdn", "span", "srvgg"]


def build(name: str, scale: int, side: int = 16) -> nn.Module:
    """The network of a shipped config, for its channels."""
    config = load_config(FOLDER / f"{name}.yaml", check_options=check_options)
    channels = {"L": 1, "RGB": 3}[config.data.channels]
    shapes = (channels, side, side), (channels, side * scale, side * scale)
    return build_model(config.model.name, *shapes, config.model.options)


def channels_of(model: nn.Module) -> int:
    return next(p for p in model.parameters()).shape[1]


# Weights of the convolutions as the papers count them, and what biases and PReLU slopes add.
# SRCNN: "57,184" and "8,032"; FSRCNN: "12,464"; VDSR 665K; EDSR-baseline and IMDN count everything.
COUNTS = {
    ("srcnn", 2): (57_184, 64 + 32 + 1),
    ("srcnn", 4): (57_184, 64 + 32 + 1),
    ("srcnn_915", 2): (8_032, 64 + 32 + 1),
    ("fsrcnn", 2): (12_464, (56 + 12 + 4 * 12 + 56) * 2 + 1),
    ("fsrcnn", 3): (12_464, (56 + 12 + 4 * 12 + 56) * 2 + 1),
    ("espcn", 2): (64 * 25 + 64 * 32 * 9 + 32 * 4 * 9, 64 + 32 + 4),
    ("espcn", 3): (64 * 25 + 64 * 32 * 9 + 32 * 9 * 9, 64 + 32 + 9),
    ("vdsr", 2): (664_704, 19 * 64 + 1),
    ("edsr_baseline", 2): (1_369_859, None),
    ("edsr_baseline", 3): (1_554_499, None),
    ("edsr_baseline", 4): (1_517_571, None),
    ("imdn", 2): (694_404, None),
    ("imdn", 3): (703_059, None),
    ("imdn", 4): (715_176, None),
    ("span", 2): (141_580, None),
    ("span", 4): (150_688, None),  # the baseline of the NTIRE 2026 challenge
    ("srvgg", 2): (600_652, None),
    ("srvgg", 4): (621_424, None),
}


@pytest.mark.parametrize(("name", "scale"), COUNTS)
def test_parameters_are_those_of_the_paper(name: str, scale: int) -> None:
    count, more = COUNTS[name, scale]
    with torch.device("meta"):
        model = build(name, scale)
    assert count_parameters(model) == count + (more or 0)
    if more is not None:
        assert sum(p.numel() for p in model.parameters() if p.dim() == 4) == count


def conv3(inputs: int, outputs: int) -> int:
    return 9 * inputs * outputs + outputs


def branched(inputs: int, outputs: int) -> int:
    """1x1 beside 1x1 to twice the channels, 3x3, 1x1, with biases."""
    ones = (inputs + 1) * outputs + (inputs + 1) * 2 * inputs + (2 * outputs + 1) * outputs
    return ones + conv3(2 * inputs, 2 * outputs)


# Thousands as in the paper's table, where a convolution is one, and multiply-adds in billions for 1280x720.
@pytest.mark.parametrize(
    ("width", "scale", "thousands", "billions"),
    [(48, 2, 411, 94.4), (48, 4, 426, 24.5), (52, 2, 481, 110.6), (52, 4, 498, 28.6)],
)
def test_span_is_counted_as_it_runs(width: int, scale: int, thousands: int, billions: float) -> None:
    shapes = (3, 720 // scale, 1280 // scale), (3, 720 // scale * scale, 1280 // scale * scale)
    with torch.device("meta"):
        models = [build_model("span", *shapes, {"width": width, "branches": branches}) for branches in (True, False)]
        assert round(count_multiply_adds(models[0], shapes[0]) / 1e9, 1) == billions
    trained, plain = (sum(p.numel() for p in model.parameters()) for model in models)
    assert [count_parameters(model) for model in models] == [plain, plain]
    assert round(plain / 1000) == thousands
    kernels = conv3(3, width) + 19 * conv3(width, width)
    assert trained == plain - kernels + branched(3, width) + 19 * branched(width, width)


def test_every_config_is_counted() -> None:
    assert {name for name, _ in COUNTS} == set(CONFIGS)


# Billions of multiply-adds for an output of 1280x720, from the tables of the field.
MULTIPLY_ADDS = {
    ("srcnn", 2): 52.7,
    ("vdsr", 2): 612.6,
    ("imdn", 2): 158.8,
    ("imdn", 4): 40.9,
    ("edsr_baseline", 2): 316.3,
    ("edsr_baseline", 4): 114.2,
    ("fsrcnn", 2): 2.87,
    ("srvgg", 2): 137.9,
}


@pytest.mark.parametrize(("name", "scale"), MULTIPLY_ADDS)
def test_multiply_adds_are_those_of_the_tables(name: str, scale: int) -> None:
    with torch.device("meta"):
        model = build(name, scale)
        found = count_multiply_adds(model, (channels_of(model), 720 // scale, 1280 // scale))
    assert found / 1e9 == pytest.approx(MULTIPLY_ADDS[name, scale], abs=0.06)


def test_fsrcnn_is_6_billion_only_where_its_deconvolution_is_counted_on_the_high_grid() -> None:
    deconvolution, low, high = 56 * 81, 640 * 360, 1280 * 720
    with torch.device("meta"):
        done = count_multiply_adds(build("fsrcnn", 2), (1, 360, 640))
    assert done == 12_464 * low
    assert (done + deconvolution * (high - low)) / 1e9 == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("name", CONFIGS)
def test_any_size_and_scale(name: str) -> None:
    for scale in (1, 2, 3, 4):
        with torch.device("meta"):
            model = build(name, scale)
            output = model(torch.empty(2, channels_of(model), 17, 9))
        assert output.shape == (2, channels_of(model), 17 * scale, 9 * scale)
        assert model.scale == scale


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("scale", [2, 3])
def test_pieces_equal_the_whole_on_odd_sizes(name: str, scale: int) -> None:
    torch.manual_seed(0)
    model = build(name, scale).eval()
    calls: list[int] = []
    model.register_forward_hook(lambda *_: calls.append(1))
    radius = model.receptive_radius
    for height, width in ((1, 3), (11, 2 * (radius or 10) + 23)):
        image = random_planes(channels_of(model), height, width)
        with torch.no_grad():
            whole = forward_any_size(model, image[None])[0]
        pieces = forward_in_pieces(model, image, tile=2 * (radius or 0) + 9)
        assert pieces.shape == (channels_of(model), height * scale, width * scale)
        assert (pieces - whole).abs().max() <= 1e-5 * max(1, whole.abs().max().item())
    assert (len(calls) > 5) == (radius is not None), "tiles where there can be tiles"


def test_imdn_sees_the_whole_image_and_says_so() -> None:
    torch.manual_seed(0)
    model = build("imdn", 2).eval()
    assert model.receptive_radius is None
    image = random_planes(1, 3, 8, 60)
    changed = image.clone()
    changed[..., :10] = 0
    with torch.no_grad():
        far = (model(changed) - model(image))[..., -10:].abs().max()
    assert far > 0, "a change moves pixels that no convolution reaches"


def test_want_of_memory_is_told_where_there_are_no_tiles() -> None:
    model = build("imdn", 2)

    def starve(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model.register_forward_pre_hook(starve)
    with refuses(ResourceError, 40):
        forward_in_pieces(model, random_planes(3, 20, 40), tile=8)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_starts_at_a_sane_place_and_learns(name: str) -> None:
    """Finite, of the size of an image at most a few times over, and a few steps make it better."""
    torch.manual_seed(0)
    model = build(name, 2)
    high = enlarge_bicubic(random_planes(2, channels_of(model), 6, 6), 4).clamp(0, 1)
    low = nn.functional.avg_pool2d(high, 2)
    output = model(low)
    assert torch.isfinite(output).all()
    assert output.abs().max() < 10
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(30 if name == "span" else 6):  # it works on 255 levels: the first steps are too long
        loss = nn.functional.l1_loss(model(low), high)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_a_constant_channel_gives_imdn_a_finite_gradient() -> None:
    model = build("imdn", 2)
    model(torch.zeros(1, 3, 8, 8)).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", ["srcnn", "vdsr"])
def test_what_works_on_the_enlarged_image_enlarges_as_bicubic_does(name: str) -> None:
    model = build(name, 3)
    with torch.no_grad():
        image = random_planes(2, 1, 7, 5)
        assert torch.equal(model(image), _without_enlargement(model)(enlarge_bicubic(image, 3)))


def _without_enlargement(model: nn.Module) -> nn.Module:
    same = build("srcnn" if "SRCNN" in type(model).__name__ else "vdsr", 1)
    same.load_state_dict(model.state_dict())
    return same


def test_one_recipe() -> None:
    """What differs between the configs, that of the shipped x2 among them, is the network, its colours and one rate."""
    configs = [load_config(FOLDER / f"{name}.yaml") for name in CONFIGS]
    shipped = load_config(FOLDER.parent / "upscalers" / "x2.yaml")
    assert {config.data.model_dump_json(exclude={"channels"}) for config in [*configs, shipped]} == {
        shipped.data.model_dump_json(exclude={"channels"})
    }
    rates = {name: config.train.learning_rate for name, config in zip(CONFIGS, configs, strict=True)}
    assert rates == dict.fromkeys(CONFIGS, shipped.train.learning_rate) | {"edsr_baseline": 2e-4}
    same = [config.train.model_copy(update={"learning_rate": shipped.train.learning_rate}) for config in configs]
    assert all(train == shipped.train for train in same)
    grey = {name for name, config in zip(CONFIGS, configs, strict=True) if config.data.channels == "L"}
    assert grey == {"srcnn", "srcnn_915", "fsrcnn", "espcn", "vdsr"}


@pytest.mark.parametrize(
    ("name", "options", "named"),
    [
        ("srcnn", {"middle_kernel": 4}, ("middle_kernel", "4")),
        ("vdsr", {"layers": 1}, ("layers", "2")),
        ("imdn", {"width": 10}, ("width", "4", "10")),
        ("span", {"blocks": 1}, ("blocks", "2")),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict, named: tuple[str, ...]) -> None:
    with refuses(ConfigError, *named):
        build_model(name, (3, 8, 8), (3, 16, 16), options)


@pytest.mark.parametrize("name", NETWORKS)
def test_impossible_shapes_are_refused(name: str) -> None:
    for target in ((3, 12, 12), (1, 16, 16), (3, 16, 24)):
        with refuses(ConfigError, target[1], 8):
            build_model(name, (3, 8, 8), target, {})


def test_there_is_a_config_for_each_network() -> None:
    names = {load_config(Path(FOLDER / f"{name}.yaml")).model.name for name in CONFIGS}
    assert names == set(NETWORKS)
