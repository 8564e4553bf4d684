"""The processes of one training, and sums over them that do not depend on how many there are.

Process r of W holds the r-th part of every batch.  W is a power of two, and the vectors of the parts are added along a
balanced binary tree: in each round two processes exchange their vectors and both add them (a + b = b + a to the bit).
An all-reduce of all at once adds in another order for every number of processes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load, save
from torch import Tensor
from torch.distributed import Store  # type: ignore[attr-defined]

from srae.distributed.notices import Notices
from srae.errors import ConfigError, PeerError

ANSWER = timedelta(minutes=10)
"""How long a process waits for another one in the middle of a training: a checkpoint may be on its way to a slow disk.
One that died is noticed at once."""
PREPARE = timedelta(hours=1)
"""The same before the first step: one machine may decode images that another one has decoded before."""


class Peers:
    """The processes of one training, of which this one is `rank` of `size`; `ALONE` where there is only one."""

    def __init__(self, rank: int = 0, size: int = 1, *, notices: Notices | None = None) -> None:
        self.rank, self.size, self.notices = rank, size, notices
        self.machines: list[dict[str, Any]] = []
        """Host, device, versions and threads of each process, by rank; empty without a launcher."""
        self._device = torch.device("cpu")
        self._connected = False
        self._parent = os.getppid()

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder and speaks."""
        return self.rank == 0

    @property
    def exchanges(self) -> bool:
        """Whether sums leave this process."""
        return self._connected

    @property
    def deal(self) -> tuple[int, int]:
        """(k, m): of work that is dealt in turn this process gets the pieces k, k + m, k + 2 m, ..."""
        return (self.rank, self.size) if self._connected else (0, 1)

    def apart(self) -> Peers:
        """The same share of the work without any exchange, for trials that processes make at their own pace."""
        return Peers(self.rank, self.size)

    def has_launcher(self) -> bool:
        """False once the launcher has ended, which leaves its processes to themselves; without one a parent may end."""
        return self.notices is None or os.getppid() == self._parent

    def connect(self, device: torch.device, store: Store, timeout: timedelta) -> None:
        """Open the connections between the processes.

        Raises:
            PeerError: one cannot be reached.
        """
        backend = "nccl" if device.type == "cuda" else "gloo"
        try:
            dist.init_process_group(backend, store=store, rank=self.rank, world_size=self.size, timeout=timeout)
        except RuntimeError as error:
            raise self._why(error) from None
        self._device, self._connected = device, True
        self.meet(timeout)  # NCCL connects with the first use

    def disconnect(self) -> None:
        if self._connected:
            self._connected = False
            with suppress(RuntimeError):
                dist.destroy_process_group()

    def add(self, vector: Tensor, timeout: timedelta = ANSWER) -> Tensor:
        """The sum of the vectors of all processes, in place: bit-identical on each of them, however many they are.

        Raises:
            PeerError: another process has ended, or does not answer in time; with the exit code of what it met.
        """
        theirs = torch.empty_like(vector)
        for other in self._partners():
            self._swap([dist.P2POp(dist.isend, vector, other), dist.P2POp(dist.irecv, theirs, other)], timeout)
            vector += theirs
        return vector

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, on the CPU; raises as `add` does."""
        return self.add(values.to(self._device)).cpu() if self._connected else values

    def meet(self, timeout: timedelta) -> None:
        """Wait until all processes have come here; raises as `add` does."""
        self.add(torch.zeros(1, device=self._device), timeout)

    def broadcast(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the first process, on the CPU; what the others give does not count.  Raises as `add` does."""
        if not self._connected:
            return dict(tensors)
        # As bytes of safetensors: whatever names, shapes and types the first one has.
        packed = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}) if self.is_first else b""
        size = int(self.total(torch.tensor(len(packed), dtype=torch.int64)))
        content = torch.empty(size, dtype=torch.uint8, device=self._device)
        if self.is_first:
            content.copy_(torch.frombuffer(bytearray(packed), dtype=torch.uint8))
        for other in self._partners():  # in round k the first 2**k processes have it, and send it to as many
            distance = abs(other - self.rank)
            if self.rank < distance:
                self._swap([dist.P2POp(dist.isend, content, other)], ANSWER)
            elif self.rank < 2 * distance:
                self._swap([dist.P2POp(dist.irecv, content, other)], ANSWER)
        return load(content.cpu().numpy().tobytes())

    def _partners(self) -> list[int]:
        """The other process of each round."""
        return [self.rank ^ 2**k for k in range(self.size.bit_length() - 1)] if self._connected else []

    def _swap(self, operations: list[dist.P2POp], timeout: timedelta) -> None:
        try:
            for work in dist.batch_isend_irecv(operations):
                work.wait(timeout)
        except RuntimeError as error:
            raise self._why(error) from None

    def _why(self, error: RuntimeError) -> PeerError:
        """What a broken connection means: the failure that another process published, or its silent end."""
        # A process publishes its failure before it closes its connections; one that was killed publishes nothing.
        with suppress(PeerError):
            if self.notices is not None and (failure := self.notices.failure(patience=1.0)):
                return failure
        reason = re.sub(r"^\[[^]]*\] ", "", str(error).splitlines()[0]).partition(". ")[0]  # without torch's own line
        return PeerError("another process of this training has ended", reason, "resume the run")


ALONE = Peers()


def check_size(size: int, shards: int) -> None:
    """Raises: ConfigError: so many processes cannot share the shards of a batch."""
    if shards % size == 0 and size & (size - 1) == 0:
        return
    fitting = ", ".join(str(2**k) for k in range(shards.bit_length()))
    more = 1 << (size - 1).bit_length()
    raise ConfigError(
        f"{size} processes cannot share {shards} shard{'s' * (shards > 1)}; with these: {fitting}",
        "train.shards",
        f"the result depends on the shards, not on the processes: --set train.shards={more}",
    )
