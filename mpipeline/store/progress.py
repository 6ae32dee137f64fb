"""Who is told how far a download has come: by default the log, every few seconds."""

from __future__ import annotations

import logging
from typing import Protocol

from mpipeline.clock import NS_PER_S, Clock, SystemClock

logger = logging.getLogger("mpipeline.store")

_LINE_NS = 5 * NS_PER_S
_MIB = 1 << 20


class Progress(Protocol):
    """Is told of one file after the other."""

    def begin(self, label: str, total: int | None, done: int) -> None:
        """A file is being fetched, of `total` bytes if that is known; `done` of them are here already."""

    def advance(self, count: int) -> None:
        """So many bytes more."""

    def end(self) -> None:
        """The file is complete, or was given up."""


class LoggedProgress:
    """A line when a large file begins, and every few seconds while it lasts."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._label, self._total, self._done, self._next_ns = "", 0, 0, 0

    def begin(self, label: str, total: int | None, done: int) -> None:
        """As in Progress."""
        self._label, self._total, self._done = label, total or 0, done
        self._next_ns = self._clock.monotonic_ns() + _LINE_NS
        if self._total >= _MIB:
            resumed = f", {done / _MIB:.1f} of them are here already" if done else ""
            fields = {"event": "download_started", "file": label, "bytes": self._total}
            logger.info("fetching %s, %.1f MiB%s", label, self._total / _MIB, resumed, extra=fields)

    def advance(self, count: int) -> None:
        """As in Progress."""
        self._done += count
        now = self._clock.monotonic_ns()
        if now >= self._next_ns:
            self._next_ns = now + _LINE_NS
            share = f", {100 * self._done // self._total}%" if self._total else ""
            fields = {"event": "download_progress", "file": self._label, "bytes": self._done}
            logger.info("%s: %.1f MiB%s", self._label, self._done / _MIB, share, extra=fields)

    def end(self) -> None:
        """As in Progress."""
