"""Try the engine: what one exchange between processes of this machine costs, and whether its sum is right."""

from __future__ import annotations

import time
from statistics import median

import torch

from srae.distributed.join import joined
from srae.distributed.launcher import call_in_processes

FLOATS = 2**18
"""Numbers of a vector, 1 MiB: the gradients of a network of a quarter of a million parameters."""


def time_exchange(processes: int) -> tuple[str, float]:
    """Kind of device ("cpu" or "cuda") and seconds of one `Peers.add` of 1 MiB, the median of a few.

    Raises:
        ResourceError: the processes cannot be started, do not find each other, or add wrongly.
    """
    kind, seconds = call_in_processes(_exchange, processes)
    return kind, seconds


def _exchange() -> tuple[str, float]:
    with joined("auto") as (peers, device):
        times = []
        for _ in range(7):
            vector = torch.full((FLOATS,), float(peers.rank), device=device)
            began = time.perf_counter()
            total = peers.add(vector).sum().item()
            times.append(time.perf_counter() - began)
            assert total == FLOATS * peers.size * (peers.size - 1) / 2
        return device.type, median(times)
