"""Opens a source when its turn has come: after the pause that a failure costs, and with a permit to connect."""

from __future__ import annotations

from collections.abc import Callable

from mpipeline.clock import Clock
from mpipeline.sources.source import Source, StreamInfo
from mpipeline.workers.attempts import Attempts
from mpipeline.workers.permits import Permits

_PAUSE_S = 0.1  # how long one call sleeps while it is not time


class Connector:
    """Makes and opens sources, one after the other. `waits_for_turn`: no permit was free at the last call.

    Without `permits` there is no limit; sources that do not reach over the network need none.
    """

    def __init__(
        self, make: Callable[[], Source], attempts: Attempts, clock: Clock, permits: Permits | None = None
    ) -> None:
        self.waits_for_turn = False
        self._make = make
        self._attempts = attempts
        self._clock = clock
        self._permits = permits
        self._source: Source | None = None

    def connect(self, opened: Callable[[Source, StreamInfo], None]) -> tuple[Source, StreamInfo] | None:
        """The next source, open; None after a short sleep if it is not time yet.

        `opened` is called in between, with the permit still held, for what belongs to opening. Raises SourceError; the
        source that failed is then left in `take_back` to be closed.
        """
        if pause := self._attempts.wait_s():
            self._clock.sleep(min(_PAUSE_S, pause))
            return None
        source = self._source = self._source if self._source is not None else self._make()
        permit = None
        if self._permits is not None and source.connects:
            permit = self._permits.take(failing=self._attempts.is_failing)
            self.waits_for_turn = permit is None
            if permit is None:
                self._clock.sleep(_PAUSE_S)
                return None
        try:
            info = source.open()
            opened(source, info)
        finally:
            if permit is not None:
                permit.give_back()
        self._source = None
        return source, info

    def take_back(self) -> Source | None:
        """The source that was made and is not open, if there is one; the caller closes it."""
        source, self._source = self._source, None
        return source
