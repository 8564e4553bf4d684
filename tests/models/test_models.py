"""Every network of the table, and the published variants by hand-computed counts and shapes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from refusals import refuses
from srae.config.loading import CONFIG_FOLDERS, load_config
from srae.errors import ConfigError
from srae.models import MODELS, build_model, check_options, count_multiply_adds, count_parameters
from srae.models.blocks import BranchedConv2d, build_conv, build_transposed_conv, enlarge_bicubic
from srae.models.residual import ResidualBlock

CONFIGS = next(folder for folder in CONFIG_FOLDERS if folder.is_dir())
SMALL = (3, 32, 32)
# A toy of every network: (name, in_shape, out_shape, options).
TOYS = [
    ("identity", SMALL, SMALL, {}),
    ("bicubic", SMALL, (3, 96, 96), {}),
    ("bicubic", SMALL, SMALL, {"shrink": 2}),
    ("conv_autoencoder", SMALL, SMALL, {"channels": [4, 8]}),
    ("conv_autoencoder", SMALL, SMALL, {"channels": [4, 8, 8], "latent": 5, "skips": True, "pool": [1, 1, 2]}),
    ("conv_autoencoder", (4, 64, 64), (4, 64, 64), {"channels": [4, 6], "kernel": [3, 17], "stride": [2, 1]}),
    ("conv_autoencoder", SMALL, SMALL, {"channels": [4, 8], "batch_norm": True, "dropout": 0.5, "plain_output": True}),
    ("unet", SMALL, SMALL, {"channels": [4, 6, 8]}),
    ("residual", SMALL, SMALL, {"width": 6, "blocks": 2}),
    ("residual", SMALL, (3, 64, 64), {"width": 6, "blocks": 2, "shrink": 1}),
    ("residual", SMALL, (3, 96, 96), {"width": 6, "blocks": 1, "shrink": 2}),
    ("srcnn", SMALL, (3, 64, 64), {}),
    ("srcnn", SMALL, SMALL, {"middle_kernel": 1}),
    ("fsrcnn", SMALL, (3, 96, 96), {"features": 6, "shrunk": 3, "mappings": 2}),
    ("fsrcnn", SMALL, (3, 128, 128), {"features": 6, "shrunk": 3, "mappings": 1}),
    ("espcn", SMALL, (3, 64, 64), {}),
    ("vdsr", SMALL, (3, 96, 96), {"layers": 4, "width": 5}),
    ("edsr", SMALL, (3, 64, 64), {"blocks": 2, "width": 5}),
    ("edsr", SMALL, (3, 128, 128), {"blocks": 1, "width": 5}),
    ("imdn", SMALL, (3, 64, 64), {"blocks": 2, "width": 8}),
    ("span", SMALL, (3, 64, 64), {"width": 5, "blocks": 2}),
    ("span", (1, 32, 32), (1, 32, 32), {"width": 5, "blocks": 3, "branches": False, "normalise": False}),
    ("srvgg", SMALL, (3, 96, 96), {"width": 5, "layers": 2}),
    ("dense_autoencoder", SMALL, SMALL, {"hidden": 5, "dropout": 0.1, "value_range": [-1, 1]}),
    ("conv_classifier", SMALL, (10,), {"channels": [4, 6], "pool": [1, 2], "dense": [8], "batch_norm": True}),
    ("residual_classifier", SMALL, (10,), {"channels": [4, 6], "dropout": 0.1}),
]


def toy_id(toy: tuple) -> str:
    return f"{toy[0]}-{'-'.join(toy[3]) or 'plain'}-{toy[2][-1]}"


def test_every_network_has_a_toy() -> None:
    assert {toy[0] for toy in TOYS} == set(MODELS)


def test_srcnn_repeats_the_edge_as_torch_does() -> None:
    ours = build_model("srcnn", (1, 6, 5), (1, 6, 5), {})
    for conv in ours.layers[::2]:
        theirs = nn.Conv2d(
            conv.in_channels, conv.out_channels, conv.kernel_size, padding="same", padding_mode="replicate"
        )
        theirs.load_state_dict(conv.state_dict())
        input = torch.randn(2, conv.in_channels, 7, 3)
        assert torch.allclose(conv(input), theirs(input), atol=1e-5)


@pytest.mark.parametrize("toy", TOYS, ids=toy_id)
def test_contract(toy: tuple) -> None:
    name, in_shape, out_shape, options = toy
    torch.manual_seed(0)
    model = build_model(name, in_shape, out_shape, options)
    image = torch.rand(2, *in_shape)
    output = model(image)
    assert output.shape == (2, *out_shape)
    assert torch.isfinite(output).all()
    if len(out_shape) == 3:
        assert model.scale * in_shape[1] == out_shape[1]
        assert in_shape[1] % model.multiple_of == 0
    assert model.fixed_size in (None, in_shape[1:])
    if count_parameters(model):
        output.square().mean().backward()
        assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("toy", TOYS, ids=toy_id)
def test_receptive_radius_bounds_the_influence_of_a_pixel(toy: tuple) -> None:
    name, in_shape, out_shape, options = toy
    torch.manual_seed(0)
    model = build_model(name, in_shape, out_shape, options).eval()
    if model.fixed_size or model.receptive_radius is None:
        return  # bound to one size, or weighs the whole image: there is no outside of the radius to look at
    for p in model.parameters():
        nn.init.uniform_(p, -0.3, 0.3)
    side = 8 * model.multiple_of + 4 * model.receptive_radius
    side -= side % model.multiple_of
    image = torch.rand(1, in_shape[0], side, side)
    changed = image.clone()
    middle = side // 2
    changed[:, :, middle, middle] += 1
    with torch.no_grad():
        difference = (model(changed) - model(image)).abs().amax((0, 1))
    touched = difference.nonzero() // model.scale
    assert len(touched) > 0
    assert (touched - middle).abs().max() <= model.receptive_radius


def convs(kernel: int, *channels: tuple[int, int]) -> int:
    """Weights and biases of convolutions, transposed ones too."""
    return sum((i * kernel**2 + 1) * o for i, o in channels)


def latent(values: int, code: int) -> int:
    """To the code and back, with biases."""
    return (values + 1) * code + (code + 1) * values


# By hand from the reports' tables; skip connections double the inputs of every transposed convolution.
SKIP_2 = convs(4, (3, 64), (64, 128)), convs(4, (256, 64), (128, 3))
SKIP_4 = sum(SKIP_2) + convs(4, (128, 256), (256, 512), (1024, 256), (512, 128))
COUNTS = {
    "cnn3_relu": convs(3, (4, 16), (16, 32), (32, 16), (16, 4)) + convs(32, (32, 64), (64, 32)),
    "cnn4_relu": 16_824_804,
    "cnn4_tanh": 16_824_804,
    "cnn4_sigmoid": 16_824_804,
    # two values per channel and batch-norm: 16 + 32 + 64 + 128 down, 64 + 32 + 16 + 4 up
    "cnn4_bn_dropout": 16_824_804 + 2 * (240 + 116),
    "skip2": sum(SKIP_2) + latent(524_288, 256),
    "skip3": sum(SKIP_2) + convs(4, (128, 256), (512, 128)) + latent(262_144, 512),
    "skip4": SKIP_4 + latent(131_072, 1024),
    "skip4_pool": SKIP_4 + latent(32_768, 1024),
    "skip3_k6": convs(6, (3, 64), (64, 128), (128, 256), (512, 128), (256, 64), (128, 3)) + latent(20_736, 512),
    "unet5": convs(2, (512, 256), (256, 128), (128, 64), (64, 32)) + convs(
        3, (4, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512),
        (512, 256), (256, 256), (256, 128), (128, 128), (128, 64), (64, 64), (64, 32), (32, 32), (32, 4)),
    "residual": convs(3, (12, 48), *[(48, 48)] * 16, (48, 12)),
}  # fmt: skip
COUNTS["skip3_tanh"] = COUNTS["skip3"]
for fixed in ("cnn3_relu", "cnn4_relu"):
    COUNTS[f"{fixed}_fixed"] = COUNTS[fixed]
COUNTS["cnn4_bn_dropout_fixed"] = COUNTS["cnn4_bn_dropout"] - 2 * 4  # no batch-norm on the output
COUNTS["cnn4_sigmoid_fixed"] = COUNTS["cnn4_bn_dropout_fixed"]  # its one change is the activation
COUNTS["skip3_fixed"] = COUNTS["skip3"] - (262_144 * 512 + 512) - (512 * 262_144 + 262_144)
COUNTS["identity"] = COUNTS["bicubic"] = 0


def published_model(name: str) -> nn.Module:
    config = load_config(CONFIGS / f"{name}.yaml", check_options=check_options)
    shape = ({"RGB": 3, "RGBA": 4}[config.data.channels], 256, 256)
    with torch.device("meta"):  # shapes and counts need no memory
        return build_model(config.model.name, shape, shape, config.model.options)


def test_every_flat_config_has_a_count() -> None:
    assert {path.stem for path in Path(CONFIGS).glob("*.yaml")} == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_count(name: str) -> None:
    assert count_parameters(published_model(name)) == COUNTS[name]


def test_multiply_adds_are_counted_as_papers_count_them() -> None:
    # net_1 on MNIST: 26x26x32 of 3x3, 24x24x64 of 3x3x32, 12x12x64 to 128 to 10
    options = {"channels": [32, 64], "pool": [1, 2], "dense": [128]}
    net_1 = build_model("conv_classifier", (1, 28, 28), (10,), options)
    assert count_multiply_adds(net_1, (1, 28, 28)) == 26**2 * 32 * 9 + 24**2 * 64 * 288 + 9216 * 128 + 1280
    # a transposed convolution multiplies every input value by its kernel; a large kernel costs what it says
    options = {"channels": [4], "kernel": 16, "stride": 1, "padding": 0}
    large = build_model("conv_autoencoder", SMALL, SMALL, options)
    height, width = SMALL[1:]
    code = (height - 15) * (width - 15)
    assert count_multiply_adds(large, SMALL) == 2 * code * 4 * SMALL[0] * 256
    assert count_multiply_adds(build_model("identity", SMALL, SMALL, {}), SMALL) == 0
    assert large.training, "counting leaves the mode alone"


# (channels, height) after each encoder layer and each decoder layer, from the tables.
SHAPES = {
    "cnn3_relu": [(16, 128), (32, 64), (64, 33), (32, 64), (16, 128), (4, 256)],
    "cnn4_tanh": [(16, 128), (32, 64), (64, 32), (128, 1), (64, 32), (32, 64), (16, 128), (4, 256)],
    "skip2": [(64, 128), (128, 64), (64, 128), (3, 256)],
    "skip3": [(64, 128), (128, 64), (256, 32), (128, 64), (64, 128), (3, 256)],
    "skip4": [(64, 128), (128, 64), (256, 32), (512, 16), (256, 32), (128, 64), (64, 128), (3, 256)],
    "skip4_pool": [(64, 128), (128, 64), (256, 32), (512, 16), (256, 32), (128, 64), (64, 128), (3, 256)],
    "skip3_k6": [(64, 85), (128, 28), (256, 9), (128, 28), (64, 85), (3, 256)],
}


@pytest.mark.parametrize("name", SHAPES)
def test_layer_shapes(name: str) -> None:
    model = published_model(name)
    seen: list[tuple[int, int]] = []
    for layer in (*model.encoder, *model.decoder):  # type: ignore[misc]
        layer.register_forward_hook(lambda _m, _i, output: seen.append((output.shape[1], output.shape[2])))
    channels = seen_channels(model)
    model(torch.empty(1, channels, 256, 256, device="meta"))
    assert seen == SHAPES[name]


def seen_channels(model: nn.Module) -> int:
    return next(p for p in model.parameters()).shape[1]


def test_the_code_of_skip4_pool_is_pooled_and_of_cnn4_a_single_pixel() -> None:
    assert published_model("skip4_pool").code_shape == (512, 8, 8)
    assert published_model("cnn4_tanh").code_shape == (128, 1, 1)


def test_copied_features_come_first_in_the_concatenation() -> None:
    torch.manual_seed(0)
    model = build_model("conv_autoencoder", SMALL, SMALL, {"channels": [4], "skips": True, "latent": 2})
    with torch.no_grad():
        model.decoder[0][0].weight[4:] = 0  # type: ignore[index]  # silence the decoder's own half
        model.from_latent.weight.fill_(7.0)  # type: ignore[union-attr]
        a = model(torch.ones(1, *SMALL))
        model.from_latent.weight.fill_(-3.0)  # type: ignore[union-attr]
        assert torch.equal(a, model(torch.ones(1, *SMALL)))


def test_relu_on_the_output_cannot_go_below_mid_grey() -> None:
    torch.manual_seed(0)
    options = {"channels": [8, 8], "activation": "relu", "output_activation": "tanh", "value_range": [-1, 1]}
    assert build_model("conv_autoencoder", SMALL, SMALL, options)(torch.rand(4, *SMALL)).min() >= 0.5
    fixed = options | {"output_activation": "none", "plain_output": True}
    assert build_model("conv_autoencoder", SMALL, SMALL, fixed)(torch.rand(4, *SMALL)).min() < 0.5


def test_a_residual_block_writes_over_its_own_tensors_only() -> None:
    torch.manual_seed(0)
    block, x = ResidualBlock(4), torch.rand(2, 4, 6, 5, requires_grad=True)
    wanted = x + block.second(F.relu(block.first(x)))
    found = block(x)
    assert torch.equal(found, wanted)
    weights = [x, *block.parameters()]
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), weights),
        torch.autograd.grad(wanted.square().sum(), weights),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_the_residual_network_starts_as_its_baseline() -> None:
    image = torch.rand(1, *SMALL)
    assert torch.equal(build_model("residual", SMALL, SMALL, {})(image), image)
    twice = build_model("residual", SMALL, (3, 64, 64), {"shrink": 1})(image)
    assert torch.equal(twice, enlarge_bicubic(image, 2))


def test_branches_are_one_convolution_and_their_gradients_too() -> None:
    torch.manual_seed(0)
    conv = BranchedConv2d(3, 4).double()
    input = torch.rand(2, 3, 6, 5).double()
    by_branches = conv.reduce(conv.middle(conv.expand(F.pad(input, [1] * 4)))) + conv.skip(input)
    once = conv(input)
    torch.testing.assert_close(once, by_branches, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(conv.merge().double()(input), by_branches, rtol=1e-6, atol=1e-6)
    weights = [*conv.parameters()]
    for one, other in zip(
        torch.autograd.grad(once.square().sum(), weights),
        torch.autograd.grad(by_branches.square().sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_branches_are_rounded_once_as_the_merged_kernel_is() -> None:
    torch.manual_seed(0)
    conv, input = BranchedConv2d(8, 8), torch.rand(1, 8, 6, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(input), conv.merge()(input))


@pytest.mark.parametrize(("side", "kernel", "padding"), [(32, 32, 0), (40, 32, 0), (37, 17, 3), (20, 24, 4)])
def test_large_kernels_are_the_same_function(side: int, kernel: int, padding: int) -> None:
    torch.manual_seed(0)
    conv = build_conv(3, 5, kernel, 1, padding).double()
    back = build_transposed_conv(5, 3, kernel, stride=1, padding=padding, output_padding=0).double()
    assert type(conv) is not nn.Conv2d
    assert set(conv.state_dict()) == {"weight", "bias"}
    fast = torch.rand(2, 3, side, side).double().requires_grad_()
    slow = fast.detach().clone().requires_grad_()
    output, expected = conv(fast), F.conv2d(slow, conv.weight, conv.bias, padding=padding)
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-9)
    again, expected_again = back(output), F.conv_transpose2d(expected, back.weight, back.bias, padding=padding)
    torch.testing.assert_close(again, expected_again, rtol=1e-9, atol=1e-9)
    again.square().sum().backward()
    grads = conv.weight.grad.clone()
    conv.weight.grad = None
    expected_again.square().sum().backward()
    torch.testing.assert_close(fast.grad, slow.grad, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(grads, conv.weight.grad, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "key", "named"),
    [
        ({"chanels": [4]}, "chanels", "channels?"),
        ({"channels": [4], "skips": 1}, "skips", "1"),
        ({"channels": 4}, "channels", ""),
        ({"channels": [4], "kernel": 2.5}, "kernel", "2.5"),
        ({"channels": [4], "activation": "rellu"}, "activation", "relu, tanh"),
        ({}, "channels", ""),
    ],
)
def test_wrong_options_say_what_would_be_right(options: dict, key: str, named: str) -> None:
    problems = dict(check_options("conv_autoencoder", options))
    assert named in problems[key]


@pytest.mark.parametrize(
    ("name", "out_shape", "options", "named"),
    [
        ("conv_autoencoder", (3, 64, 64), {"channels": [4]}, ("64",)),
        ("conv_autoencoder", SMALL, {"channels": [4, 4], "kernel": [3]}, ("kernel", "1", "2")),
        ("conv_autoencoder", SMALL, {"channels": [4] * 7, "kernel": 4}, ("6", "32x32")),
        ("identity", (3, 64, 64), {}, ("bicubic",)),
        ("bicubic", SMALL, {}, ("identity",)),
        ("residual", (3, 48, 48), {}, ("48", "32")),
    ],
)
def test_impossible_shapes_are_refused(name: str, out_shape: tuple, options: dict, named: tuple[str, ...]) -> None:
    with refuses(ConfigError, *named):
        build_model(name, SMALL, out_shape, options)
