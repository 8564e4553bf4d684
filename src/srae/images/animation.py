"""Animations: the times that a file states, and frames that go into one file together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

_SHORTEST, _ASSUMED = 11, 100  # milliseconds: browsers show for 100 what states 10 or less


class Timing(NamedTuple):
    """Attributes: durations: of every frame, in milliseconds; loops: how often all are shown, 0 for ever."""

    durations: tuple[int, ...]
    loops: int


class Frames(NamedTuple):
    """Attributes: pixels: uint8 (H, W, C) of every frame, all of one size and with the same channels."""

    pixels: list[np.ndarray]
    timing: Timing


def find_timing(image: Image.Image) -> Timing:
    """Of an opened animation; its frames are decoded, as WebP and AVIF tell the time only then."""
    durations = []
    for frame in range(getattr(image, "n_frames", 1)):
        image.seek(frame)
        image.load()
        stated = round(float(image.info.get("duration") or 0))
        durations.append(stated if stated >= _SHORTEST else _ASSUMED)
    if image.format != "GIF":
        return Timing(tuple(durations), int(image.info.get("loop", 0)))
    again = image.info.get("loop")  # of a GIF: how often again; without it, it is shown once
    return Timing(tuple(durations), 1 if again is None else again + 1 if again else 0)


def as_one_kind(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    """uint8 (H, W, 1..4) -> all grey where all are, else all RGB, or RGBA where one has alpha."""
    if all(frame.shape[2] == 1 for frame in frames):
        return list(frames)
    transparent = any(frame.shape[2] in (2, 4) for frame in frames)
    return [_as_color(frame, transparent) for frame in frames]


def _as_color(frame: np.ndarray, transparent: bool) -> np.ndarray:
    count = 1 if frame.shape[2] < 3 else 3
    color = np.broadcast_to(frame[:, :, :count], (*frame.shape[:2], 3))
    if not transparent:
        return np.ascontiguousarray(color)
    alpha = frame[:, :, count:] if frame.shape[2] > count else np.full((*frame.shape[:2], 1), 255, np.uint8)
    return np.concatenate((color, alpha), axis=2)
