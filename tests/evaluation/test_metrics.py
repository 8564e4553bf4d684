"""Metrics against scikit-image, formulas, and their conventions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from srae.evaluation import metrics
from srae.evaluation.evaluate import find_exact, mean_gain, means
from srae.evaluation.metrics import Protocol
from srae.evaluation.tasks import TASKS
from srae.images import color


def random_pair(channels: int, height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(2, channels, height, width, generator=generator)
    noise = torch.rand(2, channels, height, width, generator=generator)
    return 0.7 * target + 0.3 * noise, target


@settings(max_examples=25)
@given(channels=st.sampled_from([1, 3, 4]), height=st.integers(11, 40), width=st.integers(11, 40))
def test_psnr_and_ssim_equal_scikit_image(channels: int, height: int, width: int) -> None:
    output, target = (t.double() for t in random_pair(channels, height, width))
    for i in range(2):
        a, b = (t[i].permute(1, 2, 0).numpy() for t in (output, target))
        assert float(metrics.psnr(output, target)[i]) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1.0))
        whole = structural_similarity(
            b, a, data_range=1.0, channel_axis=2, gaussian_weights=True, use_sample_covariance=False, full=True
        )[1]
        inside = whole[5:-5, 5:-5].mean()  # scikit-image pads, the definition does not
        assert float(metrics.ssim(output, target)[i]) == pytest.approx(inside, rel=1e-6)


def test_metrics_are_per_sample_and_equal_images_are_perfect() -> None:
    output, target = random_pair(3, 16, 16)
    output[1] = target[1]
    assert metrics.mse(output, target).shape == (2,)
    assert float(metrics.mse(output, target)[1]) == 0
    assert math.isinf(float(metrics.psnr(output, target)[1]))
    assert float(metrics.ssim(output, target)[1]) == pytest.approx(1)
    assert float(metrics.ssim(output, target)[0]) < 1


def test_ssim_of_a_image_smaller_than_its_window_is_not_defined() -> None:
    assert torch.isnan(metrics.ssim(*random_pair(3, 10, 30))).all()


def test_channel_argmax_accuracy_counts_pixels_like_argmax() -> None:
    output, target = random_pair(4, 9, 7)
    expected = (output.argmax(1) == target.argmax(1)).flatten(1).float().mean(1)
    assert torch.equal(metrics.channel_argmax_accuracy(output, target), expected)
    assert 0 < expected.mean() < 1
    ties = torch.ones(1, 4, 3, 3)
    assert metrics.channel_argmax_accuracy(ties, ties).item() == 1
    assert metrics.channel_argmax_accuracy(ties[:, :1], ties[:, :1]).isnan().all(), "one channel is always the largest"


def test_luma_of_white_black_and_the_primaries() -> None:
    colors = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).view(5, 3, 1, 1)
    expected = np.array([235, 16, 16 + 65.481, 16 + 128.553, 16 + 24.966]) / 255
    np.testing.assert_allclose(color.to_y(colors).flatten().numpy(), expected, atol=1e-6)


def test_the_y_of_grey_is_the_y_of_its_colours() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    grey = np.array(Image.fromarray(pixels).convert("L"))
    colours, luma = (torch.from_numpy(p).div(255) for p in (pixels.transpose(2, 0, 1).copy()[None], grey[None, None]))
    of_colours, of_grey = Protocol(channels="Y").prepare(colours), Protocol(channels="Y").prepare(luma)
    assert of_grey.shape == of_colours.shape == (1, 1, 40, 50)
    step = 219 / 255**2  # one grey level of 255, in Y
    assert (of_grey - of_colours).abs().max() <= 0.51 * step
    torch.testing.assert_close(color.to_y(color.to_luma(colours)), of_colours)


def test_protocol_rounds_clamps_cuts_and_picks_channels() -> None:
    images = torch.tensor([-0.5, 0.5, 1.7]).view(1, 1, 1, 3).expand(1, 4, 9, 3)
    seen = Protocol(channels="RGB").prepare(images)
    assert seen.shape == (1, 3, 9, 3)
    assert seen[0, 0, 0].tolist() == pytest.approx([0, 128 / 255, 1])
    assert Protocol(channels="RGBA", rounded=False).prepare(images)[0, 0, 0].tolist() == pytest.approx([-0.5, 0.5, 1.7])
    assert Protocol(channels="Y", border=2).prepare(torch.rand(1, 3, 9, 7)).shape == (1, 1, 5, 3)
    assert "border 2" in str(Protocol(border=2))


def test_class_metrics() -> None:
    logits = torch.tensor([[2.0, 0, 0], [0, 0, 3]])
    labels = torch.tensor([0, 1])
    assert metrics.accuracy(logits, labels).tolist() == [1, 0]
    expected = -torch.log_softmax(logits, 1)[torch.arange(2), labels]
    torch.testing.assert_close(metrics.cross_entropy(logits, labels), expected)


@settings(max_examples=25)
@given(height=st.integers(1, 97), width=st.integers(1, 97))
def test_mse_and_luma_equal_scikit_image_at_every_size(height: int, width: int) -> None:
    output, target = (t.double() for t in random_pair(3, height, width, seed=height * width))
    a, b = (t[1].permute(1, 2, 0).numpy() for t in (output, target))
    assert float(metrics.mse(output, target)[1]) == pytest.approx(mean_squared_error(b, a), rel=1e-9)
    luma = color.to_y(target)[1, 0].numpy()
    np.testing.assert_allclose(luma, rgb2ycbcr(b)[:, :, 0] / 255, atol=1e-6)


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("psnr", "baseline", "exact", "mean", "reference", "gain"),
    [
        ([30.0, 32.0], [20.0, 24.0], [], 31, 22, 9),
        ([30.0, INF], [20.0, 24.0], [1], 30, 22, 10),
        ([30.0, 60.0], [20.0, INF], [1], 30, 20, 10),
        ([INF, INF], [20.0, 24.0], [0, 1], INF, 22, None),
        ([30.0, NAN], [20.0, 24.0], [], 30, 22, 10),
        ([30.0, INF], None, [1], 30, None, None),
    ],
)
def test_an_image_without_error_is_in_every_mean_but_that_of_psnr(
    psnr: list[float], baseline: list[float] | None, exact: list[int], mean: float, reference: float, gain: float
) -> None:
    values = {"mse": [0.1, 0.3], "psnr": psnr}
    identity = {"psnr": baseline} if baseline else {}
    assert find_exact(values, identity) == exact
    assert means(values, identity) == {"mse": pytest.approx(0.2), "psnr": mean}
    assert means(identity) == ({"psnr": reference} if baseline else {})
    assert mean_gain(values, identity) == gain


@pytest.mark.parametrize(
    ("value", "error", "best", "best_error", "better"),
    [
        (0.9, 0.5, None, None, True),
        (0.9, 0.5, 0.8, 0.1, True),
        (0.9, 0.5, 0.9, 0.6, True),
        (0.9, 0.5, 0.9, 0.5, False),
        (0.9, 0.5, 0.9, 0.4, False),
        (0.9, 0.5, 0.9, None, False),
    ],
)
def test_of_equal_accuracies_the_lower_loss_is_better(
    value: float, error: float, best: float | None, best_error: float | None, better: bool
) -> None:
    assert TASKS["classification"].is_better(value, error, best, best_error) == better
    if best is not None and best != value:
        assert TASKS["super_resolution"].is_better(value, error, best, best_error) != better
