"""Which GPUs the trainings of a study get: one each, in turn.  No torch: the driver's own program is asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

VISIBLE = "CUDA_VISIBLE_DEVICES"


def list_gpus(device: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What `CUDA_VISIBLE_DEVICES` may hold, an entry per GPU; empty without any, or where `device` names one."""
    if device not in ("auto", "cuda"):
        return []
    if VISIBLE in environment:  # what a batch system has granted
        return [
            name.strip() for name in environment[VISIBLE].split(",") if name.strip() not in ("", "-1", "NoDevFiles")
        ]
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.startswith("GPU-")] if not done.returncode else []


def deal_gpus(gpus: list[str], jobs: int, processes: int = 1) -> list[dict[str, str]]:
    """Environment of each of `jobs` trainings at a time: GPUs in turn, one for every process; trainings may share them.

    With one GPU there is nothing to choose.
    """
    if len(gpus) < 2:
        return [{} for _ in range(jobs)]
    return [
        {VISIBLE: ",".join(gpus[(job * processes + k) % len(gpus)] for k in range(min(processes, len(gpus))))}
        for job in range(jobs)
    ]
