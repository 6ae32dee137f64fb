"""When to try a source again, and when to give it up."""

from __future__ import annotations

from mpipeline.backoff import Backoff
from mpipeline.clock import NS_PER_S, Clock

_STEADY_NS = 10 * NS_PER_S  # a stream that flowed this long has recovered: back-off starts small again
_SHORTEST_LIMIT_S = 1.0
_FINITE_ATTEMPTS = 5  # tries in a row, without a new frame, after which a finite source has failed for good


class Attempts:
    """Counts attempts to connect. A live source is tried for ever, a finite one as long as it brings new frames.

    No pause is longer than the trouble has lasted so far (or a second): the draw of a few small pauses and a large one
    would else leave a camera alone for half a minute that was away for six seconds.

    `is_failing`: the last attempt failed, or its stream broke before it had flowed steadily.
    """

    def __init__(self, backoff: Backoff, clock: Clock) -> None:
        self.is_failing = False
        self._backoff = backoff
        self._clock = clock
        self._next_ns = 0
        self._connected_ns = 0
        self._since_ns = clock.monotonic_ns()  # when the trouble began
        self._fruitless = 0

    def wait_s(self) -> float:
        """Seconds until the next attempt is due; 0 if it is."""
        return max(0.0, (self._next_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def connected(self) -> None:
        """An attempt has succeeded: the first frame has come."""
        self._connected_ns = self._clock.monotonic_ns()

    def failed(self, *, finite: bool, progress: bool, seldom: bool = False) -> float | None:
        """An attempt has failed, or the stream broke. The pause in seconds before the next one, None to give up.

        `progress`: there were new frames since the last failure. `seldom`: trying often does harm or no good, so the
        longest pauses are taken from the first.
        """
        self._fruitless = 1 if progress else self._fruitless + 1
        if finite and self._fruitless >= _FINITE_ATTEMPTS:
            return None
        now = self._clock.monotonic_ns()
        self.is_failing = not (self._connected_ns and now - self._connected_ns > _STEADY_NS)
        if not self.is_failing:
            self._backoff.reset()
            self._since_ns = now
        self._connected_ns = 0
        limit_s = max(_SHORTEST_LIMIT_S, (now - self._since_ns) / NS_PER_S)
        pause = self._backoff.longest() if seldom else self._backoff.next(at_most=limit_s)
        self._next_ns = now + int(pause * NS_PER_S)
        return pause
