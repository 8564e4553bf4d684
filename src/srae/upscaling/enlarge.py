"""Images through networks: colour, transparency and depth are the image's, whatever the network's channels are.

Pixels stay as they are in the file, one or two bytes each; they become floats
tile by tile on their way into the network, and bytes again on their way out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srae.checkpoints.loading import TrainedModel
from srae.device import autocast, check_memory, float32_kernels, pick_precision
from srae.errors import CheckpointError, ConfigError, ResourceError
from srae.images.color import to_luma
from srae.images.encode import make_pixels
from srae.images.image import TaggedImage, to_levels
from srae.upscaling.regions import Planes, changed, enlarged, filled, of_pixels, stacked
from srae.upscaling.tiles import Box, ProgressCallback, is_memory_error, read_geometry, run_pieces, turned_mean

PRECISIONS = ("auto", "float32", "bfloat16")
_ADD_TO_BICUBIC = ("residual",)
"""Networks that add a correction to the enlarged image: bfloat16 rounds the correction only.

Of every shipped one it changes the PSNR by at most 0.01 dB (docs/results/performance.md).
"""
_SMALLER = "use a smaller --scale or image"
_LEVELS = {"uint8": torch.uint8, "uint16": torch.int32}  # torch has few operations for uint16


@dataclass(frozen=True)
class UpscaleOptions:
    """How images are enlarged, whatever the image, its file and the machine are.

    Attributes:
        scale: how much longer a side becomes; None: the model's own.
        tile: side of the pieces, in pixels of the input; None: chosen, see `run_pieces`.
        self_ensemble: the mean over eight turns and flips, see `turned_mean`; takes eight times as long.
        precision: one of `PRECISIONS`, see `_pick_dtype`.

    Raises:
        ValueError: `scale` or `tile` is no positive number; no such precision.
    """

    scale: int | None = None
    tile: int | None = None
    self_ensemble: bool = False
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name, value in (("scale", self.scale), ("tile", self.tile)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} is a whole number of at least 1, or None; not {value!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is one of {', '.join(PRECISIONS)}; not {self.precision!r}")


_DEFAULTS = UpscaleOptions()


def pick_scale(trained: TrainedModel, scale: int | None) -> int:
    """The factor between input and output image.

    Raises:
        ConfigError: the model cannot enlarge by `scale`, or is no model for images.
    """
    where = str(trained.path)
    if trained.config.task == "classification":
        raise ConfigError("this model names images, it does not enlarge them", where, "choose another with --model")
    own = read_geometry(trained.model).scale
    if own > 1 and scale not in (None, own):
        raise ConfigError(f"this model enlarges by {own}, not by {scale}", where, f"use --scale {own}, or leave it out")
    return own if own > 1 else scale or 1


def chain_scale(chain: Sequence[TrainedModel], scale: int | None) -> int:
    """`pick_scale` of models that run one after the other; several are given for the scales that they have."""
    if len(chain) == 1:
        return pick_scale(chain[0], scale)
    own = math.prod(pick_scale(trained, None) for trained in chain)
    if scale not in (None, own):
        raise ConfigError(f"these models enlarge by {own}, not by {scale}", str(chain[0].path), f"use --scale {own}")
    return own


def upscale_image(
    image: TaggedImage,
    chain: Sequence[TrainedModel],
    options: UpscaleOptions = _DEFAULTS,
    *,
    device: torch.device | str = "cpu",
    kind: str = "PNG",
    progress: ProgressCallback | None = None,
) -> tuple[TaggedImage, list[str]]:
    """Enlarge or enhance one image; the result is exactly `chain_scale` times its size.

    Grey stays grey and transparency stays, whatever channels the models have.

    Args:
        chain: models that run one after the other; most often one.
        kind: format that the result will be written in; it decides how the pixels lie in memory.

    Returns:
        The image, and remarks for the user about how it was made.

    Raises:
        ConfigError: see `pick_scale`.
        CheckpointError: a model's output is not finite.
        ResourceError: not enough memory.
    """
    notes: list[str] = []
    for trained, factor in zip(chain, _factors(chain, options.scale), strict=True):
        notes += _remarks(image, trained, factor)
    if options.self_ensemble:
        notes.append("self-ensemble: the mean over 8 turns and flips, 8 times the work")
    pixels = upscale_pixels(image.pixels, chain, options, device=device, kind=kind, progress=progress)
    return replace(image, pixels=pixels), notes


def upscale_pixels(
    pixels: np.ndarray,
    chain: Sequence[TrainedModel],
    options: UpscaleOptions = _DEFAULTS,
    *,
    device: torch.device | str = "cpu",
    kind: str = "PNG",
    progress: ProgressCallback | None = None,
) -> np.ndarray:
    """uint8, uint16, or float32 in [0, 1], (H, W, 1..4) -> the same type and channels, larger.

    See `upscale_image` for the arguments and errors; two and four channels end in alpha.
    """
    dtype, device = pixels.dtype, torch.device(device)
    for i, (trained, factor) in enumerate(zip(chain, _factors(chain, options.scale), strict=True)):
        shape, last = (pixels.shape[0] * factor, pixels.shape[1] * factor, pixels.shape[2]), i == len(chain) - 1
        # Between two networks nothing is rounded to 8 bits.
        levels = np.dtype(np.uint16) if dtype == np.uint8 and not last else dtype
        with _memory_errors(shape):
            # Memory for the result comes first: where it is too little, nothing is computed.
            output = _Output(_allocate(shape, levels, kind), _convert(pixels, trained, factor), trained)
            _run_network(
                trained,
                output,
                options,
                device=device,
                dtype=_pick_dtype(options.precision, trained, dtype, device),
                progress=partial(_share_of, progress, i, len(chain)) if progress else None,
            )
        pixels = output.pixels
    return pixels


def _factors(chain: Sequence[TrainedModel], scale: int | None) -> list[int]:
    """How much each model of a chain makes a side longer; see `chain_scale` for the errors."""
    whole = chain_scale(chain, scale)
    return [whole] if len(chain) == 1 else [pick_scale(trained, None) for trained in chain]


def _pick_dtype(precision: str, trained: TrainedModel, pixels: np.dtype, device: torch.device) -> torch.dtype:
    """What the network computes in: ``float32``, ``bfloat16``, or ``auto``.

    ``auto`` is bfloat16 where the hardware has it and nobody sees the difference: 8 bits, and a network that adds to
    the enlarged image.
    """
    if precision == "auto" and (pixels != np.uint8 or trained.config.model.name not in _ADD_TO_BICUBIC):
        return torch.float32
    found = pick_precision(precision, device)
    return torch.float32 if found == torch.float16 else found  # its effect on images is not measured


def _share_of(progress: ProgressCallback, number: int, count: int, share: float) -> None:
    progress((number + share) / count)


def _allocate(shape: tuple[int, int, int], dtype: np.dtype, kind: str) -> np.ndarray:
    """Pixels (H, W, C) for a result that will be written as `kind`."""
    height, width, channels = shape
    check_memory(math.prod(shape) * dtype.itemsize, f"an image of {width}x{height}", _SMALLER)
    return make_pixels(height, width, channels, dtype, kind)


@contextmanager
def _memory_errors(shape: tuple[int, int, int]) -> Iterator[None]:
    """Context in which out of memory, however torch says it, is a ResourceError about a result of this shape."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_memory_error(error):
            raise
        raise ResourceError("not enough memory", f"for {shape[1]}x{shape[0]}", _SMALLER) from None


def _run_network(
    trained: TrainedModel,
    output: _Output,
    options: UpscaleOptions,
    *,
    device: torch.device,
    dtype: torch.dtype,
    progress: ProgressCallback | None,
) -> None:
    """Args: dtype: what the network computes in."""
    model = trained.model.to(device)
    forward = partial(turned_mean, model) if options.self_ensemble else model
    with float32_kernels(device), autocast(device, dtype):
        run_pieces(
            forward,
            read_geometry(model),
            output.conversion.input,
            output.finish,
            output.keep,
            tile=options.tile,
            device=device,
            progress=progress,
        )
    output.check()


class _Output:
    """Pixels of a result, (H, W, 1..4), filled with boxes of a network's output."""

    def __init__(self, pixels: np.ndarray, conversion: _Conversion, trained: TrainedModel) -> None:
        self.pixels, self.conversion, self._trained = pixels, conversion, trained
        self._faults: list[Tensor] = []
        """Of each box on CUDA: whether it is not finite; looked at when all are done, lest the device wait."""

    def finish(self, box: Box, piece: Tensor) -> Tensor:
        """Output of the network (C, h, w) -> levels (1..4, h, w), on the device still."""
        # A sum is finite when all are, and takes a tenth of the time.
        if piece.is_cuda:
            self._faults.append(~torch.isfinite(piece).all())
        elif not bool(torch.isfinite(piece.sum())) and not bool(torch.isfinite(piece).all()):
            raise self._not_finite()
        dtype = self.pixels.dtype
        return to_levels(self.conversion.finish(box, piece), dtype).to(_LEVELS.get(dtype.name, torch.float32))

    def keep(self, box: Box, levels: Tensor) -> None:
        top, bottom, left, right = box
        self.pixels[top:bottom, left:right] = levels.permute(1, 2, 0).numpy()  # (C, H, W) -> (H, W, C)

    def check(self) -> None:
        """Raises: CheckpointError: something that came from CUDA was not finite."""
        if self._faults and bool(torch.stack(self._faults).any()):
            raise self._not_finite()

    def _not_finite(self) -> CheckpointError:
        return CheckpointError("the model's output is not a number", str(self._trained.path), "use another run")


class _Conversion(NamedTuple):
    """An image as a network of some channels takes it, and what its output will lack.

    Attributes:
        colors: of the image, 1 or 3.
        channels: of the network.
        chroma: the colours' differences from grey, in the size of the output, for networks that know grey only.
        alpha: in the size of the output.
    """

    colors: int
    channels: int
    input: Planes
    chroma: Planes | None
    alpha: Planes | None

    def finish(self, box: Box, piece: Tensor) -> Tensor:
        """Output of the network (C, h, w) in this box -> planes of the image (1..4, h, w)."""
        own_alpha = piece[3:]
        if self.chroma is not None:
            # Y + (R-Y, G-Y, B-Y): the differences are linear in Cb and Cr, so enlarging them enlarges those.
            piece = piece + self.chroma.read(*box).to(piece.device)
        elif self.channels != 1:
            piece = to_luma(piece[:3]) if self.colors == 1 else piece[:3]
        if self.alpha is None:
            return piece
        return torch.cat((piece, own_alpha if self.channels == 4 else self.alpha.read(*box).to(piece.device)))


def _convert(pixels: np.ndarray, trained: TrainedModel, factor: int) -> _Conversion:
    count, channels = (1 if pixels.shape[2] < 3 else 3), trained.in_shape[0]
    own_scale = read_geometry(trained.model).scale
    color = of_pixels(pixels[:, :, :count])
    alpha = large_alpha = None
    if pixels.shape[2] > count:
        alpha = of_pixels(pixels[:, :, count:])
        color, large_alpha = filled(color, alpha), enlarged(alpha, factor, "bicubic")
    if own_scale < factor:
        kernel = trained.config.data.enlarge_kernel
        color = changed(enlarged(color, factor, kernel), _clamp)
        alpha = None if alpha is None else changed(enlarged(alpha, factor, kernel), _clamp)
    chroma = None
    if channels == 1 and count == 3:
        chroma = enlarged(changed(color, lambda planes: planes - to_luma(planes)), own_scale, "bicubic")
    input = changed(color, to_luma if channels == 1 else lambda planes: planes.expand(3, -1, -1))
    if channels == 4:
        input = stacked(input, changed(color, lambda planes: torch.ones_like(planes[:1])) if alpha is None else alpha)
    return _Conversion(count, channels, input, chroma, large_alpha)


def _clamp(planes: Tensor) -> Tensor:
    return planes.clamp(0, 1)


def _remarks(image: TaggedImage, trained: TrainedModel, factor: int) -> list[str]:
    geometry, data, notes = read_geometry(trained.model), trained.config.data, []
    if geometry.scale == 1 and factor == 1:
        notes.append("this model keeps the size; --scale 2 enlarges first")
    elif geometry.scale < factor:
        notes.append(f"this model keeps the size: images are enlarged x{factor} ({data.enlarge_kernel}) before it")
        if data.degrade_scale not in (None, factor):
            notes.append(f"it was trained on images enlarged x{data.degrade_scale}")
    if geometry.fixed_size:
        height, width = geometry.fixed_size
        notes.append(f"this model is bound to {width}x{height}: other sizes run in overlapping windows")
    elif geometry.sees_all:
        notes.append("this model sees the whole image at once: it runs in one piece, not in tiles")
    if trained.in_shape[0] == 1 and image.colors == 3:
        notes.append("this model knows grey only: the colours are enlarged bicubically")
    return notes
