"""A part of a study for each of several machines: `--shard k/N` takes every N-th run of the plan."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from srae.errors import ConfigError

INDEX = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "PBS_ARRAY_INDEX", "SGE_TASK_ID", "AWS_BATCH_JOB_ARRAY_INDEX")
"""Where launchers say which of the tasks this is: Slurm, indexed Kubernetes jobs, PBS, Grid Engine, AWS Batch."""
T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """One of `count` parts; `index` from 0."""

    index: int
    count: int

    def of(self, items: Sequence[T]) -> list[T]:
        return list(items[self.index :: self.count])


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """``2/3``, or ``/3`` with the index from the environment of an array launcher.

    Launchers count from 0 or from 1: N and 0 are the same shard, so 0 to N-1 and 1 to N are the same N shards.

    Raises:
        ConfigError: it is something else, or no launcher says which.
    """
    index, slash, count = text.partition("/")
    place, remedy = f"--shard {text}", "for example --shard 2/3; with --shard /3 the index comes from the launcher"
    if not slash or not count.isdecimal() or int(count) < 1:
        raise ConfigError("a shard is k/N, N at least 1", place, remedy)
    if not index:
        name = next((name for name in INDEX if environment.get(name, "").isdecimal()), None)
        if name is None:
            raise ConfigError("nothing says which of the shards this is", place, f"set one of {', '.join(INDEX)}")
        index, place = environment[name], f"{place}, {name}={environment[name]}"
    if not index.isdecimal() or int(index) > int(count):
        raise ConfigError(f"there is no shard {index} of {count}", place, "k is from 0 to N-1, or from 1 to N")
    return Shard(int(index) % int(count), int(count))
