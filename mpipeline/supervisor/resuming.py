"""Where each source of a run begins: at its first frame, or behind what the sinks have of an interrupted run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mpipeline.supervisor.plan import SinkPlan

_LARGEST = 2**62  # no frame id comes near it: what is larger is nonsense


class Resumption:
    """What the sinks had when they were opened, and from that, once and for all, where a source begins.

    `is_over(worker)` says whether a sink has ended for good: nobody asks for its share then.
    """

    def __init__(self, sinks: tuple[SinkPlan, ...], is_over: Callable[[str], bool], *, enabled: bool) -> None:
        self.enabled = enabled
        self._sinks = sinks
        self._is_over = is_over
        self._written: dict[str, Mapping[Any, Any]] = {}  # worker → source → last frame id, as its first open told
        self._begin: dict[str, int] = {}

    def note(self, worker: str, written: object) -> None:
        """A sink has opened; what a later incarnation of it has was written by this run itself.

        One that says None keeps nothing, and has no say in where a source begins.
        """
        if self.enabled and written is not None:
            self._written.setdefault(worker, written if isinstance(written, Mapping) else {})

    def waits_for(self, live: bool, every_frame: bool, *, patient: bool = True) -> list[str]:
        """The sinks that must have opened before a source may begin.

        Under `every_frame` those that must have every frame; in a resumed run everyone whose last id matters, unless
        that took too long (not `patient`): a sink that need not have everything must not keep a source from starting.
        """
        must = self._must() if every_frame else []
        return self._asked(live, every_frame) if self.enabled and patient else must

    def begin(self, source: str, live: bool, every_frame: bool) -> int:
        """The frames of `source` up to this id are done. The first answer holds for the whole run.

        A file is read again for the sink that has least, if that must have every frame: the others leave out what they
        have. What cannot be read again goes on behind the last id that anyone has seen. A sink that has not opened yet
        is not asked.
        """
        if not self.enabled:
            return 0
        if source not in self._begin:
            asked = [worker for worker in self._asked(live, every_frame) if worker in self._written]
            last = [self._last(worker, source) for worker in asked if not self._is_over(worker)]
            self._begin[source] = (min if _again(live, every_frame) else max)(last, default=0)
        return self._begin[source]

    def _asked(self, live: bool, every_frame: bool) -> list[str]:
        """The sinks that have a say in where a source begins."""
        everyone = [sink.worker for sink in self._sinks]
        return self._must() or everyone if _again(live, every_frame) else everyone

    def _must(self) -> list[str]:
        return [sink.worker for sink in self._sinks if sink.overflow(every_frame=True) == "block"]

    def _last(self, worker: str, source: str) -> int:
        last = self._written.get(worker, {}).get(source, 0)
        return last if isinstance(last, int) and 0 < last < _LARGEST else 0


def _again(live: bool, every_frame: bool) -> bool:
    """Whether a source is read again from where the sinks need it."""
    return every_frame and not live
