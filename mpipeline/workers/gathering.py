"""What a sink that sends many predictions at once has taken and not sent yet, and what is acknowledged after that."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpipeline.frame import FrameMeta
from mpipeline.sinks.sink import Sink


class Gathering:
    """Between `write` and `flush` of one sink. A sink without `flush` gathers nothing: what it has written is done."""

    def __init__(self, sink: Sink) -> None:
        self._send: Callable[[], object] | None = getattr(sink, "flush", None)
        self.is_used = self._send is not None
        self.waiting = 0  # predictions that the sink has, and has not refused
        self._most: int = getattr(sink, "gathers", 1)
        self._last: dict[str, int] = {}

    def send(self) -> None:
        """Has the sink send what it has; its errors go up."""
        if self._send is not None:
            self._send()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, neither to be sent nor to be acknowledged."""
        return not self._last

    @property
    def is_full(self) -> bool:
        """Whether the sink must send before it takes another prediction."""
        return self.waiting >= self._most

    def add(self, frame: FrameMeta) -> None:
        """This frame is worked off, as far as that is possible before the sink has sent what it gathers."""
        self._last[frame.source] = frame.frame_id

    def has(self, frame: FrameMeta) -> bool:
        """Whether this frame is among them: it was sent again, by an inference process that is new."""
        return frame.frame_id <= self._last.get(frame.source, 0)

    def empty(self) -> Mapping[str, int]:
        """Everything was sent: source → the last frame that is now done."""
        done, self._last, self.waiting = self._last, {}, 0
        return done
