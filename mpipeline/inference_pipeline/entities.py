"""The nouns of this interface in one place: frames, updates, sources and reports."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.choices import (
    BufferConsumptionStrategy,
    BufferFillingStrategy,
    SinkMode,
    StreamState,
    UpdateSeverity,
    VideoProcessingMode,
    as_enum,
)
from mpipeline.inference_pipeline.events import StatusUpdate
from mpipeline.inference_pipeline.video_frame import VideoFrame

__all__ = [
    "AnyPrediction",
    "BufferConsumptionStrategy",
    "BufferFillingStrategy",
    "CompletionStatistics",
    "DroppedFrames",
    "LatencyMonitorReport",
    "PipelineStateReport",
    "SinkHandler",
    "SinkMode",
    "SourceCompletion",
    "SourceMetadata",
    "SourceProperties",
    "StatusUpdate",
    "StatusUpdateHandler",
    "StreamState",
    "UpdateSeverity",
    "VideoFrame",
    "VideoFrameProducer",
    "VideoProcessingMode",
    "VideoSourceIdentifier",
    "as_enum",
]

AnyPrediction = dict[str, Any]
# One frame and its prediction; or, for a batch, two lists with a place for each source, None where it has no frame.
SinkHandler = Callable[[Any, Any], None]
StatusUpdateHandler = Callable[[StatusUpdate], None]


@dataclass(frozen=True)
class SourceProperties:
    """What is known of a source when it is open. `fps` is what it declares, 0 if unknown; `total_frames` is 0 or less
    for a live one. `is_reconnectable` False: it is not opened again after its end. `timestamp_created`: when the first
    frame of a file was recorded, local time."""

    width: int
    height: int
    total_frames: int
    is_file: bool
    fps: float
    is_reconnectable: bool | None = None
    timestamp_created: datetime | None = None


@dataclass(frozen=True)
class SourceMetadata:
    """A source and how it is read. `source_reference` is fit to be shown: without passwords."""

    source_properties: SourceProperties | None
    source_reference: str
    buffer_size: int
    state: StreamState
    buffer_filling_strategy: BufferFillingStrategy | None
    buffer_consumption_strategy: BufferConsumptionStrategy | None
    source_id: int | None = None


class VideoFrameProducer(Protocol):
    """A source of one's own: what a function given as `video_reference` returns, each time the source is opened.

    It may also have `connection_error_message() -> str` and `interrupt()`, which ends a `grab` from another thread.
    """

    @abstractmethod
    def isOpened(self) -> bool:
        """Whether frames can be grabbed."""

    @abstractmethod
    def grab(self) -> bool:
        """Goes to the next frame, waiting for it; False at the end."""

    @abstractmethod
    def retrieve(self) -> tuple[bool, Pixels]:
        """Whether there is a frame, and that frame: (height, width, 3) uint8 in BGR order."""

    @abstractmethod
    def release(self) -> None:
        """Gives everything back; no other call follows."""

    @abstractmethod
    def discover_source_properties(self) -> SourceProperties:
        """What is known of the source, asked once after it was opened."""

    def initialize_source_properties(self, properties: dict[str, float]) -> None:
        """Takes the `video_source_properties` of the pipeline; asked before the first grab."""


VideoSourceIdentifier = str | int | Callable[[], VideoFrameProducer]


@dataclass(frozen=True)
class LatencyMonitorReport:
    """Means over the last frames of one source, in seconds; None if nothing was measured.

    `frame_decoding_latency`: from the arrival of the frame's data until inference begins. `inference_latency`: from
    there until the prediction is ready. `e2e_latency`: from the arrival until the sinks have returned.
    """

    source_id: int | None = None
    frame_decoding_latency: float | None = None
    inference_latency: float | None = None
    e2e_latency: float | None = None


@dataclass(frozen=True)
class SourceCompletion:
    """How far one source has come: the frames with which the sinks are done, the last of them, and when (monotonic
    clock, seconds)."""

    source_id: int | None
    completed_frames: int
    last_completed_at_monotonic: float | None = None
    last_frame_id: int | None = None


@dataclass(frozen=True)
class CompletionStatistics:
    """How far every source has come at one moment of the monotonic clock, in seconds."""

    sampled_at_monotonic: float
    sources: list[SourceCompletion] = field(default_factory=list)


@dataclass(frozen=True)
class DroppedFrames:
    """How many frames of a source were not delivered for one cause."""

    source_id: int | None
    cause: str
    frames: int


@dataclass(frozen=True)
class PipelineStateReport:
    """What a watchdog knows. `inference_throughput` is in frames a second, of all sources together."""

    video_source_status_updates: list[StatusUpdate]
    latency_reports: list[LatencyMonitorReport]
    inference_throughput: float
    sources_metadata: list[SourceMetadata]
    completion_statistics: CompletionStatistics | None = None
    dropped_frames: list[DroppedFrames] = field(default_factory=list)
