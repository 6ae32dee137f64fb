"""What a run does per second, from two of its states: frames in and out of each source, latency, what sinks take."""

from __future__ import annotations

from collections import deque

from mpipeline.clock import NS_PER_S
from mpipeline.supervisor.status import RunStatus, SinkState, SourceStatus


class Change:
    """The way from one state of a run to a later one; after a restart of the run between them nothing is known."""

    def __init__(self, before: RunStatus, after: RunStatus, seconds: float) -> None:
        self._sources = {one.name: one for one in before.sources}
        self._sinks = {one.name: one for one in before.sinks}
        self._seconds = seconds
        self.after = after

    def fps_in(self, source: SourceStatus) -> float:
        """Frames per second that the source has put into its ring."""
        before = self._sources.get(source.name)
        return self._rate(source.frames - before.frames) if before is not None else 0.0

    def fps_out(self, source: SourceStatus) -> float:
        """Frames per second of the source that went through the model."""
        before = self._sources.get(source.name)
        return self._rate(source.inferred - before.inferred) if before is not None else 0.0

    def latency_ms(self, source: SourceStatus) -> float | None:
        """Mean time from capture to prediction, lately; over the whole run if nothing was inferred lately."""
        before = self._sources.get(source.name)
        frames, seconds = source.inferred, source.latency_seconds
        if before is not None and frames > before.inferred:
            frames, seconds = frames - before.inferred, seconds - before.latency_seconds
        return 1000 * seconds / frames if frames > 0 else None

    def fps_of_sink(self, sink: SinkState) -> float:
        """Predictions per second that the sink has taken."""
        before = self._sinks.get(sink.name)
        return self._rate(sink.written - before.written) if before is not None else 0.0

    def _rate(self, count: int) -> float:
        return max(0, count) / self._seconds if self._seconds > 0 else 0.0


class History:
    """The states of a run over the last few seconds."""

    def __init__(self, window_s: float) -> None:
        self._window_ns = int(window_s * NS_PER_S)
        self._states: deque[tuple[int, RunStatus]] = deque()

    def note(self, status: RunStatus, now_ns: int) -> Change:
        """Takes the present state; gives the change since the oldest that is kept."""
        self._states.append((now_ns, status))
        while len(self._states) > 2 and now_ns - self._states[1][0] >= self._window_ns:
            self._states.popleft()
        before_ns, before = self._states[0]
        return Change(before, status, (now_ns - before_ns) / NS_PER_S)
