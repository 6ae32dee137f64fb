"""Status updates: what can happen in a pipeline, as handlers and the watchdog are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mpipeline.clock import Clock, SystemClock
from mpipeline.inference_pipeline.choices import UpdateSeverity
from mpipeline.inference_pipeline.video_frame import local_time

INFERENCE_THREAD_STARTED_EVENT = "INFERENCE_THREAD_STARTED"
INFERENCE_THREAD_FINISHED_EVENT = "INFERENCE_THREAD_FINISHED"
INFERENCE_COMPLETED_EVENT = "INFERENCE_COMPLETED"
INFERENCE_ERROR_EVENT = "INFERENCE_ERROR"
INFERENCE_RESULTS_DISPATCHING_ERROR_EVENT = "INFERENCE_RESULTS_DISPATCHING_ERROR"
SOURCE_STATE_UPDATE_EVENT = "SOURCE_STATE_UPDATE"
SOURCE_ERROR_EVENT = "SOURCE_ERROR"
SOURCE_CONNECTION_ATTEMPT_FAILED_EVENT = "SOURCE_CONNECTION_ATTEMPT_FAILED"
SOURCE_CONNECTION_LOST_EVENT = "SOURCE_CONNECTION_LOST"
VIDEO_CONSUMPTION_STARTED_EVENT = "VIDEO_CONSUMPTION_STARTED"
VIDEO_CONSUMPTION_FINISHED_EVENT = "VIDEO_CONSUMPTION_FINISHED"
FRAME_CAPTURED_EVENT = "FRAME_CAPTURED"
FRAME_CONSUMED_EVENT = "FRAME_CONSUMED"
FRAME_DROPPED_EVENT = "FRAME_DROPPED"

PIPELINE_CONTEXT = "inference_pipeline"
SOURCE_CONTEXT = "video_source"
CONSUMER_CONTEXT = "video_source.video_consumer"

# Event → how much it matters, and where it comes from.
EVENTS: dict[str, tuple[UpdateSeverity, str]] = {
    INFERENCE_THREAD_STARTED_EVENT: (UpdateSeverity.INFO, PIPELINE_CONTEXT),
    INFERENCE_THREAD_FINISHED_EVENT: (UpdateSeverity.INFO, PIPELINE_CONTEXT),
    INFERENCE_COMPLETED_EVENT: (UpdateSeverity.DEBUG, PIPELINE_CONTEXT),
    INFERENCE_ERROR_EVENT: (UpdateSeverity.ERROR, PIPELINE_CONTEXT),
    INFERENCE_RESULTS_DISPATCHING_ERROR_EVENT: (UpdateSeverity.ERROR, PIPELINE_CONTEXT),
    SOURCE_STATE_UPDATE_EVENT: (UpdateSeverity.INFO, SOURCE_CONTEXT),
    SOURCE_ERROR_EVENT: (UpdateSeverity.ERROR, SOURCE_CONTEXT),
    SOURCE_CONNECTION_ATTEMPT_FAILED_EVENT: (UpdateSeverity.WARNING, SOURCE_CONTEXT),
    SOURCE_CONNECTION_LOST_EVENT: (UpdateSeverity.WARNING, SOURCE_CONTEXT),
    VIDEO_CONSUMPTION_STARTED_EVENT: (UpdateSeverity.INFO, SOURCE_CONTEXT),
    VIDEO_CONSUMPTION_FINISHED_EVENT: (UpdateSeverity.INFO, SOURCE_CONTEXT),
    FRAME_CAPTURED_EVENT: (UpdateSeverity.DEBUG, SOURCE_CONTEXT),
    FRAME_CONSUMED_EVENT: (UpdateSeverity.DEBUG, SOURCE_CONTEXT),
    FRAME_DROPPED_EVENT: (UpdateSeverity.DEBUG, CONSUMER_CONTEXT),
}

# Causes of FRAME_DROPPED. Every frame that is not delivered is reported with one.
CAUSE_MUTED = "Buffering not allowed at the moment"
CAUSE_DROP_OLDEST = "DROP_OLDEST strategy"
CAUSE_DROP_LATEST = "DROP_LATEST strategy"
CAUSE_EAGER = "EAGER strategy"
CAUSE_RATE_LIMIT = "MAX_FPS limit"
CAUSE_STALENESS = "STALENESS_BUDGET_EXCEEDED"
CAUSE_RESULTS_QUEUE_FULL = "PREDICTIONS_QUEUE_FULL"


@dataclass(frozen=True)
class StatusUpdate:
    """Something that happened. `timestamp` is local time without a time zone; `payload` depends on `event_type`."""

    timestamp: datetime
    severity: UpdateSeverity
    event_type: str
    payload: dict[str, Any] = field(default_factory=dict)
    context: str = PIPELINE_CONTEXT


def status_update(event_type: str, payload: dict[str, Any] | None = None, clock: Clock | None = None) -> StatusUpdate:
    """An update of one of `EVENTS` that happens now."""
    severity, context = EVENTS[event_type]
    now_ns = (clock or SystemClock()).wall_ns()
    return StatusUpdate(local_time(now_ns), severity, event_type, payload or {}, context)
