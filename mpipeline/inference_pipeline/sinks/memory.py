"""`InMemoryBufferSink`: keeps the last predictions until the program takes them."""

from __future__ import annotations

from collections import deque
from typing import Any

from mpipeline.errors import BufferEmpty, InvalidArgument
from mpipeline.inference_pipeline.entities import VideoFrame

_Item = tuple[list[Any], list["VideoFrame | None"]]


class InMemoryBufferSink:
    """Holds up to `queue_size` predictions with their frames, pixels included; the oldest give way to new ones.

    `discarded` counts those that gave way. `on_prediction` and `consume_prediction` may be called from two threads.
    """

    def __init__(self, queue_size: int) -> None:
        if queue_size < 1:
            raise InvalidArgument(f"queue_size={queue_size} must be 1 or more")
        self.discarded = 0
        self._buffer: deque[_Item] = deque(maxlen=queue_size)

    @classmethod
    def init(cls, queue_size: int) -> InMemoryBufferSink:
        """The same as the constructor."""
        return cls(queue_size)

    def on_prediction(self, predictions: Any, video_frame: VideoFrame | list[VideoFrame | None] | None) -> None:
        """Takes the predictions of a frame, or of a batch."""
        frames = video_frame if isinstance(video_frame, list) else [video_frame]
        for frame in frames:
            if frame is not None:
                frame.materialise()  # its pixels are taken back when this returns
        if len(self._buffer) == self._buffer.maxlen:
            self.discarded += 1
        self._buffer.append((predictions if isinstance(video_frame, list) else [predictions], frames))

    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self._buffer

    def consume_prediction(self) -> _Item:
        """The oldest predictions and their frames, as two lists also for a single frame.

        Raises BufferEmpty, which is an IndexError, if there is nothing.
        """
        try:
            return self._buffer.popleft()
        except IndexError:
            raise BufferEmpty("no prediction is waiting: ask empty() before consume_prediction()") from None
