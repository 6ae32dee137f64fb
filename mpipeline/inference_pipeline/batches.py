"""What is handed to the user: frames with what was found in them, in the shape that the sink mode asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from mpipeline.inference_pipeline.entities import SinkMode, VideoFrame
from mpipeline.inference_pipeline.frames import Loan

SinkHandler = Callable[[Any, Any], Any]


@dataclass
class Batch:
    """Frames of one collection, in the order of their sources, with their loans and then their predictions."""

    frames: list[VideoFrame]
    loans: list[Loan]
    predictions: list[Any]

    def settle(self) -> None:
        """The user is done with it: what nobody keeps is given back unseen."""
        self.frames, self.predictions = [], []
        for loan in self.loans:
            loan.settle()


class Calls:
    """Makes the calls to the sink. `raised` gets what it raises; the stream goes on."""

    def __init__(self, sink: SinkHandler, mode: SinkMode, sources: int, raised: Callable[[Exception], object]) -> None:
        self._sink = sink
        self._sources = sources
        self._raised = raised
        self._by_frame = mode is SinkMode.SEQUENTIAL or (mode is SinkMode.ADAPTIVE and sources == 1)

    def make(self, batch: Batch, has_stopped: Callable[[], bool]) -> None:
        """One call for each frame, or one for all with None where a source has none.

        No further call after `has_stopped`.
        """
        if self._by_frame:
            for prediction, frame in zip(batch.predictions, batch.frames, strict=True):
                if not has_stopped():
                    self._call(prediction, frame)
            return
        predictions: list[Any] = [None] * self._sources
        frames: list[VideoFrame | None] = [None] * self._sources
        for prediction, frame in zip(batch.predictions, batch.frames, strict=True):
            predictions[frame.source_id or 0], frames[frame.source_id or 0] = prediction, frame
        if not has_stopped():
            self._call(predictions, frames)

    def _call(self, predictions: Any, frames: Any) -> None:
        try:
            self._sink(predictions, frames)
        except Exception as error:  # noqa: BLE001 - code of the user's; the stream goes on
            self._raised(error)


def checked_results(results: Any, frames: int) -> list[Any]:
    """What `on_video_frame` has returned, if it is one result for each frame.

    Raises TypeError or ValueError that say what was expected.
    """
    expected = f"on_video_frame was given {frames} frames and must return a list with one result for each"
    if isinstance(results, (Mapping, Set, str, bytes)) or not hasattr(results, "__len__"):
        raise TypeError(f"{expected}; it has returned {type(results).__name__}")
    if len(results) != frames:
        raise ValueError(f"{expected}; it has returned {len(results)}")
    return list(results)
