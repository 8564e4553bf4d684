"""A picture of any size through a model: pad, tile, run, crop.

Tiles start at multiples of the network's stride and overlap by its receptive
radius, and of each tile only what lies that far from its artificial edges is
kept: the result equals the whole picture's.  A network bound to one size can
not do that; it runs in overlapping windows that fade into each other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srae.checkpoint import Loaded
from srae.data.degrade import resize
from srae.errors import CheckpointError, ConfigError, ResourceError
from srae.images import Picture

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_WINDOWS_AT_ONCE = 8
_ENDLESS = 2**30


@dataclass(frozen=True)
class Geometry:
    """What a model states about the sizes it takes, in pixels of its input."""

    scale: int
    multiple_of: int
    margin: int
    """Receptive radius, rounded up to `multiple_of`; beyond any picture where the model sees the whole of it."""
    fixed_size: tuple[int, int] | None


def read_geometry(model: nn.Module) -> Geometry:
    stated = {name: getattr(model, name) for name in ("scale", "multiple_of", "receptive_radius", "fixed_size")}
    multiple, radius = stated["multiple_of"], stated["receptive_radius"]
    margin = _round_up(_ENDLESS if radius is None else radius, multiple)
    return Geometry(stated["scale"], multiple, margin, stated["fixed_size"])


def forward_any_size(model: nn.Module, input: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, scale * h, scale * w), also where h and w are no multiples of the model's stride."""
    geometry = read_geometry(model)
    height, width = input.shape[2:]
    output: Tensor = model(_extend(input, *(_round_up(side, geometry.multiple_of) for side in (height, width))))
    return output[:, :, : height * geometry.scale, : width * geometry.scale]


def upscale(model: nn.Module, input: Tensor, *, tile: int | None = None, device: torch.device | str = "cpu") -> Tensor:
    """(C, h, w) -> (C, scale * h, scale * w) on the CPU, in no more memory than there is.

    Args:
        tile: side of the pieces, overlap included, in pixels of the input; a side
            that the overlap leaves nothing of is raised.  None: by device and overlap.
        device: where the model is.

    Raises:
        ResourceError: not enough memory even for the smallest tile.
    """
    geometry, device = read_geometry(model), torch.device(device)
    height, width = input.shape[1:]
    wanted = geometry.fixed_size or (0, 0)
    padded = _extend(
        input[None],
        max(wanted[0], _round_up(height, geometry.multiple_of)),
        max(wanted[1], _round_up(width, geometry.multiple_of)),
    )[0]
    with torch.no_grad():
        if geometry.fixed_size:
            output = _spare_memory(partial(_run_windows, model, geometry, padded, device), _WINDOWS_AT_ONCE, 1, 1)
        else:
            floor = min(2 * geometry.margin + geometry.multiple_of, max(padded.shape[1:]))
            side = min(tile or _pick_tile(geometry, device), max(padded.shape[1:]))
            side = max(side // geometry.multiple_of * geometry.multiple_of, floor)
            run = partial(_run_tiles, model, geometry, padded, device)
            output = _spare_memory(run, side, floor, geometry.multiple_of)
    return output[:, : height * geometry.scale, : width * geometry.scale]


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _extend(input: Tensor, height: int, width: int) -> Tensor:
    """Grow (B, C, h, w) to the right and below: mirrored, or the last pixel repeated where there is too little."""
    for dim, side in ((2, height), (3, width)):
        extra = side - input.shape[dim]
        if extra > 0:
            mode = "reflect" if extra < input.shape[dim] else "replicate"
            input = F.pad(input, (0, 0, 0, extra) if dim == 2 else (0, extra, 0, 0), mode=mode)
    return input


def _pick_tile(geometry: Geometry, device: torch.device) -> int:
    """At six margins a side, 44 % of the work is kept; more costs memory."""
    return max(1024 if device.type == "cuda" else 512, 6 * geometry.margin)


def is_memory_error(error: BaseException) -> bool:
    """Out of memory, in any of the ways torch says it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(re.search(r"memory|alloc", str(error), re.IGNORECASE))


def _spare_memory(run: Callable[[int], Tensor], size: int, floor: int, multiple: int) -> Tensor:
    """Run with this size, and with half of it as often as the memory asks for."""
    while True:
        try:
            return run(size)
        except (MemoryError, RuntimeError) as error:
            if not is_memory_error(error):
                raise
            reason = (str(error) or type(error).__name__).splitlines()[0]
        # Only here, outside the handler, are the tensors of the failed attempt free.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if size <= floor:
            remedy = "close other programs, use --device cpu, or a smaller picture or model"
            raise ResourceError(f"not enough memory, even in pieces of {size}", reason, remedy)
        size = max(floor, size // 2 // multiple * multiple)


# -------------------------------------------------------------------------- tiles


class _Span(NamedTuple):
    """A tile along one dimension: where it lies, and from where to where its result is kept."""

    start: int
    stop: int
    first: int
    last: int


def _spans(size: int, tile: int, geometry: Geometry) -> list[_Span]:
    """Tiles of one length, at most `tile`, that share a dimension evenly."""
    if size <= tile:
        return [_Span(0, size, 0, size)]
    overlap = 2 * geometry.margin
    count = math.ceil((size - overlap) / (tile - overlap))
    step = _round_up(math.ceil((size - overlap) / count), geometry.multiple_of)
    starts = [*range(0, size - overlap - step, step), size - overlap - step]
    edges = [0, *(start + geometry.margin for start in starts[1:]), size]
    return [
        _Span(start, start + step + overlap, first, last)
        for start, first, last in zip(starts, edges, edges[1:], strict=False)
    ]


def _run_tiles(model: nn.Module, geometry: Geometry, input: Tensor, device: torch.device, tile: int) -> Tensor:
    """(C, h, w), sides multiples of `multiple_of` -> (C, H, W)."""
    output, scale = torch.empty(0), geometry.scale
    height, width = input.shape[1:]
    for y in _spans(height, tile, geometry):
        for x in _spans(width, tile, geometry):
            piece = input[None, :, y.start : y.stop, x.start : x.stop].to(device)
            result = model(piece)[0]
            if not output.numel():
                output = torch.empty(len(result), height * scale, width * scale)
            rows = _scaled(y.first - y.start, y.last - y.start, scale)
            columns = _scaled(x.first - x.start, x.last - x.start, scale)
            output[:, _scaled(y.first, y.last, scale), _scaled(x.first, x.last, scale)] = result[:, rows, columns]
    return output


def _scaled(start: int, stop: int, scale: int) -> slice:
    return slice(start * scale, stop * scale)


# ------------------------------------------------------------------------ windows


def _window_starts(size: int, window: int) -> list[int]:
    """Evenly spread, the overlap at least a quarter of the window."""
    count = 1 + math.ceil((size - window) / (window - window // 4))
    return [round(i * (size - window) / max(count - 1, 1)) for i in range(count)]


def _ramp(length: int) -> Tensor:
    """Raised cosine over a window, nowhere zero."""
    return 0.5 - 0.5 * torch.cos(2 * math.pi * (torch.arange(length) + 0.5) / length)


def _run_windows(model: nn.Module, geometry: Geometry, input: Tensor, device: torch.device, count: int) -> Tensor:
    """(C, h, w) through a model of one size, `count` windows at a time -> (C, H, W)."""
    assert geometry.fixed_size is not None
    window, scale = geometry.fixed_size, geometry.scale
    starts = [_window_starts(side, own) for side, own in zip(input.shape[1:], window, strict=True)]
    ramps = [_ramp(own * scale) for own in window]
    fade = ramps[0][:, None] * ramps[1]
    output, places = torch.empty(0), [(top, left) for top in starts[0] for left in starts[1]]
    for some in _chunks(places, count):
        pieces = [input[:, top : top + window[0], left : left + window[1]] for top, left in some]
        results = model(torch.stack(pieces).to(device)).cpu()
        if len(places) == 1:
            return results[0]
        if not output.numel():
            output = torch.zeros(results.shape[1], *(side * scale for side in input.shape[1:]))
        for (top, left), result in zip(some, results, strict=True):
            y, x = top * scale, left * scale
            output[:, y : y + len(ramps[0]), x : x + len(ramps[1])] += result * fade
    # The weights are separable, and so is their sum over a grid of windows.
    sums = [torch.zeros(side * scale) for side in input.shape[1:]]
    for total, ramp, origins in zip(sums, ramps, starts, strict=True):
        for start in origins:
            total[start * scale : start * scale + len(ramp)] += ramp
    return output / (sums[0][:, None] * sums[1])


def _chunks(places: list[tuple[int, int]], count: int) -> Iterator[list[tuple[int, int]]]:
    yield from (places[i : i + count] for i in range(0, len(places), count))


# ------------------------------------------------------------------------- colour


def pick_scale(loaded: Loaded, scale: int | None) -> int:
    """The factor between input and output picture.

    Raises:
        ConfigError: the model cannot enlarge by `scale`, or is no model for pictures.
    """
    where = str(loaded.path)
    if loaded.config.task == "classification":
        raise ConfigError("this model names pictures, it does not enlarge them", where, "choose another with --model")
    own = read_geometry(loaded.model).scale
    if own > 1 and scale not in (None, own):
        raise ConfigError(f"this model enlarges by {own}, not by {scale}", where, f"use --scale {own}, or leave it out")
    return own if own > 1 else scale or 1


def upscale_picture(
    picture: Picture,
    loaded: Loaded,
    *,
    scale: int | None = None,
    tile: int | None = None,
    device: torch.device | str = "cpu",
) -> tuple[Picture, list[str]]:
    """Enlarge or enhance one picture; the result is exactly `pick_scale` times its size.

    Grey stays grey and transparency stays, whatever channels the model has.

    Returns:
        The picture, and remarks for the user about how it was made.

    Raises:
        ConfigError: see `pick_scale`.
        CheckpointError: the model's output is not finite.
        ResourceError: not enough memory.
    """
    factor, geometry, channels = pick_scale(loaded, scale), read_geometry(loaded.model), loaded.in_shape[0]
    notes = _remarks(picture, loaded, factor)
    size = (picture.color.shape[1] * factor, picture.color.shape[2] * factor)
    try:
        color, alpha = picture.color, picture.alpha
        if alpha is not None:
            color = fill_hidden(color, alpha)
        if geometry.scale < factor:
            kernel = loaded.config.data.enlarge or "bilinear"
            color = resize(color, size, kernel).clamp(0, 1)
            alpha = None if alpha is None else resize(alpha, size, kernel).clamp(0, 1)
        run = partial(upscale, loaded.model.to(device), tile=tile, device=device)
        color, own_alpha = _run_channels(run, color, alpha, channels)
        if picture.alpha is not None:
            alpha = own_alpha if own_alpha is not None else _enlarge(picture.alpha, size)
    except (MemoryError, RuntimeError) as error:
        if not is_memory_error(error):
            raise
        raise ResourceError(
            "not enough memory", f"for {size[1]}x{size[0]}", "use a smaller --scale or picture"
        ) from None
    if not bool(torch.isfinite(color).all()):
        raise CheckpointError("the model's output is not a number", str(loaded.path), "use another run")
    alpha = None if alpha is None else alpha.clamp(0, 1)
    return replace(picture, color=color.clamp(0, 1), alpha=alpha), notes


def _remarks(picture: Picture, loaded: Loaded, factor: int) -> list[str]:
    geometry, data, notes = read_geometry(loaded.model), loaded.config.data, []
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
    elif geometry.margin >= _ENDLESS:
        notes.append("this model sees the whole picture at once: it runs in one piece, not in tiles")
    if loaded.in_shape[0] == 1 and len(picture.color) == 3:
        notes.append("this model knows grey only: the colours are enlarged bicubically")
    return notes


def _run_channels(
    run: Callable[[Tensor], Tensor], color: Tensor, alpha: Tensor | None, channels: int
) -> tuple[Tensor, Tensor | None]:
    """Colour (1|3, h, w) through a model of 1, 3 or 4 channels -> colour (1|3, H, W) and the model's alpha, if any."""
    grey = len(color) == 1
    if channels == 1:
        luma = _luma(color)
        output = run(luma)
        # Y + (R-Y, G-Y, B-Y): the differences are linear in Cb and Cr, so enlarging them enlarges those.
        return (output if grey else output + _enlarge(color - luma, (output.shape[1], output.shape[2]))), None
    input = color.expand(3, -1, -1)
    if channels == 4:
        input = torch.cat((input, torch.ones_like(color[:1]) if alpha is None else alpha))
    output = run(input)
    return (_luma(output[:3]) if grey else output[:3]), (output[3:] if channels == 4 else None)


def _luma(color: Tensor) -> Tensor:
    """(1|3, h, w) -> (1, h, w)."""
    return color if len(color) == 1 else (color * torch.tensor(_LUMA)[:, None, None]).sum(0, keepdim=True)


def _enlarge(planes: Tensor, size: tuple[int, int]) -> Tensor:
    return planes if tuple(planes.shape[1:]) == size else resize(planes, size, "bicubic")


def fill_hidden(color: Tensor, alpha: Tensor) -> Tensor:
    """Give invisible pixels the colour of visible ones near them, so that a model does not smear what nobody sees.

    Coarse to fine: averages of visible pixels over ever larger squares.

    Args:
        color: (C, H, W).
        alpha: (1, H, W); 0 is invisible.
    """
    seen = (alpha > 0).to(color.dtype)
    if bool(seen.all()) or not bool(seen.any()):
        return color
    pool = partial(F.avg_pool2d, kernel_size=2, ceil_mode=True, count_include_pad=False)
    share = pool(seen[None])[0]
    coarse = fill_hidden(pool((color * seen)[None])[0] / share.clamp_min(1e-6), share)
    fine = coarse.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, : color.shape[1], : color.shape[2]]
    return torch.where(seen > 0, color, fine)
