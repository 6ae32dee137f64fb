"""What a pipeline does with its frames, as it was told when it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpipeline.inference_pipeline.assembly import Feed
from mpipeline.inference_pipeline.entities import SinkHandler, SinkMode, VideoFrame
from mpipeline.inference_pipeline.reporting import Handler
from mpipeline.inference_pipeline.watchdog import PipelineWatchDog

Hook = Callable[[], Any]


@dataclass(frozen=True)
class Work:
    """`model` and `tracker` are those parts of the config; `on_video_frame` stands in place of a model."""

    feed: Feed
    watchdog: PipelineWatchDog
    model: Mapping[str, Any] | None = None
    tracker: Mapping[str, Any] | None = None
    on_video_frame: Callable[[list[VideoFrame]], Any] | None = None
    on_prediction: SinkHandler | None = None
    on_pipeline_start: Hook | None = None
    on_pipeline_end: Hook | None = None
    sink_mode: SinkMode = SinkMode.ADAPTIVE
    handlers: tuple[Handler, ...] = field(default_factory=tuple)
