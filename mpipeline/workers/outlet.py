"""One sink as the inference worker sees it: what waits for it, what it has been sent, what it has acknowledged.

Deliveries go out only as far as the sink's credit reaches. A delivery that the sink must get (`required`: its source is
under `every_frame` and the sink's overflow policy is `block`) is kept until it is acknowledged and sent again in every
new session; the slots of such frames are not given back before, so the ring bounds their number. All others wait in a
bounded queue, and the overflow policy says which one goes when it is full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mpipeline.frame import FrameRef
from mpipeline.messages import SinkAdded, SinkStatus


@dataclass(frozen=True, slots=True)
class Delivery:
    """One encoded message for one sink. `ref` names the pixels that were promised with it, if any."""

    source: str
    frame_id: int
    data: bytes
    required: bool
    ref: FrameRef | None = None


@dataclass
class Outlet:
    """Queue, session and credit of one sink."""

    spec: SinkAdded
    session: int = 0
    identity: str = ""
    waiting: deque[Delivery] = field(default_factory=deque)
    unacknowledged: deque[Delivery] = field(default_factory=deque)
    _sent: int = 0
    _processed: int = 0
    _capacity: int = 0
    _droppable: int = 0

    def requires(self, every_frame: bool) -> bool:
        """Whether frames of such a source must reach this sink."""
        return every_frame and self.spec.overflow_every_frame == "block"

    def offer(self, delivery: Delivery, every_frame: bool) -> Delivery | None:
        """Queues a delivery; returns the one that had to go for it, if any."""
        dropped = None
        if not delivery.required:
            if self._droppable >= self.spec.queue:
                policy = self.spec.overflow_every_frame if every_frame else self.spec.overflow_latest
                if policy == "drop_newest":
                    return delivery
                dropped = self._drop_oldest()
            self._droppable += 1
        self.waiting.append(delivery)
        return dropped

    def open_session(self, session: int, identity: str) -> None:
        """The sink is new, or has lost touch: everything required that it has not acknowledged goes out again."""
        self.session, self.identity = session, identity
        self._sent = self._processed = self._capacity = 0
        self.waiting.extendleft(reversed(self.unacknowledged))
        self.unacknowledged.clear()

    def update(self, status: SinkStatus) -> list[Delivery]:
        """Takes credit and acknowledgements; returns the required deliveries that are now done."""
        self._processed = max(self._processed, min(status.processed, self._sent))
        self._capacity = max(0, status.capacity)
        done = [d for d in self.unacknowledged if d.frame_id <= status.acknowledged.get(d.source, 0)]
        if done:
            finished = {id(d) for d in done}
            self.unacknowledged = deque(d for d in self.unacknowledged if id(d) not in finished)
        return done

    def send(self, deliver: Callable[[str, bytes], bool]) -> int:
        """Sends as much as the credit allows; returns how many."""
        count = 0
        while self.session and self.waiting and self._sent - self._processed < self._capacity:
            delivery = self.waiting[0]
            if not deliver(self.identity, delivery.data):
                break
            self.waiting.popleft()
            self._sent += 1
            count += 1
            if delivery.required:
                self.unacknowledged.append(delivery)
            else:
                self._droppable -= 1
        return count

    def is_idle(self, required_only: bool) -> bool:
        """Whether nothing is left to do for this sink."""
        if self.unacknowledged or any(d.required for d in self.waiting):
            return False
        return required_only or (not self.waiting and self._sent == self._processed)

    def _drop_oldest(self) -> Delivery:
        index = next(i for i, d in enumerate(self.waiting) if not d.required)
        delivery = self.waiting[index]
        del self.waiting[index]
        self._droppable -= 1
        return delivery
