"""Metrics of images and of classes: (output, target) -> one value per sample.

Pure functions of tensors in [0, 1], shape (B, C, H, W); means over a data set
are means over its samples.  What the field calls a protocol (colour channels,
border, rounding) is one value, `Protocol`, applied before any metric.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from srae.images.color import to_luma, to_y

CACHED_VALUES = 2**19
"""Values of a batch whose intermediate results still fit into the cache of a core."""
SSIM_WINDOW, SSIM_SIGMA, SSIM_K1, SSIM_K2 = 11, 1.5, 0.01, 0.03


@dataclass(frozen=True)
class Protocol:
    """How images are prepared for a metric.  Metrics of two protocols are not comparable."""

    channels: str = "RGB"
    """L, RGB, RGBA, 5 bands: all of them; Y: luma of ITU-R BT.601 in [16, 235] / 255; grey: in full range.

    Published scripts (MATLAB's `if size(image, 3) > 1`, BasicSR) convert colours to Y and leave grey files as they are.
    """
    border: int = 0
    """Pixels cut off each side."""
    rounded: bool = True
    """Clamped to [0, 1] and rounded to the levels of the images, as a file would hold it."""
    levels: int = 255
    """The largest level: 255 of 8 bits, 4095 of 12."""

    def prepare(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> the images that the metrics compare, (B, C or 1, H - 2 border, W - 2 border)."""
        images = images.float()
        if self.rounded:
            images = images.clamp(0, 1).mul_(self.levels).round_().div_(self.levels)
        if self.channels == "Y":
            images = to_y(images[:, :3])
        elif self.channels == "grey":
            images = to_luma(images[:, :3])
        elif self.channels == "RGB":
            images = images[:, :3]
        cut = self.border
        return images[..., cut:-cut, cut:-cut] if cut else images

    def as_dict(self) -> dict[str, Any]:
        ssim = f"Gaussian {SSIM_WINDOW}, sigma {SSIM_SIGMA}, no padding"
        stamp = {key: value for key, value in asdict(self).items() if key != "levels" or value != 255}
        return {**stamp, "range": [0, 1], "ssim": ssim, "mean": "over images"}

    def __str__(self) -> str:
        rounding = f"rounded to {self.levels.bit_length()} bits" if self.rounded else "not rounded"
        channels = "grey in full range" if self.channels == "grey" else self.channels
        return f"{channels}, {rounding}, border {self.border}, values in [0, 1]"


def show_channels(channels: str | int) -> str:
    """``data.channels`` as a protocol names it."""
    return f"{channels} bands" if isinstance(channels, int) else channels


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error, (B,)."""
    return (output - target).square().flatten(1).mean(1)


def psnr(output: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for a peak of 1, (B,); infinite for equal images."""
    return -10 * torch.log10(mse(output, target))


def ssim(output: Tensor, target: Tensor) -> Tensor:
    """Structural similarity, mean over pixels and channels, (B,).

    Wang et al. 2004: Gaussian window of side 11 and sigma 1.5 without padding,
    K = (0.01, 0.03), population covariances; not defined for images smaller
    than the window (NaN).
    """
    if min(output.shape[2:]) < SSIM_WINDOW:
        return output.new_full((len(output),), float("nan"))
    # A few images at a time, so that the many passes of the window stay in the cache.
    count = max(1, CACHED_VALUES // output[0].numel())
    return torch.cat([_ssim(x, y) for x, y in zip(output.split(count), target.split(count), strict=True)])


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    mean_x, mean_y, squares, product = (_blur(t) for t in (x, y, x * x + y * y, x * y))
    c1, c2 = SSIM_K1**2, SSIM_K2**2
    means, mean_squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    numerator = (2 * means + c1) * (2 * (product - means) + c2)
    denominator = (mean_squares + c1) * (squares - mean_squares + c2)
    return (numerator / denominator).flatten(1).mean(1)


def _blur(image: Tensor) -> Tensor:
    """Gaussian window without padding, (B, C, H, W) -> (B, C, H - 10, W - 10), as sums of shifted copies.

    A convolution of one channel is slow on a CPU: 6.3 s instead of 0.21 s for 64 RGBA images of 256x256
    (docs/lab_log.md, "SSIM of many images on a CPU").
    """
    center = SSIM_WINDOW // 2
    weights = [math.exp(-((i - center) ** 2) / (2 * SSIM_SIGMA**2)) for i in range(SSIM_WINDOW)]
    for dim in (2, 3):
        length = image.shape[dim] - SSIM_WINDOW + 1
        blurred = image.narrow(dim, 0, length) * (weights[0] / sum(weights))
        for i, weight in enumerate(weights[1:], 1):
            blurred.add_(image.narrow(dim, i, length), alpha=weight / sum(weights))
        image = blurred
    return image


def channel_argmax_accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Share of pixels whose largest channel is the same in both, (B,).

    What Keras's `acc` computes for images; it says little about their quality, and nothing (NaN) about one channel.
    """
    if output.shape[1] == 1:
        return output.new_full((len(output),), float("nan"))
    return (_largest_channel(output) == _largest_channel(target)).flatten(1).float().mean(1)


def _largest_channel(images: Tensor) -> Tensor:
    """argmax over dim 1 (first of equals), (B, H, W); torch's own takes ten times as long across so few values."""
    planes = images.contiguous()  # channels_last has the values of a channel apart
    largest, index = planes[:, 0], torch.zeros_like(planes[:, 0], dtype=torch.uint8)
    for channel in range(1, planes.shape[1]):
        higher = planes[:, channel] > largest
        largest = torch.maximum(largest, planes[:, channel])
        index = torch.maximum(index, higher.to(torch.uint8) * channel)
    return index


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """1 where the largest logit of (B, classes) is the label of (B,), else 0."""
    return (output.argmax(1) == target).float()


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood in nats of logits (B, classes) and labels (B,), (B,)."""
    return F.cross_entropy(output.float(), target, reduction="none")
