"""Answers those who ask a running supervisor how the run stands, so that no number of them keeps it from its work."""

from __future__ import annotations

from collections.abc import Callable

from mpipeline.clock import NS_PER_S, Clock
from mpipeline.messages import StatusAnswer
from mpipeline.supervisor.status import RunStatus
from mpipeline.supervisor.status_mapping import to_mapping
from mpipeline.transport import codec

_PERIOD_NS = NS_PER_S // 10
_MOST_WAITING = 256  # askers; those beyond ask again


class StatusDesk:
    """Whoever asks is answered at most ten times a second, all who have asked meanwhile with the same snapshot."""

    def __init__(self, send: Callable[[str, bytes], object], status: Callable[[], RunStatus], clock: Clock) -> None:
        self._send = send
        self._status = status
        self._clock = clock
        self._waiting: set[str] = set()
        self._next_ns = 0

    def ask(self, identity: str) -> None:
        """Somebody wants to know."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.add(identity)

    def serve(self) -> None:
        """Answers, if it is time."""
        if not self._waiting or (now := self._clock.monotonic_ns()) < self._next_ns:
            return
        self._next_ns = now + _PERIOD_NS
        answer = codec.encode(StatusAnswer(to_mapping(self._status())))
        for identity in self._waiting:
            self._send(identity, answer)
        self._waiting.clear()
