"""Frames a second, over the last few."""

from __future__ import annotations

from collections import deque

from mpipeline.clock import NS_PER_S, Clock, SystemClock

SAMPLES = 30


class FpsMonitor:
    """Counts ticks; `fps` is their rate over the last `sample_size` of them, in Hz, 0.0 before the second one.

    It has the two verbs of `supervision.FPSMonitor`, which can be used in its place. Where ticks stop to come, the rate
    falls with the time that passes.
    """

    def __init__(self, sample_size: int = SAMPLES, clock: Clock | None = None) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self._ticks: deque[int] = deque(maxlen=max(2, sample_size))

    def tick(self) -> None:
        """One more frame."""
        self._ticks.append(self._clock.monotonic_ns())

    def reset(self) -> None:
        """Forgets all ticks."""
        self._ticks.clear()

    @property
    def fps(self) -> float:
        """The rate now."""
        ticks = list(self._ticks)
        if len(ticks) < 2:
            return 0.0
        intervals, span = len(ticks) - 1, ticks[-1] - ticks[0]
        silence = self._clock.monotonic_ns() - ticks[-1]
        if silence > 2 * span / intervals:
            span += silence
        return intervals * NS_PER_S / span if span > 0 else 0.0
