"""Sums over windows."""

from __future__ import annotations

import numpy as np
import pytest

from srae.images.windows import window_sums


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2), (7, 9)])
def test_every_window_is_summed(height: int, width: int) -> None:
    values = np.random.default_rng(0).random((7, 9), np.float32)
    sums = window_sums(values, height, width)
    by_hand = [
        [values[y : y + height, x : x + width].sum(dtype=float) for x in range(10 - width)] for y in range(8 - height)
    ]
    assert sums.dtype == np.float64
    np.testing.assert_allclose(sums, by_hand, atol=1e-12)
