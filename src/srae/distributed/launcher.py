"""Start the processes of a training on this machine, with torchrun's engine, and tell what a launcher told this one."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Sequence

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What every launcher of `env://` sets."""


def launched_rank() -> int | None:
    """The rank that a launcher gave this process; None without one."""
    return int(os.environ["RANK"]) if all(name in os.environ for name in VARIABLES) else None


def launch(arguments: Sequence[str], processes: int) -> tuple[int, str]:
    """Run ``srae ARGUMENTS`` in so many processes, as `torchrun --standalone` does.

    Returns:
        The exit code, which torchrun would turn into 1, and a line about a process that ended without a word, or "".
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun; more threads than cores are slower by far
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the processes say what happened
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "srae", *arguments)
    except SignalException as stop:
        return 128 + int(stop.sigval), ""
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            return 128 - failure.exitcode, f"process {rank} of {processes} was ended by signal {-failure.exitcode}"
        return failure.exitcode, ""
    return 0, ""
