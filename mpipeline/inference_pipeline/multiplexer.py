"""Puts the frames of several sources together: frames and time in, batches and drops out; no clock, no thread.

A batch has at most one frame of each source, in the order of the sources. It is given as soon as every source that can
be expected to bring a frame has brought one, or when the collection's time is over. Not waited for are sources that
have ended, that are away (reconnecting, paused, muted), and live ones that have been silent for a while: a camera that
hangs holds up the others once and briefly, not for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mpipeline.clock import NS_PER_S
from mpipeline.inference_pipeline.events import (
    CAUSE_DROP_LATEST,
    CAUSE_DROP_OLDEST,
    CAUSE_EAGER,
    CAUSE_RATE_LIMIT,
    CAUSE_STALENESS,
)
from mpipeline.inference_pipeline.windows import FixedTimeout, Limiter, Window

Filling = Literal["wait", "drop_oldest", "drop_latest"]

_SILENT_NS = NS_PER_S // 2  # a live source that has brought nothing for so long is not waited for
_SILENT_FRAMES = 4  # or for so many frames of its rate, if that is longer


@dataclass(frozen=True, slots=True)
class Rules:
    """How frames of one source wait. None: by its nature, as a file or as a live stream.

    `filling`: what happens to a frame that finds `capacity` frames waiting; `eager`: only the newest one is taken.
    """

    filling: Filling | None = None
    eager: bool | None = None
    capacity: int = 64


@dataclass(frozen=True, slots=True)
class Item:
    """A frame that waits: whose it is, when it was captured, and what it carries for whoever takes it."""

    source: int
    captured_ns: int
    content: Any = None


@dataclass(slots=True)
class _Lane:
    """What is known of one source."""

    rules: Rules
    live: bool = False
    silent_ns: int = _SILENT_NS
    waiting: deque[Item] = field(default_factory=deque)
    seen_ns: int | None = None
    away: bool = False
    ended: bool = False

    @property
    def eager(self) -> bool:
        return self.live if self.rules.eager is None else self.rules.eager

    @property
    def filling(self) -> Filling:
        return self.rules.filling or ("drop_oldest" if self.live else "wait")


class Multiplexer:
    """Call `offer` as frames come, `begin` when the taker is free again, and `take` until it gives a batch.

    `limit` is the most batches a second. A file's frames wait until the next one is due; of a live source, which does
    not wait, only the newest is kept meanwhile. `max_staleness_ns`: a live frame older than that is dropped.
    """

    def __init__(
        self,
        rules: Sequence[Rules],
        window: Window | None = None,
        limit: float | None = None,
        max_staleness_ns: int | None = None,
    ) -> None:
        self._lanes = [_Lane(one) for one in rules]
        self._window: Window = window if window is not None else FixedTimeout(None)
        self._limiter = Limiter(limit)
        self._max_staleness_ns = max_staleness_ns
        self._dropped: list[tuple[Item, str]] = []

    def describe(self, source: int, live: bool, rate: float) -> None:
        """What an open source is: whether frames come at their own pace, and how many a second (0: unknown)."""
        lane = self._lanes[source]
        lane.live = live
        lane.silent_ns = max(_SILENT_NS, int(_SILENT_FRAMES * NS_PER_S / rate)) if rate > 0 else 4 * _SILENT_NS

    def offer(self, item: Item, now_ns: int) -> None:
        """A frame has come."""
        lane = self._lanes[item.source]
        lane.seen_ns, lane.away = now_ns, False
        if lane.live:
            self._window.arrived(item.source, item.captured_ns, now_ns)
        limited = now_ns < self._limiter.due_ns
        if lane.eager or (lane.live and limited):
            self._drop_all(lane, CAUSE_RATE_LIMIT if limited and lane.live else CAUSE_EAGER)
        elif lane.filling == "drop_oldest" and len(lane.waiting) >= lane.rules.capacity:
            self._dropped.append((lane.waiting.popleft(), CAUSE_DROP_OLDEST))
        elif lane.filling == "drop_latest" and len(lane.waiting) >= lane.rules.capacity:
            self._dropped.append((item, CAUSE_DROP_LATEST))
            return
        lane.waiting.append(item)

    def set_away(self, source: int, away: bool) -> None:
        """Whether no frame can be expected of this source at present."""
        self._lanes[source].away = away

    def end(self, source: int) -> None:
        """No further frame of this source will come."""
        self._lanes[source].ended = True

    @property
    def is_over(self) -> bool:
        """Whether every source has ended and nothing waits."""
        return all(lane.ended and not lane.waiting for lane in self._lanes)

    def begin(self, now_ns: int) -> None:
        """The taker is free: a collection begins."""
        self._window.begin(now_ns)

    def take(self, now_ns: int) -> list[Item] | None:
        """The next batch if it is time, else None."""
        self._drop_stale(now_ns)
        ready = [lane for lane in self._lanes if lane.waiting]
        closes = self._window.closes_ns
        time_is_over = closes is not None and now_ns >= closes
        if not ready:
            if time_is_over:
                self._window.passed(now_ns)
            return None
        if now_ns < self._limiter.due_ns or not (time_is_over or self._complete_ns(now_ns) <= now_ns):
            return None
        self._window.given(now_ns)
        self._limiter.tick(now_ns)
        return [lane.waiting.popleft() for lane in ready]

    def due_ns(self, now_ns: int) -> int | None:
        """When `take` may give a batch although no further frame comes; None: never."""
        if not any(lane.waiting for lane in self._lanes):
            return None
        due = self._complete_ns(now_ns)
        closes = self._window.closes_ns
        due = min(due, closes) if closes is not None else due
        return max(due, self._limiter.due_ns) if due < _NEVER else None

    def dropped(self) -> list[tuple[Item, str]]:
        """The frames that were dropped since the last call, each with the cause."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def clear(self) -> list[Item]:
        """Takes out everything that waits."""
        items = [item for lane in self._lanes for item in lane.waiting]
        for lane in self._lanes:
            lane.waiting.clear()
        return items

    def _complete_ns(self, now_ns: int) -> int:
        """When no source is left that must be waited for: a moment that has passed, one to come, or never."""
        return max((self._awaited_until_ns(lane) for lane in self._lanes), default=now_ns)

    def _awaited_until_ns(self, lane: _Lane) -> int:
        if lane.waiting or lane.ended or lane.away:
            return 0
        if not lane.live or lane.seen_ns is None:
            return _NEVER
        return lane.seen_ns + lane.silent_ns

    def _drop_stale(self, now_ns: int) -> None:
        if self._max_staleness_ns is None:
            return
        for lane in self._lanes:
            while lane.live and lane.waiting and now_ns - lane.waiting[0].captured_ns > self._max_staleness_ns:
                self._dropped.append((lane.waiting.popleft(), CAUSE_STALENESS))

    def _drop_all(self, lane: _Lane, cause: str) -> None:
        self._dropped += [(item, cause) for item in lane.waiting]
        lane.waiting.clear()


_NEVER = 1 << 62  # ns: longer than any machine runs
