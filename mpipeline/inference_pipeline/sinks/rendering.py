"""`render_boxes`: draws predictions into frames and hands the pictures on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.sinks import calling_thread
from mpipeline.inference_pipeline.sinks.annotation import Annotators, UnknownFormat, annotated
from mpipeline.inference_pipeline.sinks.display import display_image
from mpipeline.inference_pipeline.sinks.letterbox import letterbox
from mpipeline.inference_pipeline.sinks.rendered import Rendered
from mpipeline.inference_pipeline.sinks.statistics_text import write_statistics

DISPLAY_SIZE = (1280, 720)
_ABSENT_SIZE = (256, 256)


class FrameCounter(Protocol):
    """What counts frames: `FpsMonitor`, or `supervision.FPSMonitor`."""

    def tick(self) -> None:
        """One more frame."""

    @property
    def fps(self) -> float:
        """Frames a second."""


def render_boxes(
    predictions: Any,
    video_frame: VideoFrame | list[VideoFrame | None] | None,
    annotator: Any = None,
    display_size: tuple[int, int] | None = DISPLAY_SIZE,
    fps_monitor: FrameCounter | None = None,
    display_statistics: bool = False,
    on_frame_rendered: Callable[[Rendered], None] = display_image,
) -> None:
    """Draws a prediction into a copy of its frame, or each of a batch, and calls `on_frame_rendered` with it.

    `annotator`: one of `supervision`, or a list of them; by default boxes and class names, the masks of instance
    segmentation, the skeletons of key points. Classes of a whole picture are written into its corner. A prediction
    of an unknown format is logged, and its picture shown as it is. `display_size` (width, height): the picture is
    scaled into it, proportions kept; None leaves its size. `display_statistics` writes latency and throughput;
    `fps_monitor` counts the frames for it (default: one for the calling thread).

    `on_frame_rendered` gets `(source_id, picture)`, or for a batch a list of `(place in the batch, picture)`, with a
    black picture where a source has no frame. The default shows a window, or says once how to see pictures without one.
    """
    counter = fps_monitor if fps_monitor is not None else calling_thread.fps_monitor()
    is_batch = isinstance(video_frame, list)
    frames: Sequence[VideoFrame | None] = video_frame if isinstance(video_frame, list) else [video_frame]
    results = predictions if is_batch else [predictions]
    pictures = []
    for frame, prediction in zip(frames, results, strict=True):
        if frame is not None:
            counter.tick()
        picture = _annotated_or_plain(frame, prediction, annotator)
        if display_size is not None:
            picture = letterbox(picture, display_size)
        pictures.append(write_statistics(picture, frame, counter.fps) if display_statistics else picture)
    if is_batch:
        on_frame_rendered(list(enumerate(pictures)))
    else:
        on_frame_rendered((None if frames[0] is None else frames[0].source_id, pictures[0]))


def _annotated_or_plain(frame: VideoFrame | None, prediction: Any, annotator: Annotators) -> Pixels:
    if frame is None:
        return np.zeros((*_ABSENT_SIZE, 3), np.uint8)
    canvas = frame.image.copy()
    try:
        return np.asarray(annotated(canvas, prediction, annotator))
    except UnknownFormat as error:
        text = f"cannot draw the prediction of frame {frame.frame_id} of source {frame.source_id}: {error}"
        calling_thread.report("predictions of an unknown format", text)
        return np.array(frame.image)
