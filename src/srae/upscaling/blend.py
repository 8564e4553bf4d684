"""Overlapping windows of one size over a larger image: their places, and the blending of their results."""

from __future__ import annotations

import math

import numpy as np


def window_starts(size: int, window: int) -> list[int]:
    """Evenly spread, the overlap at least a quarter of the window."""
    count = 1 + math.ceil((size - window) / (window - window // 4))
    return [round(i * (size - window) / max(count - 1, 1)) for i in range(count)]


def _ramp(length: int) -> np.ndarray:
    """Raised cosine over a window, nowhere zero."""
    return (0.5 - 0.5 * np.cos(2 * math.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)


def _fade_sum(starts: list[int], window: int, scale: int) -> np.ndarray:
    """Sum of the windows' weights along one dimension."""
    total, ramp = np.zeros((starts[-1] + window) * scale, np.float32), _ramp(window * scale)
    for start in starts:
        total[start * scale : start * scale + len(ramp)] += ramp
    return total


class Blend:
    """The present row of windows, each faded out to its edges and added; places are pixels of the input."""

    def __init__(self, tops: list[int], lefts: list[int], window: tuple[int, int], scale: int) -> None:
        (height, self._width), self._scale = window, scale
        self._fade = _ramp(height * scale)[:, None] * _ramp(self._width * scale)
        # The weights are separable, and so is their sum over a grid of windows.
        self._heights, self._widths = _fade_sum(tops, height, scale), _fade_sum(lefts, self._width, scale)
        self._band = np.zeros(())  # (C, height * scale, W), from the top of the row on

    def add(self, lefts: list[int], results: np.ndarray) -> None:
        """Outputs of windows, (B, C, h, w)."""
        if not self._band.ndim:
            self._band = np.zeros((results.shape[1], results.shape[2], len(self._widths)), np.float32)
        for left, result in zip(lefts, results, strict=True):
            self._band[:, :, left * self._scale : (left + self._width) * self._scale] += result * self._fade

    def take(self, top: int, after: int) -> np.ndarray:
        """The finished rows from `top` to the start of the next row of windows, (C, h, W)."""
        rows = slice(top * self._scale, after * self._scale)
        done = rows.stop - rows.start
        finished = self._band[:, :done] / (self._heights[rows, None] * self._widths)
        self._band = np.concatenate((self._band[:, done:], np.zeros_like(self._band[:, :done])), 1)
        return finished
