"""Builds batches: frames and time in, batches and a deadline out; no clock, no I/O.

Fairness: the source that was served least recently comes first, so a batch takes one frame of each source before it
takes a second one of any, nobody is always first, and of an overloaded engine every source gets the same share.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mpipeline.frame import FrameRef

SUPERSEDED = "superseded"  # a newer frame of the same live source came while this one waited
STALE = "stale"  # older than the staleness budget
_CALM_BATCHES = 32  # batches without a loss before live sources are asked to wait for one second frame more


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame that waits to be inferred: whose it is, where its pixels lie, and when it was captured."""

    source: str
    ref: FrameRef
    frame_id: int
    captured_ns: int


@dataclass(frozen=True, slots=True)
class Batch:
    """`items` are to be inferred together; `dropped` are to be given back, each with the reason.

    `items` is empty if there are only drops to tell.
    """

    items: list[Waiting]
    dropped: list[tuple[Waiting, str]]


@dataclass(slots=True)
class _Queue:
    """What waits of one source, oldest first. `since_ns`: since when the source has been waiting to be served."""

    live: bool
    frames: deque[tuple[int, Waiting]] = field(default_factory=deque)
    since_ns: int = 0
    newest_id: int = 0
    newest_captured_ns: int | None = None
    interval_ns: int | None = None
    lost: bool = False


class Batcher:
    """Collects waiting frames and says when, and with which of them, the engine should go.

    A batch is due when it is full, when no further frame could make it bigger, when the source that waits longest has
    waited `max_wait_ns`; with `max_wait_ns` 0 at once. A live frame waits no longer than half of its `staleness_ns` and
    half of its source's frame interval, so that an idle engine never loses a frame by waiting for a bigger batch.

    A live source (delivery `latest`) has at most one frame waiting, the newest; what it replaces is dropped as
    "superseded", and what is older than `staleness_ns` when a batch is built as "stale". Other sources (delivery
    `every_frame`) lose nothing and stay in order.

    Second frames of a source make batches more efficient, but live sources lose frames while a bigger batch runs.
    Beside live sources they are therefore allowed only as far as that has cost no live source a frame: one more after
    every 32 batches without such a loss, none after a loss. Without live sources batches are filled; there a source
    whose ring holds fewer frames than its part of a batch gets less than the others.
    """

    def __init__(self, max_size: int, max_wait_ns: int, staleness_ns: int | None = None) -> None:
        if max_size < 1 or max_wait_ns < 0:
            raise ValueError(f"max_size {max_size} must be at least 1 and max_wait_ns {max_wait_ns} not negative")
        self._max_size = max_size
        self._max_wait_ns = max_wait_ns
        self._staleness_ns = staleness_ns
        self._queues: dict[str, _Queue] = {}  # in the order in which they are served next
        self._dropped: list[tuple[Waiting, str]] = []
        self._seconds_allowed = 0
        self._calm = 0

    def add_source(self, source: str, live: bool) -> None:
        """Takes frames of `source` from now on; `live` is true for delivery `latest`."""
        if source in self._queues:
            raise ValueError(f"source {source!r} was added before")
        self._queues[source] = _Queue(live)

    def forget(self, source: str) -> list[Waiting]:
        """Takes `source` out; returns what still waited of it, to be given back by the caller."""
        queue = self._queues.pop(source, None)
        return [item for _, item in queue.frames] if queue is not None else []

    @property
    def is_live(self) -> bool:
        """Whether any source is live."""
        return any(queue.live for queue in self._queues.values())

    def waiting(self, source: str) -> int:
        """How many frames of `source` wait."""
        queue = self._queues.get(source)
        return len(queue.frames) if queue is not None else 0

    def offer(self, item: Waiting, now_ns: int) -> bool:
        """Lets `item` wait from `now_ns` on. Drops that this causes are told by the next `take`.

        False, and nothing done, if its id is not above all earlier ones of the source: announcements may come twice,
        and a lower id never goes after a higher.
        """
        queue = self._queues[item.source]
        if item.frame_id <= queue.newest_id:
            return False
        queue.newest_id = item.frame_id
        if queue.newest_captured_ns is not None:
            queue.interval_ns = max(0, item.captured_ns - queue.newest_captured_ns)
        queue.newest_captured_ns = item.captured_ns
        if not queue.frames:
            queue.since_ns = now_ns
        elif queue.live:  # the newcomer inherits `since_ns`, or a fast source would put off its own deadline for ever
            self._drop(queue, SUPERSEDED)
        queue.frames.append((now_ns, item))
        return True

    def deadline(self) -> int | None:
        """When `take` would give a batch without further frames, monotonic ns (maybe past); None if nothing waits."""
        queues = [queue for queue in self._queues.values() if queue.frames]
        if not queues:
            return None
        if self._max_wait_ns == 0 or self._cannot_grow(len(queues)):
            return min(queue.since_ns for queue in queues)
        return min(self._latest_start(queue) for queue in queues)

    def _latest_start(self, queue: _Queue) -> int:
        limits = [queue.since_ns + self._max_wait_ns]
        if queue.live and queue.interval_ns is not None:
            limits.append(queue.since_ns + queue.interval_ns // 2)
        if queue.live and self._staleness_ns is not None:
            limits.append(queue.frames[0][1].captured_ns + self._staleness_ns // 2)
        return min(limits)

    def take(self, now_ns: int) -> Batch | None:
        """The batch that is due at `now_ns`, with all drops since the last one; None if there is neither."""
        self._drop_stale(now_ns)
        due = self.deadline()
        items = self._next_items() if due is not None and due <= now_ns else []
        dropped, self._dropped = self._dropped, []
        return Batch(items, dropped) if items or dropped else None

    def _next_items(self) -> list[Waiting]:
        self._learn_from_losses()
        size = self._size_allowed(sum(1 for queue in self._queues.values() if queue.frames))
        items: list[Waiting] = []
        while len(items) < size:
            source = next((name for name, queue in self._queues.items() if queue.frames), None)
            if source is None:
                break
            queue = self._queues.pop(source)
            self._queues[source] = queue  # served last, so it comes last
            items.append(queue.frames.popleft()[1])
            if queue.frames:
                queue.since_ns = queue.frames[0][0]
        return items

    def _size_allowed(self, sources_waiting: int) -> int:
        """How many frames a batch may take now, if as many are there."""
        if self.is_live:
            return min(self._max_size, sources_waiting + self._seconds_allowed)
        return self._max_size

    def _cannot_grow(self, sources_waiting: int) -> bool:
        waiting = sum(len(queue.frames) for queue in self._queues.values())
        if waiting >= self._max_size:
            return True
        if not all(queue.frames for queue in self._queues.values()):
            return False  # a source that has nothing waiting may still bring a frame
        room = self._size_allowed(sources_waiting) - waiting
        return room <= 0 or all(queue.live for queue in self._queues.values())

    def _learn_from_losses(self) -> None:
        lost = any(queue.lost for queue in self._queues.values())
        for queue in self._queues.values():
            queue.lost = False
        self._calm = 0 if lost else self._calm + 1
        if lost:
            self._seconds_allowed = 0
        elif self._calm % _CALM_BATCHES == 0:
            self._seconds_allowed = min(self._seconds_allowed + 1, self._max_size)

    def _drop_stale(self, now_ns: int) -> None:
        if self._staleness_ns is None:
            return
        for queue in self._queues.values():
            if queue.live and queue.frames and now_ns - queue.frames[0][1].captured_ns > self._staleness_ns:
                self._drop(queue, STALE)

    def _drop(self, queue: _Queue, reason: str) -> None:
        self._dropped.append((queue.frames.popleft()[1], reason))
        queue.lost = True
