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
_STEADY_NS = 60 * NS_PER_S  # an outage so soon after another one is the same trouble: it is summed up
_STEADY_CALLS = 10  # or so many calls without a failure: then the pauses begin small again
_LONGEST_ASKED_S = 300.0  # a peer may ask for a longer pause; it is tried again all the same


class Retrying:
    """Between the first failure of a call and its success: back-off from 0.5 to 30 s with full jitter, without end.

    A peer that asks for more time gets it, up to five minutes.

    A sink that fails again and again has growing pauses too, and few words in the log.
    """

    def __init__(self, name: str, clock: Clock, backoff: Backoff | None = None) -> None:
        self.error: SinkError | None = None
        self._name = name
        self._clock = clock
        self._backoff = backoff if backoff is not None else Backoff()
        self._summary = Summariser(logger, clock, _SUMMARY_S)
        self._recovered_ns: int | None = None
        self._calls = 0  # successful ones since then
        self._attempts = 0
        self._is_told = False
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
        is_new, self._attempts = self.error is None, self._attempts + 1
        if is_new:
            self._since_ns, self._attempts = now, 1
            is_rare = self._recovered_ns is None or now - self._recovered_ns >= _STEADY_NS
            self._is_told = is_rare
            if is_rare or self._calls >= _STEADY_CALLS:
                self._backoff.reset()
        if is_new and self._is_told:
            text = "%s; trying again until it works"
            logger.warning(text, error, extra={"event": "sink_retrying", "sink": self._name, "reason": reason})
        else:
            self._summary.add("failed attempts", str(error), sink=self._name, reason=reason)
        self.error = error
        asked_s = min(error.retry_after or 0.0, _LONGEST_ASKED_S)
        self._due_ns = now + int(max(self._backoff.next(), asked_s) * NS_PER_S)

    def succeeded(self) -> None:
        """The call has succeeded."""
        self._summary.flush()
        self._calls += 1
        if self.error is None:
            return
        now = self._clock.monotonic_ns()
        away = (now - self._since_ns) / NS_PER_S
        text = f"sink {self._name} writes again, {away:.1f} s and {self._attempts} attempts after its first failure"
        if self._is_told:
            logger.info("%s", text, extra={"event": "sink_recovered", "sink": self._name})
        else:
            self._summary.add("recoveries", text, level=logging.INFO, sink=self._name)
        self.error = None
        self._recovered_ns, self._calls = now, 0

    def close(self) -> None:
        """Tells what was not told yet."""
        self._summary.flush(everything=True)

    def wait_s(self) -> float:
        """How long until the next attempt is due, in seconds."""
        return max(0.0, (self._due_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def state(self) -> tuple[str, str, str]:
        """State, reason code and detail for the heartbeat; empty where all is well."""
        if self.error is None:
            return "", "", ""
        return RETRYING, self.error.reason.value, str(self.error)
