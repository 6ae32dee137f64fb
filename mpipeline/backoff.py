"""How long to wait before trying again: exponential back-off with full jitter."""

from __future__ import annotations

import math
import random


class Backoff:
    """Delays that grow from `first` to `limit` seconds; each is drawn uniformly from 0 to the bound (full jitter).

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. Full jitter spreads a fleet of cameras that
    lost the same switch, where a constant pause makes all of them return at the same moment.
    """

    def __init__(self, first: float = 0.5, limit: float = 30.0, *, rng: random.Random | None = None) -> None:
        self.first = first
        self.limit = limit
        self.attempts = 0
        self._rng = rng if rng is not None else random.Random()

    def next(self, at_most: float = math.inf) -> float:
        """The pause in seconds before the next attempt, no longer than `at_most`."""
        bound = min(self.limit, at_most, self.first * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        return self._rng.uniform(0.0, bound)

    def longest(self) -> float:
        """A pause near the limit, for what another attempt soon would only make worse."""
        return self._rng.uniform(0.5, 1.0) * self.limit

    def reset(self) -> None:
        """What was tried has worked for a while: start small again."""
        self.attempts = 0
