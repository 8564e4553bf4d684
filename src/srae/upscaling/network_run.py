"""One run of a network over an image, box by box, into the pixels of the result."""

from __future__ import annotations

from functools import partial

import numpy as np

from srae.checkpoints.facts import round_up
from srae.errors import CheckpointError
from srae.images.image import to_levels, write_planes
from srae.upscaling.conversion import Conversion
from srae.upscaling.network import Network, Precision
from srae.upscaling.tiles import Box, Forward, ProgressCallback, run_pieces, turned_mean

_BAND_VALUES = 2**17


class NetworkRun:
    """Where a network reads and where its output goes.

    Args:
        pixels: (H, W, C), filled by `execute`; one plane is written to all channels.
        keeps_flat: pieces of one value are not computed; that value is their output.
    """

    def __init__(
        self, network: Network, conversion: Conversion, pixels: np.ndarray, *, keeps_flat: bool = False
    ) -> None:
        self._network, self._conversion, self._pixels, self._keeps_flat = network, conversion, pixels, keeps_flat

    def execute(
        self, precision: Precision, *, tile: int | None, self_ensemble: bool, progress: ProgressCallback | None
    ) -> None:
        """Args: precision: what the network computes in.

        Raises:
            CheckpointError: the output is not finite.
            ResourceError: not enough memory, even for small tiles.
        """
        network = self._network
        forward: Forward = partial(network.engine.run, precision=precision)
        if self_ensemble:
            forward = partial(turned_mean, forward, square_only=network.geometry.fixed_size is not None)
        if self._keeps_flat:
            forward = partial(_keep_flat, forward, network.geometry.scale)
        run_pieces(
            forward,
            network.geometry,
            self._conversion.input,
            self._keep,
            tile=tile,
            device=network.engine.device,
            progress=progress,
        )

    def _keep(self, box: Box, piece: np.ndarray) -> None:
        """Output of the network (C, h, w) -> pixels of the result."""
        # A sum is finite when all are, and takes a tenth of the time.
        if not np.isfinite(piece.sum()) and not np.isfinite(piece).all():
            raise CheckpointError("the model's output is not a number", str(self._network.path), "use another run")
        top, bottom, left, right = box
        step = round_up(max(1, _BAND_VALUES // piece[:, 0].size), self._network.geometry.scale)
        for start in range(top, bottom, step):  # the many passes stay in a CPU's cache
            stop = min(start + step, bottom)
            self._write((start, stop, left, right), piece[:, start - top : stop - top])

    def _write(self, box: Box, piece: np.ndarray) -> None:
        planes, dtype = self._conversion.finish(box, piece), self._pixels.dtype
        top, bottom, left, right = box
        levels = planes if dtype == np.float32 else to_levels(planes, dtype)
        write_planes(self._pixels[top:bottom, left:right], levels)


def _keep_flat(forward: Forward, scale: int, input: np.ndarray) -> np.ndarray:
    """Of a piece (B, C, h, w) that is one value everywhere, that value; else the network's output."""
    value = input.flat[0]
    if (input == value).all():
        batch, channels, height, width = input.shape
        return np.full((batch, channels, height * scale, width * scale), value)
    return forward(input)
