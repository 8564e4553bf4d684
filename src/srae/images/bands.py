"""Process a large image in bands of rows: by a few threads, with results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

BYTES = 2**21
_THREADS = min(4, os.cpu_count() or 1)

Item = TypeVar("Item")
Result = TypeVar("Result")


def bands(pixels: np.ndarray) -> Iterator[slice]:
    """Rows of (H, W, C), about two megabytes at a time."""
    step = max(1, BYTES // max(1, pixels[:1].nbytes))
    return (slice(top, min(top + step, len(pixels))) for top in range(0, len(pixels), step))


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """As `map`, by several threads that work at most a few items ahead of the caller."""
    ahead: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > _THREADS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
