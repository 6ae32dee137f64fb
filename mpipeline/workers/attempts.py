"""When to try a source again, and when to give it up."""

from __future__ import annotations

from mpipeline.backoff import Backoff
from mpipeline.clock import NS_PER_S, Clock

_STEADY_NS = 10 * NS_PER_S  # a stream that flowed this long has recovered: back-off starts small again
_FINITE_ATTEMPTS = 5  # tries in a row, without a new frame, after which a finite source has failed for good


class Attempts:
    """Counts attempts to connect. A live source is tried for ever, a finite one as long as it brings new frames."""

    def __init__(self, backoff: Backoff, clock: Clock) -> None:
        self._backoff = backoff
        self._clock = clock
        self._next_ns = 0
        self._connected_ns = 0
        self._fruitless = 0

    def wait_s(self) -> float:
        """Seconds until the next attempt is due; 0 if it is."""
        return max(0.0, (self._next_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def connected(self) -> None:
        """An attempt has succeeded."""
        self._connected_ns = self._clock.monotonic_ns()

    def failed(self, *, finite: bool, progress: bool, refused: bool = False) -> float | None:
        """An attempt has failed, or the stream broke. The pause in seconds before the next one, None to give up.

        `progress`: there were new frames since the last failure. `refused`: the password was; cameras lock an account
        after a few tries, so these come seldom from the first.
        """
        self._fruitless = 1 if progress else self._fruitless + 1
        if finite and self._fruitless >= _FINITE_ATTEMPTS:
            return None
        now = self._clock.monotonic_ns()
        if self._connected_ns and now - self._connected_ns > _STEADY_NS:
            self._backoff.reset()
        self._connected_ns = 0
        pause = self._backoff.longest() if refused else self._backoff.next()
        self._next_ns = now + int(pause * NS_PER_S)
        return pause
