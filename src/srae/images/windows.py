"""Sums over every window of an array, in time independent of the window size.  No torch."""

from __future__ import annotations

import numpy as np


def window_sums(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W) -> (H - height + 1, W - width + 1), float64: the sum over the window that begins at each place.

    By a summed-area table (Crow 1984): four look-ups a window.
    """
    table = np.pad(values.astype(np.float64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    return table[height:, width:] - table[:-height, width:] - table[height:, :-width] + table[:-height, :-width]
