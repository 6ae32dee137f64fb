"""Where each source of a run begins: at its first frame, or behind what the sinks have of an interrupted run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpipeline.supervisor.plan import SinkPlan


class Resumption:
    """What the sinks had when they were opened, and from that, once and for all, where a source begins.

    `is_over(worker)` says whether a sink has ended for good: nobody asks for its share then.
    """

    def __init__(self, sinks: tuple[SinkPlan, ...], is_over: Callable[[str], bool], *, enabled: bool) -> None:
        self.enabled = enabled
        self._sinks = sinks
        self._is_over = is_over
        self._written: dict[str, Mapping[str, int]] = {}  # worker → source → last frame id, as its first open told
        self._begin: dict[str, int] = {}

    def note(self, worker: str, written: Mapping[str, int]) -> None:
        """A sink has opened; what a later incarnation of it has was written by this run itself."""
        if self.enabled:
            self._written.setdefault(worker, written)

    def waits_for(self, every_frame: bool) -> list[str]:
        """The sinks that must have opened before a source may begin.

        Under `every_frame` those that must have every frame; a resumed live source must know everyone's last id.
        """
        if every_frame:
            return self._must()
        return [sink.worker for sink in self._sinks] if self.enabled else []

    def begin(self, source: str, live: bool, every_frame: bool) -> int:
        """The frames of `source` up to this id are done. The first answer holds for the whole run.

        A file is read again for the sink that has least, if that must have every frame: the others leave out what they
        have. What cannot be read again goes on behind the last id that anyone has seen.
        """
        if not self.enabled:
            return 0
        if source not in self._begin:
            must = self._must() or [sink.worker for sink in self._sinks]
            again = every_frame and not live
            workers = must if again else [sink.worker for sink in self._sinks]
            last = [self._last(worker, source) for worker in workers if not self._is_over(worker)]
            self._begin[source] = (min if again else max)(last, default=0)
        return self._begin[source]

    def _must(self) -> list[str]:
        return [sink.worker for sink in self._sinks if sink.overflow(every_frame=True) == "block"]

    def _last(self, worker: str, source: str) -> int:
        last = self._written.get(worker, {}).get(source, 0)
        return last if isinstance(last, int) and last > 0 else 0
