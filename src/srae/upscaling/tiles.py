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
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from srae.checkpoints.facts import Geometry, round_up
from srae.errors import ResourceError
from srae.memory import available_memory
from srae.upscaling.blend import Blend, window_starts
from srae.upscaling.regions import Planes, extended

_WINDOWS_AT_ONCE = 8

Forward = Callable[[np.ndarray], np.ndarray]
"""float32 (B, C, h, w) -> (B, C, scale * h, scale * w)"""
Box = tuple[int, int, int, int]
"""Top, bottom, left, right in the output."""
Keep = Callable[[Box, np.ndarray], None]
"""Takes the network's output (C, h, w) of a box; it may change it."""
ProgressCallback = Callable[[float], None]
"""Told which share of the work is done."""


def run_pieces(
    forward: Forward,
    geometry: Geometry,
    input: Planes,
    keep: Keep,
    *,
    tile: int | None = None,
    device: str = "cpu",
    progress: ProgressCallback | None = None,
) -> None:
    """Every part of the output once, or again when the memory was too small at first; in no more memory than there is.

    Args:
        tile: side of the pieces, overlap included, in pixels of the input; a side
            that the overlap leaves nothing of is raised.  None: by device and overlap.
        device: where `forward` computes.

    Raises:
        ResourceError: not enough memory even for the smallest tile.
    """
    multiple, scale = geometry.multiple_of, geometry.scale
    sides = [round_up(max(side, geometry.smallest), multiple) for side in (input.height, input.width)]
    if geometry.fixed_size:
        sides = [max(pair) for pair in zip(sides, geometry.fixed_size, strict=True)]
    padded = extended(input, *sides)
    height, width = input.height * scale, input.width * scale

    def job(size: int) -> None:
        run = _run_windows if geometry.fixed_size else _run_tiles
        with _Exit((height, width), keep) as leave:
            run(_Pass(forward, geometry, padded, leave, progress or (lambda _: None)), size)

    if geometry.fixed_size:
        _spare_memory(job, _WINDOWS_AT_ONCE, 1, 1)
    else:
        floor = min(max(2 * geometry.margin + multiple, round_up(geometry.smallest, multiple)), max(sides))
        side = min(tile or _pick_tile(geometry, device), max(sides))
        _spare_memory(job, max(side // multiple * multiple, floor), floor, multiple)


class _Exit:
    """The way of finished boxes out; one is taken by a thread of its own, while the network runs on."""

    def __init__(self, size: tuple[int, int], keep: Keep) -> None:
        self._height, self._width = size
        self._keep = keep
        self._thread = ThreadPoolExecutor(1)
        self._under_way: Future[None] | None = None

    def __enter__(self) -> _Exit:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._wait()
        finally:
            self._thread.shutdown()

    def __call__(self, top: int, left: int, piece: np.ndarray) -> None:
        """`piece` (C, h, w) with its top and left in the output; what lies beyond the output is cut off."""
        piece = piece[:, : max(self._height - top, 0), : max(self._width - left, 0)]
        if not piece.size:
            return
        self._wait()
        box = (top, top + piece.shape[1], left, left + piece.shape[2])
        self._under_way = self._thread.submit(self._keep, box, piece)

    def _wait(self) -> None:
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None


class _Pass(NamedTuple):
    """One way through the whole image."""

    forward: Forward
    geometry: Geometry
    input: Planes
    """Its sides are multiples of `multiple_of`, and at least those of a window."""
    leave: _Exit
    progress: ProgressCallback


def turned_mean(forward: Forward, input: np.ndarray, *, square_only: bool = False) -> np.ndarray:
    """The mean over the eight turns and flips of the input, each result turned back.

    "Self-ensemble": Timofte, Rothe and Van Gool, "Seven ways to improve
    example-based single image super resolution", CVPR 2016.

    Args:
        square_only: the network takes windows of one size; one that is not square is not turned by quarters, which
            leaves four.
    """
    square = input.shape[2] == input.shape[3] or not square_only
    total, turns = np.float32(0), range(0, 4, 1 if square else 2)
    for turn in turns:
        turned = np.rot90(input, turn, (2, 3))
        for flip in (slice(None), slice(None, None, -1)):
            output = forward(np.ascontiguousarray(turned[..., flip]))
            total = total + np.rot90(output[..., flip], -turn, (2, 3))
    return np.asarray(total / np.float32(2 * len(turns)))


def _pick_tile(geometry: Geometry, device: str) -> int:
    """At six margins a side, 44 % of the work is kept; more costs memory."""
    return max(1024 if device.startswith("cuda") else 640, 6 * geometry.margin)


def is_memory_error(error: BaseException) -> bool:
    """Out of memory, in any of the ways NumPy and the engines say it."""
    if isinstance(error, MemoryError):
        return True
    # "an illegal memory access was encountered" is a fault of a kernel, and nothing that smaller pieces mend.
    text = f"{type(error).__name__} {error}".lower()
    return isinstance(error, RuntimeError) and "illegal" not in text and bool(re.search("memory|alloc", text))


def _spare_memory(run: Callable[[int], None], size: int, floor: int, multiple: int) -> None:
    """Run with this size, and with half of it as often as the memory asks for."""
    while True:
        try:
            return run(size)
        except (MemoryError, RuntimeError) as error:
            if not is_memory_error(error):
                raise
            reason = (str(error) or type(error).__name__).splitlines()[0]
        if size <= floor:
            free = available_memory()
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
            result = way.forward(piece)[0]
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
            results = way.forward(np.stack(pieces))
            if len(tops) == len(lefts) == 1:
                return way.leave(0, 0, results[0])
            blend.add(some, results)
        after = tops[i + 1] if i + 1 < len(tops) else way.input.height
        way.leave(top * scale, 0, blend.take(top, after))
        way.progress((i + 1) / len(tops))


def _chunks(places: list[int], count: int) -> Iterator[list[int]]:
    yield from (places[i : i + count] for i in range(0, len(places), count))
