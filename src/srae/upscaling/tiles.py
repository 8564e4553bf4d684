"""A network on an image of any size: pad, tile, run, crop.

Tiles start at multiples of the network's stride and overlap by its receptive
radius, and of each tile only what lies that far from its artificial edges is
kept: the result equals the whole image's.  A network of a fixed input size can
not do that; it runs in overlapping windows that fade into each other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from srae.checkpoints.facts import Geometry, round_up
from srae.checkpoints.loading import read_geometry
from srae.device import free_memory
from srae.errors import ResourceError
from srae.upscaling.blend import Blend, window_starts
from srae.upscaling.regions import Planes, extended, of_tensor

_WINDOWS_AT_ONCE = 8

Forward = Callable[[Tensor], Tensor]
"""(B, C, h, w) -> (B, C, scale * h, scale * w)"""
Box = tuple[int, int, int, int]
"""Top, bottom, left, right in the output."""
Finish = Callable[[Box, Tensor], Tensor]
"""What is done with the network's output (C, h, w) of a box, on the device and without a look at the numbers."""
Keep = Callable[[Box, Tensor], None]
"""Takes a finished box on the CPU."""
ProgressCallback = Callable[[float], None]
"""Told which share of the work is done."""


def forward_any_size(model: nn.Module, input: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, scale * h, scale * w), also where h and w are no multiples of the model's stride."""
    geometry = read_geometry(model)
    batch, _, height, width = input.shape
    wanted = [round_up(side, geometry.multiple_of) for side in (height, width)]
    if wanted != [height, width]:
        planes = extended(of_tensor(input.flatten(0, 1)), *wanted)
        input = planes.read(0, wanted[0], 0, wanted[1]).unflatten(0, (batch, -1))  # (B * C, H, W) -> (B, C, H, W)
    output: Tensor = model(input)
    return output[:, :, : height * geometry.scale, : width * geometry.scale]


def upscale(model: nn.Module, input: Tensor, *, tile: int | None = None, device: torch.device | str = "cpu") -> Tensor:
    """(C, h, w) -> (C, scale * h, scale * w) on the CPU; see `run_pieces` for the arguments and errors."""
    geometry, output = read_geometry(model), torch.empty(0)

    def keep(box: Box, piece: Tensor) -> None:
        nonlocal output
        top, bottom, left, right = box
        if not output.numel():
            output = torch.empty(len(piece), input.shape[1] * geometry.scale, input.shape[2] * geometry.scale)
        output[:, top:bottom, left:right] = piece

    run_pieces(model, geometry, of_tensor(input), lambda box, piece: piece, keep, tile=tile, device=device)
    return output


def run_pieces(
    forward: Forward,
    geometry: Geometry,
    input: Planes,
    finish: Finish,
    keep: Keep,
    *,
    tile: int | None = None,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> None:
    """Every part of the output once, or again when the memory was too small at first; in no more memory than there is.

    Args:
        tile: side of the pieces, overlap included, in pixels of the input; a side
            that the overlap leaves nothing of is raised.  None: by device and overlap.
        device: where the model is.

    Raises:
        ResourceError: not enough memory even for the smallest tile.
    """
    device, multiple, scale = torch.device(device), geometry.multiple_of, geometry.scale
    sides = [round_up(side, multiple) for side in (input.height, input.width)]
    if geometry.fixed_size:
        sides = [max(pair) for pair in zip(sides, geometry.fixed_size, strict=True)]
    padded = extended(input, *sides)
    height, width = input.height * scale, input.width * scale

    def job(size: int) -> None:
        run = _run_windows if geometry.fixed_size else _run_tiles
        with _Exit((height, width), finish, keep) as leave:
            run(_Pass(forward, geometry, padded, device, leave, progress or (lambda _: None)), size)

    with torch.no_grad():
        if geometry.fixed_size:
            _spare_memory(job, device, _WINDOWS_AT_ONCE, 1, 1)
        else:
            floor = min(2 * geometry.margin + multiple, max(sides))
            side = min(tile or _pick_tile(geometry, device), max(sides))
            _spare_memory(job, device, max(side // multiple * multiple, floor), floor, multiple)


class _Exit:
    """The way of finished boxes to the CPU.

    On CUDA a box is copied into pinned memory while the device goes on; the CPU takes it when the next one is under
    way.  So both work at a time, and the copy costs nothing.
    """

    def __init__(self, size: tuple[int, int], finish: Finish, keep: Keep) -> None:
        self._height, self._width = size
        self._finish, self._keep = finish, keep
        self._under_way: tuple[Box, Tensor, torch.cuda.Event] | None = None

    def __enter__(self) -> _Exit:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._take_last()

    def __call__(self, top: int, left: int, piece: Tensor) -> None:
        """`piece` (C, h, w) with its top and left in the output; what lies beyond the output is cut off."""
        piece = piece[:, : max(self._height - top, 0), : max(self._width - left, 0)]
        if not piece.numel():
            return
        box = (top, top + piece.shape[1], left, left + piece.shape[2])
        finished = self._finish(box, piece.float())
        if not finished.is_cuda:
            return self._keep(box, finished)
        copy = torch.empty(finished.shape, dtype=finished.dtype, pin_memory=True)
        copy.copy_(finished, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()
        self._take_last()
        self._under_way = box, copy, arrived

    def _take_last(self) -> None:
        if self._under_way is not None:
            box, copy, arrived = self._under_way
            self._under_way = None
            arrived.synchronize()
            self._keep(box, copy)


class _Pass(NamedTuple):
    """One way through the whole image."""

    forward: Forward
    geometry: Geometry
    input: Planes
    """Its sides are multiples of `multiple_of`, and at least those of a window."""
    device: torch.device
    leave: _Exit
    progress: ProgressCallback

    def enter(self, piece: Tensor) -> Tensor:
        """To the device; from pinned memory the CPU need not wait for that."""
        if self.device.type == "cuda":
            return piece.pin_memory().to(self.device, non_blocking=True)
        return piece.to(self.device)


def turned_mean(forward: Forward, input: Tensor) -> Tensor:
    """The mean over the eight turns and flips of the input, each result turned back.

    "Self-ensemble": Timofte, Rothe and Van Gool, "Seven ways to improve
    example-based single image super resolution", CVPR 2016.  A network may take
    windows of one size that is not square: then over four, without the quarter turns.
    """
    square = input.shape[2] == input.shape[3] or getattr(forward, "fixed_size", None) is None
    total, turns = torch.zeros(()), range(0, 4, 1 if square else 2)
    for turn in turns:
        for flip in ((), (3,)):
            output = forward(torch.rot90(input, turn, (2, 3)).flip(flip)).float()
            total = total.to(output) + torch.rot90(output.flip(flip), -turn, (2, 3))
    return total / (2 * len(turns))


def _pick_tile(geometry: Geometry, device: torch.device) -> int:
    """At six margins a side, 44 % of the work is kept; more costs memory."""
    return max(1024 if device.type == "cuda" else 640, 6 * geometry.margin)


def is_memory_error(error: BaseException) -> bool:
    """Out of memory, in any of the ways torch says it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # "an illegal memory access was encountered" is a fault of a kernel, and nothing that smaller pieces mend.
    text = str(error).lower()
    return isinstance(error, RuntimeError) and "illegal" not in text and bool(re.search("memory|alloc", text))


def _spare_memory(run: Callable[[int], None], device: torch.device, size: int, floor: int, multiple: int) -> None:
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
            free = free_memory(device)
            have = "" if free is None else f"; {free / 1e9:.1f} GB are free"
            remedy = "close other programs, use --device cpu, or a smaller image or model"
            raise ResourceError(f"not enough memory, even in pieces of {size}", reason + have, remedy)
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
    step = round_up(math.ceil((size - overlap) / count), geometry.multiple_of)
    starts = [*range(0, size - overlap - step, step), size - overlap - step]
    edges = [0, *(start + geometry.margin for start in starts[1:]), size]
    return [
        _Span(start, start + step + overlap, first, last)
        for start, first, last in zip(starts, edges, edges[1:], strict=False)
    ]


def _run_tiles(way: _Pass, tile: int) -> None:
    """Args: tile: side of the tiles at most, a multiple of `multiple_of`."""
    scale = way.geometry.scale
    rows, columns = (_spans(side, tile, way.geometry) for side in (way.input.height, way.input.width))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            piece = way.input.read(y.start, y.stop, x.start, x.stop)[None]
            result = way.forward(way.enter(piece).contiguous(memory_format=torch.channels_last))[0]
            kept = result[:, _scaled(y, scale), _scaled(x, scale)]
            way.leave(y.first * scale, x.first * scale, kept)
            way.progress((i * len(columns) + j + 1) / (len(rows) * len(columns)))


def _scaled(span: _Span, scale: int) -> slice:
    """What is kept of a tile, in pixels of its own output."""
    return slice((span.first - span.start) * scale, (span.last - span.start) * scale)


# ------------------------------------------------------------------------ windows


def _run_windows(way: _Pass, count: int) -> None:
    """Through a model of one size, `count` windows at a time; a row of windows is kept when the next one begins."""
    assert way.geometry.fixed_size is not None
    (height, width), scale = way.geometry.fixed_size, way.geometry.scale
    tops, lefts = window_starts(way.input.height, height), window_starts(way.input.width, width)
    blend = Blend(tops, lefts, way.geometry.fixed_size, scale)
    for i, top in enumerate(tops):
        for some in _chunks(lefts, count):
            pieces = [way.input.read(top, top + height, left, left + width) for left in some]
            results = way.forward(way.enter(torch.stack(pieces))).float()
            if len(tops) == len(lefts) == 1:
                return way.leave(0, 0, results[0])
            blend.add(some, results.cpu())
        after = tops[i + 1] if i + 1 < len(tops) else way.input.height
        way.leave(top * scale, 0, blend.take(top, after))
        way.progress((i + 1) / len(tops))


def _chunks(places: list[int], count: int) -> Iterator[list[int]]:
    yield from (places[i : i + count] for i in range(0, len(places), count))
