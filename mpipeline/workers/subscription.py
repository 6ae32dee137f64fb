"""A sink's half of the data channel: sessions, credit and acknowledgements. The other half is `outlet`.

Used by sink workers and by attached programs alike. All it says is absolute and said again a few times a second, so
that a lost message or a restarted peer on either side needs no special case.
"""

from __future__ import annotations

from collections.abc import Callable

from mpipeline.clock import NS_PER_S
from mpipeline.messages import Message, PredictionReady, SessionOpened, SinkStatus, SourceEnded

_REPEAT_NS = NS_PER_S // 4


class Subscription:
    """Counts deliveries of the present session and says when to report. `send` hands a SinkStatus to the socket."""

    def __init__(self, name: str, incarnation: int, capacity: int, send: Callable[[SinkStatus], object]) -> None:
        self._name = name
        self._incarnation = incarnation
        self._capacity = capacity
        self._send = send
        self._session = 0
        self._delivered_in = 0  # the session of the delivery that is worked off now
        self._processed = 0
        self._unreported = 0
        self._next_ns = 0
        self.acknowledged: dict[str, int] = {}

    def receive(self, message: Message) -> PredictionReady | SourceEnded | None:
        """Takes what came from inference; returns it if it is a delivery. Each delivery needs a `done` afterwards."""
        if isinstance(message, SessionOpened):
            if message.session != self._session:
                self._session = message.session
                self._processed = 0
                self.report()
            return None
        if isinstance(message, PredictionReady | SourceEnded):
            self._delivered_in = self._session
            return message
        return None

    def is_duplicate(self, message: PredictionReady) -> bool:
        """Whether this frame is written for good already."""
        return message.frame.frame_id <= self.acknowledged.get(message.frame.source, 0)

    def done(self, source: str, frame_id: int) -> None:
        """A delivery is worked off; its frame is acknowledged with the next report."""
        self.taken()
        self.acknowledge(source, frame_id)

    def taken(self) -> None:
        """There is room for one delivery more; its frame may be acknowledged later.

        One that came in an earlier session is not counted in the present one, where it is sent again.
        """
        if self._delivered_in == self._session:
            self._processed += 1
        self._unreported += 1

    def acknowledge(self, source: str, frame_id: int) -> None:
        """All frames of the source up to this one are done; the next report says so."""
        if frame_id > self.acknowledged.get(source, 0):
            self.acknowledged[source] = frame_id
            self._unreported = max(self._unreported, 1)

    def report(self, now_ns: int | None = None, idle: bool = False) -> None:
        """Sends a status if it is time: at once when idle or a quarter of the credit is used, else periodically."""
        if now_ns is not None:
            due = now_ns >= self._next_ns or self._unreported * 4 >= self._capacity or (idle and self._unreported)
            if not due:
                return
            self._next_ns = now_ns + _REPEAT_NS
        self._unreported = 0
        acknowledged = dict(self.acknowledged)
        self._send(
            SinkStatus(self._name, self._incarnation, self._session, self._processed, self._capacity, acknowledged)
        )
