"""Counts what becomes of one source's frames, as metrics."""

from __future__ import annotations

from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.writer import RingWriter
from mpipeline.sources.source import Source


class Tally:
    """Metrics of one source. Its openings and its rings come and go, each with counts of its own; these go on."""

    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder = recorder
        self._name = name
        self._source: Source | None = None
        self._errors = 0
        self._expired = 0

    def count(self, metric: str, n: int = 1) -> None:
        """Adds to a metric of the source."""
        self._recorder.add(metric, n, source=self._name)

    def published(self, writer: RingWriter) -> None:
        """A frame was put into its ring."""
        self._recorder.add("frames_published", source=self._name)
        self._recorder.add("bytes_written", writer.frame_bytes, source=self._name)

    def dropped(self, reason: str, n: int = 1) -> None:
        """Frames were not processed, and why."""
        self._recorder.add("frames_dropped", n, reason=reason, source=self._name)

    def connect_failed(self, reason: str) -> None:
        """A source that has never been open could not be opened."""
        self._recorder.add("connect_failures", reason=reason, source=self._name)

    def errors_of(self, source: Source) -> None:
        """Takes over the errors that `source` has survived since the last call."""
        if source is not self._source:
            self._source, self._errors = source, 0
        if (fresh := source.decode_errors - self._errors) > 0:
            self._errors += fresh
            self.count("decode_errors", fresh)

    def begin_ring(self, writer: RingWriter) -> None:
        """What was given up in this ring so far was counted by a predecessor."""
        self._expired = writer.expired

    def expired_in(self, writer: RingWriter) -> None:
        """Takes over the frames that were given up in the ring since the last call."""
        if (fresh := writer.expired - self._expired) > 0:
            self._expired += fresh
            self.dropped("expired", fresh)
