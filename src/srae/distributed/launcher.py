"""Start the processes of a training on this machine, with torchrun's engine, and tell what a launcher told this one."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from srae.errors import ResourceError

if TYPE_CHECKING:
    from torch.distributed.launcher.api import LaunchConfig

Result = TypeVar("Result")
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
    from torch.distributed.launcher.api import elastic_launch

    try:
        elastic_launch(_configure(processes), sys.executable)("-m", "srae", *arguments)
    except SignalException as stop:
        return 128 + int(stop.sigval), ""
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            return 128 - failure.exitcode, f"process {rank} of {processes} was ended by signal {-failure.exitcode}"
        return failure.exitcode, ""
    return 0, ""


def call_in_processes(function: Callable[..., Result], processes: int, *arguments: object) -> Result:
    """What the function, of a module's top, returns for these arguments in the first of so many processes.

    Raises:
        ResourceError: one of them failed.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    try:
        results: dict[int, Result] = elastic_launch(_configure(processes), function)(*arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise ResourceError(f"process {rank} of {processes} failed", str(failure.message).splitlines()[-1]) from None
    return results[0]


def _configure(processes: int) -> LaunchConfig:
    """One machine, no restarts, nothing said by the launcher itself."""
    from torch.distributed.launcher.api import LaunchConfig

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun; more threads than cores are slower by far
    for name in [*logging.root.manager.loggerDict]:  # the processes say what happened
        if name.startswith("torch.distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
    )
