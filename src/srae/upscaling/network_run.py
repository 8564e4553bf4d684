"""One run of a network over an image, box by box, into the pixels of the result."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from srae.checkpoints.facts import ADD_TO_BICUBIC
from srae.checkpoints.loading import TrainedModel, read_geometry
from srae.device import autocast, float32_kernels, pick_precision
from srae.errors import CheckpointError
from srae.images.image import to_levels
from srae.upscaling.conversion import Conversion
from srae.upscaling.tiles import Box, Forward, ProgressCallback, run_pieces, turned_mean

_LEVELS = {"uint8": torch.uint8, "uint16": torch.int32}  # torch has few operations for uint16


class NetworkRun:
    """Where a network reads and where its output goes.

    Args:
        pixels: (H, W, C), filled by `execute`; one plane is written to all channels.
        keeps_flat: pieces of one value are not computed; that value is their output.
    """

    def __init__(
        self, trained: TrainedModel, conversion: Conversion, pixels: np.ndarray, *, keeps_flat: bool = False
    ) -> None:
        self._trained, self._conversion, self._pixels, self._keeps_flat = trained, conversion, pixels, keeps_flat
        self._faults: list[Tensor] = []
        """Of each box on CUDA: whether it is not finite.  Read when all are done: reading one stalls the queue."""

    def execute(
        self,
        device: torch.device,
        dtype: torch.dtype,
        *,
        tile: int | None,
        self_ensemble: bool,
        progress: ProgressCallback | None,
    ) -> None:
        """Args: dtype: what the network computes in.

        Raises:
            CheckpointError: the output is not finite.
            ResourceError: not enough memory, even for small tiles.
        """
        model = self._trained.model.to(device)
        geometry = read_geometry(model)
        forward: Forward = partial(turned_mean, model) if self_ensemble else model
        if self._keeps_flat:
            forward = partial(_keep_flat, forward, geometry.scale)
        with float32_kernels(device), autocast(device, dtype):
            run_pieces(
                forward,
                geometry,
                self._conversion.input,
                self._finish,
                self._keep,
                tile=tile,
                device=device,
                progress=progress,
            )
        if self._faults and bool(torch.stack(self._faults).any()):
            raise self._not_finite()

    def _finish(self, box: Box, piece: Tensor) -> Tensor:
        """Output of the network (C, h, w) -> levels (1..4, h, w), still on the device."""
        # A sum is finite when all are, and takes a tenth of the time.
        if piece.is_cuda:
            self._faults.append(~torch.isfinite(piece).all())
        elif not bool(torch.isfinite(piece.sum())) and not bool(torch.isfinite(piece).all()):
            raise self._not_finite()
        planes, dtype = self._conversion.finish(box, piece), self._pixels.dtype
        return planes if dtype == np.float32 else to_levels(planes, dtype).to(_LEVELS[dtype.name])

    def _keep(self, box: Box, levels: Tensor) -> None:
        top, bottom, left, right = box
        self._pixels[top:bottom, left:right] = levels.permute(1, 2, 0).numpy()  # (C, H, W) -> (H, W, C)

    def _not_finite(self) -> CheckpointError:
        return CheckpointError("the model's output is not a number", str(self._trained.path), "use another run")


def pick_dtype(precision: str, trained: TrainedModel, pixels: np.dtype, device: torch.device) -> torch.dtype:
    """What the network computes in: ``float32``, ``bfloat16``, or ``auto``.

    ``auto`` is bfloat16 where the hardware has it and the difference is invisible: 8 bits, and a network that adds a
    correction to the enlarged image, so that bfloat16 rounds the correction only.  It changes the PSNR of the shipped
    networks by at most 0.01 dB (docs/results/performance.md).
    """
    if precision == "auto" and (pixels != np.uint8 or trained.config.model.name not in ADD_TO_BICUBIC):
        return torch.float32
    found = pick_precision(precision, device)
    return torch.float32 if found == torch.float16 else found  # its effect on images is not measured


def _keep_flat(forward: Forward, scale: int, input: Tensor) -> Tensor:
    """Of a piece (B, C, h, w) that is one value everywhere, that value; else the network's output."""
    value = input.flatten()[0]
    if bool((input == value).all()):
        batch, channels, height, width = input.shape
        return value.expand(batch, channels, height * scale, width * scale)
    return forward(input)
