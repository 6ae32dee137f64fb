"""§7: status updates, their severity and context, and what a custom source has to have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mpipeline.clock import ManualClock
from mpipeline.frame import Pixels
from mpipeline.inference_pipeline import events
from mpipeline.inference_pipeline.choices import UpdateSeverity
from mpipeline.inference_pipeline.entities import SourceProperties, VideoFrameProducer
from mpipeline.inference_pipeline.video_frame import local_time


@pytest.mark.parametrize(
    ("event", "severity", "context"),
    [
        ("INFERENCE_THREAD_STARTED", "INFO", "inference_pipeline"),
        ("INFERENCE_THREAD_FINISHED", "INFO", "inference_pipeline"),
        ("INFERENCE_COMPLETED", "DEBUG", "inference_pipeline"),
        ("INFERENCE_ERROR", "ERROR", "inference_pipeline"),
        ("INFERENCE_RESULTS_DISPATCHING_ERROR", "ERROR", "inference_pipeline"),
        ("SOURCE_STATE_UPDATE", "INFO", "video_source"),
        ("SOURCE_ERROR", "ERROR", "video_source"),
        ("VIDEO_CONSUMPTION_STARTED", "INFO", "video_source"),
        ("VIDEO_CONSUMPTION_FINISHED", "INFO", "video_source"),
        ("FRAME_CAPTURED", "DEBUG", "video_source"),
        ("FRAME_CONSUMED", "DEBUG", "video_source"),
        ("FRAME_DROPPED", "DEBUG", "video_source.video_consumer"),
    ],
)
def test_7_every_event_has_its_severity_and_context(event: str, severity: str, context: str) -> None:
    assert getattr(events, f"{event}_EVENT") == event
    clock = ManualClock()
    update = events.status_update(event, {"source_id": 1}, clock)
    assert (update.severity.name, update.context, update.event_type) == (severity, context, event)
    assert update.payload == {"source_id": 1}
    assert update.timestamp == local_time(clock.wall_ns())


def test_7_an_update_without_a_payload_has_an_empty_one() -> None:
    update = events.status_update(events.INFERENCE_THREAD_STARTED_EVENT)
    assert update.payload == {}
    assert update.severity is UpdateSeverity.INFO


class Producer(VideoFrameProducer):
    """What a user writes: `initialize_source_properties` is the only verb that may be left out."""

    def isOpened(self) -> bool:
        return True

    def grab(self) -> bool:
        return True

    def retrieve(self) -> tuple[bool, Pixels]:
        return True, np.zeros((2, 2, 3), np.uint8)

    def release(self) -> None: ...

    def discover_source_properties(self) -> SourceProperties:
        return SourceProperties(2, 2, 0, False, 25.0)


def test_2_1_a_producer_can_leave_out_properties_and_nothing_else() -> None:
    producer = Producer()
    producer.initialize_source_properties({"exposure": 1})
    assert producer.discover_source_properties().is_reconnectable is None

    class Incomplete(VideoFrameProducer):
        def isOpened(self) -> bool:
            return True

    incomplete: Any = Incomplete
    with pytest.raises(TypeError, match="grab"):
        incomplete()
