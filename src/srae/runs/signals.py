"""Graceful stop: SIGTERM, Ctrl-C and a lost terminal set a flag, and the loop stops after its current step."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """The graceful stop flag; the first signal sets it, a second Ctrl-C stops at once.

    A process that is one of several stops when all of them have agreed, at the same step.
    """

    def __init__(self, *, alone: bool = True) -> None:
        self.received = 0
        """The signal that this process got; 0 for none."""
        self.signal_number = 0
        """The signal to stop for."""
        self._alone = alone

    def wanted(self) -> bool:
        return self.signal_number != 0

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
        if self._alone:
            self.signal_number = number


def stop_signals() -> list[int]:
    """Those of this system; a hang-up that is ignored, as under nohup, stays ignored."""
    numbers: list[int] = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        numbers.append(hangup)
    return numbers


@contextmanager
def catch_signals(*, alone: bool = True) -> Iterator[StopRequest]:
    """Within the block SIGINT, SIGTERM and SIGHUP only set the request; outside the main thread nothing is caught."""
    request, before = StopRequest(alone=alone), {}
    try:
        for number in stop_signals():
            before[number] = signal.signal(number, request._receive)
    except ValueError:  # not the main thread
        pass
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
