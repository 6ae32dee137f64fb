"""How long the store waits for the network, and how often it tries again."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mpipeline.backoff import Backoff
from mpipeline.clock import Clock
from mpipeline.errors import DownloadError

logger = logging.getLogger("mpipeline.store")

_LONGEST_PAUSE_S = 60.0  # also if the server asks for more


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits of waiting in seconds, and how many failures in a row are borne.

    `connect`: for a connection. `silence`: between two pieces of a body. `answer`: for a whole answer of the API.
    """

    connect: float = 10.0
    silence: float = 30.0
    answer: float = 120.0
    attempts: int = 4
    first_pause: float = 0.5


class Attempts:
    """Failures in a row, with back-off between them."""

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self._limit = patience.attempts
        self._backoff = Backoff(patience.first_pause, 15.0)
        self._clock = clock

    def failed(self, error: DownloadError) -> None:
        """Waits until the next attempt; raises the error if it is not worth one, or the last has been made."""
        if not error.retryable or self._backoff.attempts + 1 >= self._limit:
            raise error
        pause = max(self._backoff.next(), min(error.retry_after or 0.0, _LONGEST_PAUSE_S))
        fields = {"event": "download_retried", "reason": str(error.reason), "attempt": self._backoff.attempts}
        logger.warning("%s; trying again in %.1f s", error, pause, extra=fields)
        self._clock.sleep(pause)

    def progressed(self) -> None:
        """Something has arrived: earlier failures count no more."""
        self._backoff.reset()
