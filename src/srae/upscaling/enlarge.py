"""Pictures through networks: colour, transparency and depth are the picture's, whatever the network's channels are.

Pixels stay as they are in the file, one or two bytes each; they become floats
tile by tile on their way into the network, and bytes again on their way out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
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
from srae.images.picture import Picture, to_levels
from srae.upscaling.regions import Planes, changed, enlarged, filled, of_pixels, stacked
from srae.upscaling.tiles import Box, Progress, is_memory_error, read_geometry, run_pieces, turned_mean

PRECISIONS = ("auto", "float32", "bfloat16")
_ADD_TO_BICUBIC = ("residual",)
"""Networks that add a correction to the enlarged picture: bfloat16 rounds the correction only.

Of every shipped one it changes the PSNR by at most 0.01 dB (docs/results/performance.md).
"""
_SMALLER = "use a smaller --scale or picture"


def pick_scale(trained: TrainedModel, scale: int | None) -> int:
    """The factor between input and output picture.

    Raises:
        ConfigError: the model cannot enlarge by `scale`, or is no model for pictures.
    """
    where = str(trained.path)
    if trained.config.task == "classification":
        raise ConfigError("this model names pictures, it does not enlarge them", where, "choose another with --model")
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


def upscale_picture(
    picture: Picture,
    chain: Sequence[TrainedModel],
    *,
    scale: int | None = None,
    tile: int | None = None,
    device: torch.device | str = "cpu",
    self_ensemble: bool = False,
    precision: str = "auto",
    kind: str = "PNG",
    progress: Progress | None = None,
) -> tuple[Picture, list[str]]:
    """Enlarge or enhance one picture; the result is exactly `chain_scale` times its size.

    Grey stays grey and transparency stays, whatever channels the models have.

    Args:
        chain: models that run one after the other; most often one.
        self_ensemble: see `turned_mean`; takes eight times as long.
        precision: see `_pick_dtype`.
        kind: format that the result will be written in; it decides how the pixels lie in memory.

    Returns:
        The picture, and remarks for the user about how it was made.

    Raises:
        ConfigError: see `pick_scale`.
        CheckpointError: a model's output is not finite.
        ResourceError: not enough memory.
    """
    factor, notes = chain_scale(chain, scale), []
    for trained in chain:
        notes += _remarks(picture, trained, factor if len(chain) == 1 else pick_scale(trained, None))
    if self_ensemble:
        notes.append("self-ensemble: the mean over 8 turns and flips, 8 times the work")
    pixels = upscale_pixels(
        picture.pixels,
        chain,
        scale=scale,
        tile=tile,
        device=device,
        self_ensemble=self_ensemble,
        precision=precision,
        kind=kind,
        progress=progress,
    )
    return replace(picture, pixels=pixels), notes


def upscale_pixels(
    pixels: np.ndarray,
    chain: Sequence[TrainedModel],
    *,
    scale: int | None = None,
    tile: int | None = None,
    device: torch.device | str = "cpu",
    self_ensemble: bool = False,
    precision: str = "auto",
    kind: str = "PNG",
    progress: Progress | None = None,
) -> np.ndarray:
    """uint8, uint16, or float32 in [0, 1], (H, W, 1..4) -> the same type and channels, larger.

    See `upscale_picture` for the arguments and errors; two and four channels end in alpha.
    """
    factor, dtype, device = chain_scale(chain, scale), pixels.dtype, torch.device(device)
    for i, trained in enumerate(chain):
        last = i == len(chain) - 1
        pixels = _upscale(
            pixels,
            trained,
            factor if len(chain) == 1 else pick_scale(trained, None),
            tile=tile,
            device=device,
            self_ensemble=self_ensemble,
            inner=_pick_dtype(precision, trained, dtype, device),
            kind=kind,
            # Between two networks nothing is rounded to 8 bits.
            dtype=np.dtype(np.uint16) if dtype == np.uint8 and not last else dtype,
            progress=partial(_share_of, progress, i, len(chain)) if progress else None,
        )
    return pixels


def _pick_dtype(precision: str, trained: TrainedModel, pixels: np.dtype, device: torch.device) -> torch.dtype:
    """What the network computes in: ``float32``, ``bfloat16``, or ``auto``.

    ``auto`` is bfloat16 where the hardware has it and nobody sees the difference: 8 bits, and a network that adds to
    the enlarged picture.
    """
    if precision == "auto" and (pixels != np.uint8 or trained.config.model.name not in _ADD_TO_BICUBIC):
        return torch.float32
    found = pick_precision(precision, device)
    return torch.float32 if found == torch.float16 else found  # its effect on images is not measured


def _share_of(progress: Progress, number: int, count: int, share: float) -> None:
    progress((number + share) / count)


def _upscale(
    pixels: np.ndarray,
    trained: TrainedModel,
    factor: int,
    *,
    tile: int | None,
    device: torch.device,
    self_ensemble: bool,
    inner: torch.dtype,
    kind: str,
    dtype: np.dtype,
    progress: Progress | None,
) -> np.ndarray:
    """Through one network -> `dtype`."""
    own_scale, height, width = read_geometry(trained.model).scale, pixels.shape[0] * factor, pixels.shape[1] * factor
    need = height * width * pixels.shape[2] * dtype.itemsize
    check_memory(need, f"a picture of {width}x{height}", _SMALLER)
    try:
        output = make_pixels(height, width, pixels.shape[2], dtype, kind)
        prepared = _prepare(pixels, trained, own_scale, factor)

        unsound: list[Tensor] = []
        """Of each box on CUDA: whether it is not finite; looked at when all are done, lest the device wait."""

        def finish(box: Box, piece: Tensor) -> Tensor:
            # A sum is finite when all are, and takes a tenth of the time.
            if piece.is_cuda:
                unsound.append(~torch.isfinite(piece).all())
            elif not bool(torch.isfinite(piece.sum())) and not bool(torch.isfinite(piece).all()):
                raise _not_finite(trained)
            return to_levels(prepared.finish(box, piece), dtype).to(_LEVELS.get(dtype.name, torch.float32))

        def keep(box: Box, levels: Tensor) -> None:
            top, bottom, left, right = box
            output[top:bottom, left:right] = levels.permute(1, 2, 0).numpy()  # (C, H, W) -> (H, W, C)

        model = trained.model.to(device)
        forward = partial(turned_mean, model) if self_ensemble else model
        geometry = read_geometry(model)
        with float32_kernels(device), autocast(device, inner):
            run_pieces(forward, geometry, prepared.input, finish, keep, tile=tile, device=device, progress=progress)
        if unsound and bool(torch.stack(unsound).any()):
            raise _not_finite(trained)
    except (MemoryError, RuntimeError) as error:
        if not is_memory_error(error):
            raise
        raise ResourceError("not enough memory", f"for {width}x{height}", _SMALLER) from None
    return output


_LEVELS = {"uint8": torch.uint8, "uint16": torch.int32}  # torch has few operations for uint16


def _not_finite(trained: TrainedModel) -> CheckpointError:
    return CheckpointError("the model's output is not a number", str(trained.path), "use another run")


class _Prepared(NamedTuple):
    """A picture as a network of some channels takes it, and what its output will lack.

    Attributes:
        colors: of the picture, 1 or 3.
        channels: of the network.
        chroma: the colours' differences from grey, in the size of the output, for networks that know grey only.
        alpha: in the size of the output.
    """

    colors: int
    channels: int
    input: Planes
    chroma: Planes | None
    alpha: Planes | None

    def finish(self, box: tuple[int, int, int, int], piece: Tensor) -> Tensor:
        """Output of the network (C, h, w) in this box -> planes of the picture (1..4, h, w)."""
        own_alpha = piece[3:]
        if self.chroma is not None:
            # Y + (R-Y, G-Y, B-Y): the differences are linear in Cb and Cr, so enlarging them enlarges those.
            piece = piece + self.chroma.read(*box).to(piece.device)
        elif self.channels != 1:
            piece = to_luma(piece[:3]) if self.colors == 1 else piece[:3]
        if self.alpha is None:
            return piece
        return torch.cat((piece, own_alpha if self.channels == 4 else self.alpha.read(*box).to(piece.device)))


def _prepare(pixels: np.ndarray, trained: TrainedModel, own_scale: int, factor: int) -> _Prepared:
    count, channels = (1 if pixels.shape[2] < 3 else 3), trained.in_shape[0]
    color = of_pixels(pixels[:, :, :count])
    alpha = large_alpha = None
    if pixels.shape[2] > count:
        alpha = of_pixels(pixels[:, :, count:])
        color, large_alpha = filled(color, alpha), enlarged(alpha, factor, "bicubic")
    if own_scale < factor:
        kernel = trained.config.data.enlarge or "bilinear"
        color = changed(enlarged(color, factor, kernel), _clamp)
        alpha = None if alpha is None else changed(enlarged(alpha, factor, kernel), _clamp)
    chroma = None
    if channels == 1 and count == 3:
        chroma = enlarged(changed(color, lambda planes: planes - to_luma(planes)), own_scale, "bicubic")
    input = changed(color, to_luma if channels == 1 else lambda planes: planes.expand(3, -1, -1))
    if channels == 4:
        input = stacked(input, changed(color, lambda planes: torch.ones_like(planes[:1])) if alpha is None else alpha)
    return _Prepared(count, channels, input, chroma, large_alpha)


def _clamp(planes: Tensor) -> Tensor:
    return planes.clamp(0, 1)


def _remarks(picture: Picture, trained: TrainedModel, factor: int) -> list[str]:
    geometry, data, notes = read_geometry(trained.model), trained.config.data, []
    if geometry.scale == 1 and factor == 1:
        notes.append("this model keeps the size; --scale 2 enlarges first")
    elif geometry.scale < factor:
        kernel = data.enlarge or "bilinear"
        notes.append(f"this model keeps the size: pictures are enlarged x{factor} ({kernel}) before it")
        if data.degrade and data.degrade.scale != factor:
            notes.append(f"it was trained on pictures enlarged x{data.degrade.scale}")
    if geometry.fixed_size:
        height, width = geometry.fixed_size
        notes.append(f"this model is bound to {width}x{height}: other sizes run in overlapping windows")
    elif geometry.sees_all:
        notes.append("this model sees the whole picture at once: it runs in one piece, not in tiles")
    if trained.in_shape[0] == 1 and picture.colors == 3:
        notes.append("this model knows grey only: the colours are enlarged bicubically")
    return notes
