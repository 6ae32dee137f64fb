"""Time, as a value that is passed in, so that tests need no sleep."""

from __future__ import annotations

import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Where a loop reads the time. All deadlines are monotonic nanoseconds."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of CLOCK_MONOTONIC: comparable between the processes of one machine, never set back."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC. For people and records, never for intervals."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clocks."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that a test moves by hand; `sleep` moves it too."""

    def __init__(self, start_ns: int = NS_PER_S) -> None:
        self.now_ns = start_ns
        self.wall_offset_ns = 1_700_000_000 * NS_PER_S

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns + self.wall_offset_ns

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS_PER_S)
