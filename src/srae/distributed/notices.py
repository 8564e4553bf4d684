"""What the processes of a training tell each other beside the arithmetic: that they are there, and why they fail.

Through the store of the launcher, which answers also while a process computes, or after one is gone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from torch.distributed import Store  # type: ignore[attr-defined]

from srae.errors import PeerError, SraeError

CONNECT = timedelta(seconds=60)
"""A process that cannot reach the others, or one that never comes, is reported after this time."""
_POLL = 0.02  # seconds


class Notices:
    """Notices of this attempt of the launcher; process `rank` of `size`."""

    def __init__(self, store: Store, rank: int, size: int, *, attempts: Store) -> None:
        self._store, self._rank, self._size, self._attempts = store, rank, size, attempts

    def remember(self, key: str, text: str) -> None:
        """For later attempts of this launcher, after `--max-restarts`."""
        with _launcher():
            self._attempts.set(key, text)

    def recall(self, key: str) -> str | None:
        """What an earlier attempt remembered."""
        with _launcher():
            return self._attempts.get(key).decode() if self._attempts.check([key]) else None

    def put(self, key: str, text: str) -> None:
        with _launcher():
            self._store.set(key, text)

    def get(self, key: str, timeout: timedelta) -> str:
        """What a process has put there, once it has.

        Raises:
            PeerError: nothing came in time, or a process published its failure instead.
        """
        if not self._wait([key], timeout):
            raise PeerError(f"no process told its {key} within {timeout}", self._name(), "see what the others say")
        return self._read(key)

    def meet(self, point: str, text: str, timeout: timedelta) -> list[str]:
        """The texts of all processes, by rank, once all have come to this point; raises as `get` does."""
        keys = [f"{point}/{rank}" for rank in range(self._size)]
        self.put(keys[self._rank], text)
        if not self._wait(keys, timeout):
            missing = [str(rank) for rank, key in enumerate(keys) if not self.has(key)]
            raise PeerError(
                f"process {', '.join(missing)} of {self._size} did not answer within {timeout}",
                self._name(),
                "see whether it runs, and whether its machine can reach this one",
            )
        return [self._read(key) for key in keys]

    def publish(self, error: BaseException) -> None:
        """Tell the others why this process ends; the first failure is kept."""
        code, parts = PeerError.exit_code, [f"{self._name()} failed: {type(error).__name__}: {error}".splitlines()[0]]
        if isinstance(error, SraeError):
            where = ", ".join(filter(None, (error.where, self._name() if self._rank else "")))
            code, parts = error.exit_code, [error.what, where, error.remedy or ""]
        with suppress(PeerError), _launcher():
            self._store.compare_set("failure", "", json.dumps([code, *parts]))

    def failure(self, patience: float = 0.0) -> PeerError | None:
        """The failure that a process published, with its exit code; waits for one so many seconds."""
        until = time.monotonic() + patience
        while not self.has("failure"):
            if time.monotonic() >= until:
                return None
            time.sleep(_POLL)
        code, *parts = json.loads(self._read("failure"))
        error = PeerError(*parts)
        error.exit_code = code
        return error

    def _wait(self, keys: Sequence[str], timeout: timedelta) -> bool:
        """Whether all keys have come; polls, because a failure may come instead."""
        until = time.monotonic() + timeout.total_seconds()
        while not all(self.has(key) for key in keys):
            if failure := self.failure():
                raise failure
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL)
        return True

    def has(self, key: str) -> bool:
        with _launcher():
            return self._store.check([key])

    def _read(self, key: str) -> str:
        with _launcher():
            return self._store.get(key).decode()

    def _name(self) -> str:
        return f"process {self._rank} of {self._size}"


@contextmanager
def _launcher() -> Iterator[None]:
    """Context for questions to the store, which ends with the launcher."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise PeerError("the launcher of this training is gone", reason, "start it again with --resume") from None
