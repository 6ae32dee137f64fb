"""How long a collection waits for more sources, and how often a batch may be given."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from mpipeline.clock import NS_PER_MS, NS_PER_S

_ARRIVALS = 64  # of each live source, from which its period is estimated
_ENOUGH_ARRIVALS = 16
_FRESH_NS = 2 * NS_PER_S  # a source that was not seen for so long has no period
_SMOOTHING = 0.2
_FIRST_NS = 100 * NS_PER_MS
_SHORTEST_NS = 2 * NS_PER_MS
_LONGEST_NS = 100 * NS_PER_MS
_LONGEST_BLIND_NS = 30 * NS_PER_MS  # where no period is known
_SLOWEST = 0.01  # batches a second


class Window(Protocol):
    """Until when a collection waits: `closes_ns`, None without a limit."""

    closes_ns: int | None

    def begin(self, now_ns: int) -> None:
        """The taker is free and a collection begins."""

    def given(self, now_ns: int) -> None:
        """The collection has given a batch."""

    def passed(self, now_ns: int) -> None:
        """The window has closed with nothing in it: the next one opens."""

    def arrived(self, source: int, captured_ns: int, now_ns: int) -> None:
        """A frame of a live source has come."""


class FixedTimeout:
    """So long after the batch before was given; the taker's own work is part of it. None: without a limit."""

    def __init__(self, timeout_s: float | None) -> None:
        self.closes_ns: int | None = None
        self._timeout_ns = None if timeout_s is None else int(timeout_s * NS_PER_S)

    def begin(self, now_ns: int) -> None:
        """The first collection starts the clock."""
        if self.closes_ns is None:
            self.given(now_ns)

    def given(self, now_ns: int) -> None:
        """The next one has its time from here."""
        self.closes_ns = None if self._timeout_ns is None else now_ns + self._timeout_ns

    def passed(self, now_ns: int) -> None:
        """As after a batch."""
        self.given(now_ns)

    def arrived(self, source: int, captured_ns: int, now_ns: int) -> None:
        """Means nothing here."""


class SelfTuned:
    """What the sources' own period leaves beside the taker's work, so that a batch has a frame of each.

    The work is averaged exponentially. The period is that of the fastest live source, count over span of its latest
    captures. Where none is known, a fifth of the work is waited. The window opens when a collection begins.
    """

    def __init__(self) -> None:
        self.closes_ns: int | None = None
        self._work_ns = 0.0
        self._given_ns: int | None = None
        self._has_begun = False
        self._arrivals: dict[int, deque[int]] = {}
        self._seen_ns: dict[int, int] = {}

    def begin(self, now_ns: int) -> None:
        """Learns from the work since the last batch; opens the window."""
        if self._given_ns is not None:
            work = now_ns - self._given_ns
            self._work_ns = work if not self._work_ns else (1 - _SMOOTHING) * self._work_ns + _SMOOTHING * work
        self.closes_ns = now_ns + (self._length_ns(now_ns) if self._has_begun else _FIRST_NS)
        self._has_begun, self._given_ns = True, None

    def given(self, now_ns: int) -> None:
        """The taker works from here on."""
        self._given_ns = now_ns
        self.closes_ns = None

    def passed(self, now_ns: int) -> None:
        """Opens again at once."""
        self.closes_ns = now_ns + self._length_ns(now_ns)

    def arrived(self, source: int, captured_ns: int, now_ns: int) -> None:
        """Notes the capture."""
        self._arrivals.setdefault(source, deque(maxlen=_ARRIVALS)).append(captured_ns)
        self._seen_ns[source] = now_ns

    def _length_ns(self, now_ns: int) -> int:
        periods = [
            (captures[-1] - captures[0]) / (len(captures) - 1)
            for source, captures in self._arrivals.items()
            if len(captures) >= _ENOUGH_ARRIVALS and now_ns - self._seen_ns[source] <= _FRESH_NS
        ]
        if periods:
            return int(min(max(min(periods) - self._work_ns, _SHORTEST_NS), _LONGEST_NS))
        return int(min(max(_SMOOTHING * self._work_ns, _SHORTEST_NS), _LONGEST_BLIND_NS))


class Limiter:
    """At most `rate` batches a second (None: as many as come), right on average.

    One that is a little late does not delay the next; after a longer pause there is no burst.
    """

    def __init__(self, rate: float | None) -> None:
        self.due_ns = 0
        self._period_ns = 0 if rate is None else int(NS_PER_S / max(rate, _SLOWEST))

    def tick(self, now_ns: int) -> None:
        """A batch was given."""
        if self._period_ns:
            is_late = now_ns - self.due_ns >= self._period_ns
            self.due_ns = (now_ns if is_late else self.due_ns) + self._period_ns
