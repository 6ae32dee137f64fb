"""What to do when a worker has ended: pure decisions, no processes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from mpipeline.backoff import Backoff
from mpipeline.clock import NS_PER_S
from mpipeline.config.supervision import RestartSpec
from mpipeline.errors import EXIT_CONFIG, EXIT_DONE, EXIT_SOURCE_FAILED


@dataclass(frozen=True, slots=True)
class Done:
    """It has finished its work."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again in `delay_s` seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Fatal:
    """It will not be started again; `reason` says why, for people."""

    reason: str


Decision = Done | Restart | Fatal


class RestartPolicy:
    """Decides for one worker. The first restart after a healthy time is immediate; then back-off with full jitter.

    More than `max_restarts` within `window_s` is a crash loop and FATAL. Exit codes: 0 is done; 78 (configuration) and
    65 (a source that cannot be read) cannot succeed on retry.
    """

    def __init__(self, spec: RestartSpec, backoff: Backoff | None = None) -> None:
        self._spec = spec
        self._backoff = backoff if backoff is not None else Backoff(spec.first_delay, spec.max_delay)
        self._restarts: deque[int] = deque()

    def postpone(self, *, long: bool = False) -> Restart:
        """It could not even begin, because the machine lacks something: no fault of its own, so no crash loop."""
        return Restart(self._backoff.longest() if long else self._backoff.next())

    def on_exit(self, code: int, ran_ns: int, now_ns: int) -> Decision:
        """`code` as `Popen.returncode`: negative for a signal. `ran_ns`: how long it had been ready to work."""
        if code == EXIT_DONE:
            return Done()
        if code == EXIT_CONFIG:
            return Fatal("its configuration cannot work")
        if code == EXIT_SOURCE_FAILED:
            return Fatal("its source cannot be read")
        while self._restarts and now_ns - self._restarts[0] > self._spec.window * NS_PER_S:
            self._restarts.popleft()
        if not self._spec.max_restarts:
            return Fatal("it is not started again")
        if len(self._restarts) >= self._spec.max_restarts:
            return Fatal(f"it ended {len(self._restarts) + 1} times within {self._spec.window:g} s")
        self._restarts.append(now_ns)
        if ran_ns >= self._spec.healthy_after * NS_PER_S or len(self._restarts) == 1:
            self._backoff.reset()
            return Restart(0.0)
        return Restart(self._backoff.next())
