"""Graceful stop: SIGTERM and Ctrl-C set a flag, and the loop stops after its current step."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """The graceful stop flag; the first signal sets it, a second Ctrl-C stops at once."""

    signal_number = 0

    def wanted(self) -> bool:
        return self.signal_number != 0

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.wanted() and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = number


@contextmanager
def catch_signals() -> Iterator[StopRequest]:
    """Within the block SIGINT and SIGTERM only set the request; outside the main thread nothing is caught."""
    request, before = StopRequest(), {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, request._receive)
    except ValueError:  # not the main thread
        pass
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
