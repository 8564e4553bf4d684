"""Checks that the metrics agree with the literature: known values, and scikit-image as a second implementation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srae.errors import DataError
from srae.evaluation.metrics import psnr, ssim
from srae.images.color import to_y
from srae.images.image import find_images, read_pixels
from srae.images.resample import enlarge, shrink
from srae.images.tensors import to_float, to_uint8

SET5 = ("baby", "bird", "butterfly", "head", "woman")


@dataclass(frozen=True)
class MetricCheck:
    what: str
    expected: float
    found: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return bool(abs(self.found - self.expected) <= self.tolerance)

    def __str__(self) -> str:
        verdict = "ok" if self.passed else f"WRONG by more than {self.tolerance:g}"
        return f"{self.what:<48} expected {self.expected:.4f}  found {self.found:.4f}  {verdict}"


def built_in_checks() -> list[MetricCheck]:
    """Values that follow from the definitions, and scikit-image's values on images made here."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    random = np.random.default_rng(0)
    target = torch.from_numpy(random.random((1, 1, 48, 64), dtype=np.float32))
    output = (target + 0.1 * torch.from_numpy(random.standard_normal(target.shape, dtype=np.float32))).clamp(0, 1)
    x, y = output[0, 0].numpy().astype(np.float64), target[0, 0].numpy().astype(np.float64)
    by_skimage_psnr = peak_signal_noise_ratio(y, x, data_range=1)
    by_skimage = structural_similarity(
        x, y, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1][5:-5, 5:-5].mean()
    impulse = torch.zeros(1, 1, 32)
    impulse[..., 16] = 1
    weights = shrink(impulse.expand(1, 32, 32).contiguous(), 2)[0, 8]  # one row: the impulse's weight in each pixel
    white, black = torch.ones(1, 3, 1, 1), torch.zeros(1, 3, 1, 1)
    return [
        MetricCheck("PSNR of a difference of 1/255", 48.1308, float(psnr(target, target + 1 / 255)), 1e-3),
        MetricCheck("PSNR, scikit-image's", by_skimage_psnr, float(psnr(output, target)), 1e-4),
        MetricCheck("SSIM, scikit-image's without its border", by_skimage, float(ssim(output, target)), 1e-4),
        MetricCheck("Y of white, of 255", 235, float(to_y(white)) * 255, 1e-3),
        MetricCheck("Y of black, of 255", 16, float(to_y(black)) * 255, 1e-3),
        # The antialiased cubic kernel at half a pixel: (-3, -9, 29, 111, 111, 29, -9, -3) / 256.
        MetricCheck("bicubic x1/2, weight beside the centre", 111 / 256, float(weights[8]), 1e-6),
        MetricCheck("bicubic x1/2, weight of the next pixel", -9 / 256, float(weights[9]), 1e-6),
    ]


def set5_checks(folder: Path) -> list[MetricCheck]:
    """Bicubic interpolation on Set5 x2 as papers report it: 33.66 dB and 0.9299 on Y, 2 pixels cut.

    As in their MATLAB code the image becomes luma, rounded to 8 bits, *before* it is shrunk,
    and the small image is not rounded; through RGB files it is 33.68.

    Raises:
        DataError: the folder does not hold the five images.
    """
    files = [path for path in find_images(folder)[0] if path.stem.split("_")[0] in SET5]
    if len(files) != len(SET5):
        raise DataError("not the five images of Set5", str(folder), f"a folder with {', '.join(SET5)}")
    scores: list[tuple[float, float]] = []
    for path in files:
        high = to_float(torch.from_numpy(read_pixels(path, "RGB")).permute(2, 0, 1)[None])
        high = high[..., : high.shape[2] // 2 * 2, : high.shape[3] // 2 * 2]
        luma = _rounded(to_y(high))
        output = _rounded(enlarge(shrink(luma, 2), 2))
        pair = output[..., 2:-2, 2:-2], luma[..., 2:-2, 2:-2]
        scores.append((float(psnr(*pair)), float(ssim(*pair))))
    found = np.mean(scores, axis=0)
    return [
        MetricCheck("Set5 x2 bicubic, PSNR of Y, border 2", 33.66, float(found[0]), 0.005),
        MetricCheck("Set5 x2 bicubic, SSIM of Y, border 2", 0.9299, float(found[1]), 5e-5),
    ]


def _rounded(image: Tensor) -> Tensor:
    return to_float(to_uint8(image))
