"""One sink as the inference worker sees it: what waits for it, what it has been sent, what it has acknowledged.

Deliveries go out only as far as the sink's credit reaches. There are two lanes, served in turn, so that neither a long
file nor a busy camera keeps the other from the sink; a source is in one of them only, so its order holds.

* The lossless lane has the sources whose frames the sink must get (`every_frame`, overflow policy `block`). Its
  deliveries are kept until they are acknowledged and sent again in every new session; the end of a source, which has no
  frame id, until the sink says that it has worked off so many. The slots of their frames are not given back before, so
  the rings bound their number.
* The lossy lane has all others, in a bounded queue; the overflow policy says which one goes when it is full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from mpipeline.frame import FrameRef
from mpipeline.messages import SinkAdded, SinkStatus

_NEWEST_WITH_PIXELS = 2


@dataclass(frozen=True, slots=True)
class Delivery:
    """One encoded message for one sink. `ref` names the pixels that were promised with it, if any.

    `frame_id` is 0 for the end of a source, which no acknowledgement names: it is done when its turn was worked off.
    """

    source: str
    frame_id: int
    data: bytes
    ref: FrameRef | None = None


class Outlet:
    """Queues, session and credit of one sink."""

    def __init__(self, spec: SinkAdded) -> None:
        self.spec = spec
        self.session = 0
        self.identity = ""
        self._lossless: deque[Delivery] = deque()
        self._lossy: deque[Delivery] = deque()
        self._unacknowledged: deque[tuple[int, Delivery]] = deque()  # with its number in the session, from 1
        self._sent = 0
        self._processed = 0
        self._capacity = 0
        self._lossy_next = False
        self._acknowledged: dict[str, int] = {}

    @property
    def outstanding(self) -> int:
        """Deliveries of this session that were sent and that the sink has not worked off, as far as it has told."""
        return self._sent - self._processed

    def is_lossless(self, every_frame: bool) -> bool:
        """Whether frames of such a source must reach this sink."""
        return every_frame and self.spec.overflow_every_frame == "block"

    def offer(self, delivery: Delivery, every_frame: bool) -> Delivery | None:
        """Queues a delivery; returns the one that had to go for it, if any."""
        if self.is_lossless(every_frame):
            self._lossless.append(delivery)
            return None
        dropped = None
        if self._is_full(delivery) and delivery.frame_id:
            policy = self.spec.overflow_every_frame if every_frame else self.spec.overflow_latest
            if policy == "drop_newest":
                return delivery
            dropped = self._drop_oldest(delivery)
        self._lossy.append(delivery)
        return dropped

    def open_session(self, session: int, identity: str) -> None:
        """The sink is new, or has lost touch: everything it must have and has not acknowledged goes out again."""
        self.session, self.identity = session, identity
        self._sent = self._processed = self._capacity = 0
        self._lossless.extendleft(delivery for _, delivery in reversed(self._unacknowledged))
        self._unacknowledged.clear()

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was sent yet in the present session."""
        return self.session != 0 and self._sent == 0

    def update(self, status: SinkStatus) -> list[Delivery]:
        """Takes credit and acknowledgements; returns the lossless deliveries of frames that are now done."""
        self._processed = max(self._processed, min(status.processed, self._sent))
        self._capacity = max(0, status.capacity)
        for source, frame_id in status.acknowledged.items():
            self._acknowledged[source] = max(frame_id, self.acknowledged(source))
        done: list[Delivery] = []
        kept: deque[tuple[int, Delivery]] = deque()
        for number, delivery in self._unacknowledged:
            known = status.acknowledged.get(delivery.source, 0)
            is_done = delivery.frame_id <= known if delivery.frame_id else number <= self._processed
            if not is_done:
                kept.append((number, delivery))
            elif delivery.frame_id:
                done.append(delivery)
        self._unacknowledged = kept
        return done

    def send(self, deliver: Callable[[str, bytes], bool]) -> int:
        """Sends as much as the credit allows; returns how many."""
        count = 0
        while self.session and self._sent - self._processed < self._capacity:
            lane = self._next_lane()
            if not lane or not deliver(self.identity, lane[0].data):
                break
            delivery = lane.popleft()
            self._sent += 1
            count += 1
            if lane is self._lossless:
                self._unacknowledged.append((self._sent, delivery))
            self._lossy_next = lane is self._lossless
        return count

    def acknowledged(self, source: str) -> int:
        """The last frame of `source` that the sink has acknowledged, in whichever session."""
        return self._acknowledged.get(source, 0)

    def forget(self, source: str) -> None:
        """The pixels of this source are lost: what must reach the sink with them comes again, or never."""
        self._lossless = deque(one for one in self._lossless if not _needs_pixels_of(source, one))
        self._unacknowledged = deque(one for one in self._unacknowledged if not _needs_pixels_of(source, one[1]))

    def give_up_lossy(self) -> int:
        """Drops what waits in the lossy lane at the end of a run; returns how many predictions that were."""
        count = sum(1 for delivery in self._lossy if delivery.frame_id)
        self._lossy.clear()
        return count

    def is_idle(self, lossless_only: bool) -> bool:
        """Whether nothing is left to do for this sink."""
        if self._lossless or self._unacknowledged:
            return False
        return lossless_only or (not self._lossy and self._sent == self._processed)

    def _next_lane(self) -> deque[Delivery]:
        first, second = (self._lossy, self._lossless) if self._lossy_next else (self._lossless, self._lossy)
        return first or second

    def _is_full(self, delivery: Delivery) -> bool:
        """Pixels of a live stream are soon reused: of each source only the newest few frames are worth waiting for."""
        if self.spec.bit >= 0 and sum(one.source == delivery.source for one in self._lossy) >= _NEWEST_WITH_PIXELS:
            return True
        return len(self._lossy) >= self.spec.queue

    def _drop_oldest(self, newcomer: Delivery) -> Delivery | None:
        """The oldest of the newcomer's own source, else of all."""
        frames = [i for i, delivery in enumerate(self._lossy) if delivery.frame_id]
        own = [i for i in frames if self._lossy[i].source == newcomer.source]
        index = next(iter(own or frames), None)
        if index is None:
            return None
        delivery = self._lossy[index]
        del self._lossy[index]
        return delivery


def _needs_pixels_of(source: str, delivery: Delivery) -> bool:
    return delivery.source == source and delivery.ref is not None
