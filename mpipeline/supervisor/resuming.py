"""Where each source of a run begins: at its first frame, or behind what the sinks have of an interrupted run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mpipeline.prediction import origin
from mpipeline.supervisor.plan import Plan, SinkPlan

_LARGEST = 2**62  # no frame id comes near it: what is larger is nonsense


class Resumption:
    """What the sinks had when they were opened, and from that, once and for all, where a source begins.

    `is_over(worker)` says whether a sink has ended for good: nobody asks for its share then.
    """

    def __init__(self, plan: Plan, is_over: Callable[[str], bool], *, enabled: bool) -> None:
        self.enabled = enabled
        self._sinks = plan.sinks
        self._is_over = is_over
        self._written: dict[str, Mapping[Any, Any]] = {}  # worker → origin → last frame id, as its first open told
        self._begin: dict[str, int] = {}

    def note(self, worker: str, written: object) -> None:
        """A sink has opened; what a later incarnation of it has was written by this run itself.

        One that says None keeps nothing, and has no say in where a source begins.
        """
        if self.enabled and written is not None:
            self._written.setdefault(worker, written if isinstance(written, Mapping) else {})

    def waits_for(self, source: str, live: bool, every_frame: bool, *, patient: bool = True) -> list[str]:
        """The sinks that must have opened before a source may begin.

        Under `every_frame` those that must have every frame; in a resumed run everyone whose last id matters, unless
        that took too long (not `patient`): a sink that need not have everything must not keep a source from starting.
        """
        must = self._must(source) if every_frame else []
        asked = self._asked(source, live, every_frame) if self.enabled and patient else must
        return [sink.worker for sink in asked]

    def begin(self, source: str, live: bool, every_frame: bool) -> int:
        """The frames of `source` up to this id are done. The first answer holds for the whole run.

        A file is read again for the sink that has least of what any model has found, if it must have every frame: the
        others leave out what they have. What cannot be read again goes on behind the last id that anyone has seen. A
        sink that has not opened yet is not asked.
        """
        if not self.enabled:
            return 0
        if source not in self._begin:
            asked = [sink for sink in self._asked(source, live, every_frame) if sink.worker in self._written]
            last = [one for sink in asked if not self._is_over(sink.worker) for one in self._last(sink, source)]
            self._begin[source] = (min if _again(live, every_frame) else max)(last, default=0)
        return self._begin[source]

    def _asked(self, source: str, live: bool, every_frame: bool) -> list[SinkPlan]:
        """The sinks that have a say in where a source begins."""
        everyone = [sink for sink in self._sinks if any(source in feed.sources for feed in sink.feeds)]
        return self._must(source) or everyone if _again(live, every_frame) else everyone

    def _must(self, source: str) -> list[SinkPlan]:
        everyone = self._asked(source, live=True, every_frame=True)
        return [sink for sink in everyone if sink.overflow(every_frame=True) == "block"]

    def _last(self, sink: SinkPlan, source: str) -> list[int]:
        """What this sink has of the source, from each model."""
        origins = [origin(source, feed.model) for feed in sink.feeds if source in feed.sources]
        ids = [self._written[sink.worker].get(one, 0) for one in origins]
        return [one if isinstance(one, int) and 0 < one < _LARGEST else 0 for one in ids]


def _again(live: bool, every_frame: bool) -> bool:
    """Whether a source is read again from where the sinks need it."""
    return every_frame and not live
