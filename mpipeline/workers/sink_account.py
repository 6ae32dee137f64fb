"""What has become of a sink's predictions: counted, and too many refusals in a row are its end."""

from __future__ import annotations

import logging

from mpipeline.clock import Clock
from mpipeline.errors import SinkError
from mpipeline.log import Summariser
from mpipeline.metrics.recorder import Recorder

logger = logging.getLogger("mpipeline.sink")

_HOPELESS = 50  # predictions rejected in a row, after which the sink has failed


class SinkAccount:
    """`progress` counts predictions that are worked off: written, or left out by `filter`."""

    def __init__(self, name: str, clock: Clock, recorder: Recorder) -> None:
        self.progress = 0
        self._name = name
        self._recorder = recorder
        self.summary = Summariser(logger, clock)
        self._rejected_in_row = 0

    def count(self, metric: str) -> None:
        """Adds one to a metric of the sink."""
        self._recorder.add(metric, sink=self._name)

    def copied(self, source: str, size: int) -> None:
        """A picture of so many bytes was made of a frame for the sink."""
        self._recorder.add("bytes_copied", size, source=source)

    def written(self, count: int = 1) -> None:
        """The sink has taken so many."""
        self.progress += count
        self._rejected_in_row = 0
        self._recorder.add("predictions_written", count, sink=self._name)

    def filtered(self) -> None:
        """One was left out by `filter`."""
        self.progress += 1
        self.count("predictions_filtered")

    def rejected(self, error: Exception) -> None:
        """A prediction that can never be written costs only itself, unless it is one of many in a row: a SinkError."""
        self._rejected_in_row += 1
        self.count("sink_errors")
        self.summary.add("rejected predictions", str(error), sink=self._name)
        if self._rejected_in_row >= _HOPELESS:
            raise SinkError(f"{self._rejected_in_row} predictions in a row were rejected, last: {error}") from error
