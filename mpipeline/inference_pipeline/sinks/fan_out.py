"""`multi_sink`: several sinks in the place of one."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from typing import Any

from mpipeline.inference_pipeline.entities import SinkHandler
from mpipeline.inference_pipeline.sinks import calling_thread


def multi_sink(predictions: Any, video_frame: Any, sinks: Sequence[SinkHandler]) -> None:
    """Calls each sink in turn; what one raises is logged, and the others are called all the same.

    For use as `on_prediction=functools.partial(multi_sink, sinks=[...])`.
    """
    for sink in sinks:
        try:
            sink(predictions, video_frame)
        except Exception as error:  # noqa: BLE001 - a sink of the user's may raise anything
            text = f"{_name(sink)} failed with {_frames(video_frame)}: {type(error).__name__}: {error}{_place(error)}"
            calling_thread.report("sink errors", text, level=logging.ERROR, sink=_name(sink))


def _name(sink: Any) -> str:
    function = getattr(sink, "func", sink)  # what a partial calls
    return getattr(function, "__qualname__", type(function).__qualname__)


def _frames(video_frame: Any) -> str:
    frames = video_frame if isinstance(video_frame, list) else [video_frame]
    ids = [f"{frame.frame_id} of source {frame.source_id}" for frame in frames if hasattr(frame, "frame_id")]
    return f"frame {', '.join(ids)}" if ids else "no frame"


def _place(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({where.filename}:{where.lineno} in {where.name})"
