"""What is done with the frames of one collection: the user's code looks at them, or the model has done so already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mpipeline.inference_pipeline.batches import Batch, checked_results
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.multiplexer import Item
from mpipeline.inference_pipeline.reporting import Watch
from mpipeline.inference_pipeline.sources import Sources


class Processing:
    """Makes batches. Without `on_video_frame` the predictions are those of the model."""

    def __init__(
        self, on_video_frame: Callable[[list[VideoFrame]], Any] | None, sources: Sources, watch: Watch
    ) -> None:
        self._on_video_frame = on_video_frame
        self._sources = sources
        self._watch = watch

    def batch(self, items: Sequence[Item]) -> Batch:
        """The frames with their predictions, those left out at which the model has failed.

        Raises what `on_video_frame` raises; then nothing stays lent.
        """
        batch = Batch([], [item.content[1] for item in items], [])
        try:
            self._fill(batch, items)
        except BaseException:
            batch.settle()
            raise
        return batch

    def _fill(self, batch: Batch, items: Sequence[Item]) -> None:
        for prediction, loan in (item.content for item in items):
            if prediction.failure is not None:
                self._sources.failed(prediction.frame, prediction.failure)
                continue
            batch.frames.append(self._sources.frame(loan))
            batch.predictions.append(prediction)
        if not batch.frames:
            return
        self._watch.started(batch.frames)
        if self._on_video_frame is not None:
            results = self._on_video_frame(list(batch.frames))
            batch.predictions = checked_results(results, len(batch.frames))
        else:
            batch.predictions = [one.to_dict(whole_pixels=True) for one in batch.predictions]
        self._watch.ready(batch.frames)
        self._sources.completed(batch.frames)
