"""A sink that cannot write for a while: when it is tried again, since when that lasts, and what is told of it."""

from __future__ import annotations

import logging

from mpipeline.backoff import Backoff
from mpipeline.clock import NS_PER_S, Clock
from mpipeline.errors import SinkError
from mpipeline.log import Summariser
from mpipeline.messages import RETRYING

logger = logging.getLogger("mpipeline.sink")

_SUMMARY_S = 60.0


class Retrying:
    """Between the first failure of a call and its success: back-off from 0.5 to 30 s with full jitter, without end."""

    def __init__(self, name: str, clock: Clock, backoff: Backoff | None = None) -> None:
        self.error: SinkError | None = None
        self._name = name
        self._clock = clock
        self._backoff = backoff if backoff is not None else Backoff()
        self._summary = Summariser(logger, clock, _SUMMARY_S)
        self._since_ns = 0
        self._due_ns = 0

    @property
    def is_active(self) -> bool:
        """Whether a call has failed and has not succeeded since."""
        return self.error is not None

    def failed(self, error: SinkError) -> None:
        """An attempt has failed; another one is due after a pause."""
        now = self._clock.monotonic_ns()
        reason = error.reason.value
        if self.error is None:
            self._since_ns = now
            text = "%s; trying again until it works"
            logger.warning(text, error, extra={"event": "sink_retrying", "sink": self._name, "reason": reason})
        else:
            self._summary.add("failed attempts", str(error), sink=self._name, reason=reason)
        self.error = error
        self._due_ns = now + int(self._backoff.next() * NS_PER_S)

    def succeeded(self) -> None:
        """The call has succeeded."""
        if self.error is None:
            return
        away = (self._clock.monotonic_ns() - self._since_ns) / NS_PER_S
        fields = {"event": "sink_recovered", "sink": self._name}
        text = "sink %s writes again, %.1f s and %d attempts after its first failure"
        logger.info(text, self._name, away, self._backoff.attempts, extra=fields)
        self.error = None
        self._backoff.reset()

    def wait_s(self) -> float:
        """How long until the next attempt is due, in seconds."""
        return max(0.0, (self._due_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def state(self) -> tuple[str, str, str]:
        """State, reason code and detail for the heartbeat; empty where all is well."""
        if self.error is None:
            return "", "", ""
        return RETRYING, self.error.reason.value, str(self.error)
