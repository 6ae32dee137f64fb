"""§7: what watchdogs see and report."""

from __future__ import annotations

import dataclasses

import pytest
from support.video_frames import NS_PER_FRAME, frame

from mpipeline.clock import ManualClock
from mpipeline.inference_pipeline.choices import (
    BufferConsumptionStrategy,
    BufferFillingStrategy,
    StreamState,
    UpdateSeverity,
)
from mpipeline.inference_pipeline.entities import SourceMetadata, StatusUpdate, VideoFrame
from mpipeline.inference_pipeline.events import (
    CAUSE_EAGER,
    CAUSE_STALENESS,
    EVENTS,
    FRAME_DROPPED_EVENT,
    SOURCE_STATE_UPDATE_EVENT,
    status_update,
)
from mpipeline.inference_pipeline.watchdog import (
    BasePipelineWatchDog,
    DescribedSource,
    NullPipelineWatchdog,
    PipelineWatchDog,
)


class Source:
    def __init__(self, source_id: int) -> None:
        self.source_id = source_id

    def describe_source(self) -> SourceMetadata:
        return SourceMetadata(
            None,
            f"camera-{self.source_id}",
            64,
            StreamState.RUNNING,
            BufferFillingStrategy.WAIT,
            BufferConsumptionStrategy.LAZY,
            self.source_id,
        )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start_ns=0)


def go(watchdog: PipelineWatchDog, clock: ManualClock, *frames: VideoFrame) -> None:
    """0.01 s until inference begins, 0.02 s of it, and 0.03 s in queue and sink."""
    clock.now_ns = max(each.captured_ns or 0 for each in frames)
    clock.advance(0.01)
    watchdog.on_model_inference_started(list(frames))
    clock.advance(0.02)
    watchdog.on_model_prediction_ready(list(frames))
    clock.advance(0.03)
    watchdog.on_model_prediction_completed(list(frames))


def drop(cause: str, source_id: int = 0) -> StatusUpdate:
    return status_update(FRAME_DROPPED_EVENT, {"frame_id": 1, "source_id": source_id, "cause": cause})


def test_7_latencies_are_means_in_seconds_and_the_whole_one_includes_the_sink(clock: ManualClock) -> None:
    watchdog = BasePipelineWatchDog(clock)
    for number in range(1, 4):
        go(watchdog, clock, frame(number))
    (report,) = watchdog.get_report().latency_reports
    assert report.source_id == 0
    assert report.frame_decoding_latency == pytest.approx(0.01)
    assert report.inference_latency == pytest.approx(0.02)
    assert report.e2e_latency == pytest.approx(0.06)


def test_7_means_are_over_the_last_64_frames(clock: ManualClock) -> None:
    watchdog = BasePipelineWatchDog(clock)
    clock.now_ns = 1000 * NS_PER_FRAME
    watchdog.on_model_inference_started([frame(1)])  # nearly 40 s old
    for number in range(1001, 1065):
        go(watchdog, clock, frame(number))
    assert watchdog.get_report().latency_reports[0].frame_decoding_latency == pytest.approx(0.01)


def test_7_each_source_has_its_report_and_a_stalled_inference_of_one_does_not_blur_them(clock: ManualClock) -> None:
    watchdog = BasePipelineWatchDog(clock)
    go(watchdog, clock, frame(1, 1), frame(1, 0))
    watchdog.on_model_inference_started([frame(2, 1)])
    first, second = watchdog.get_report().latency_reports
    assert (first.source_id, second.source_id) == (0, 1)
    assert first.inference_latency == second.inference_latency == pytest.approx(0.02)


def test_7_what_was_not_measured_is_none(clock: ManualClock) -> None:
    watchdog = BasePipelineWatchDog(clock)
    watchdog.on_model_inference_started([frame(1, captured_ns=None, comes_from_video_file=True)])
    watchdog.on_model_prediction_completed([frame(1, captured_ns=None, comes_from_video_file=True)])
    (report,) = watchdog.get_report().latency_reports
    assert (report.frame_decoding_latency, report.inference_latency, report.e2e_latency) == (None, None, None)


def test_7_throughput_counts_the_frames_of_all_sources(clock: ManualClock) -> None:
    watchdog = BasePipelineWatchDog(clock)
    assert watchdog.get_report().inference_throughput == 0.0
    for number in range(1, 40):
        go(watchdog, clock, frame(number, 0), frame(number, 1))
    assert watchdog.get_report().inference_throughput == pytest.approx(50, rel=0.05)


def test_7_the_last_512_updates_above_debug_are_kept() -> None:
    watchdog = BasePipelineWatchDog()
    for event in EVENTS:
        watchdog.on_status_update(status_update(event))
    kept = watchdog.get_report().video_source_status_updates
    assert [each.event_type for each in kept] == [e for e, (s, _) in EVENTS.items() if s > UpdateSeverity.DEBUG]
    for number in range(600):
        watchdog.on_status_update(status_update(SOURCE_STATE_UPDATE_EVENT, {"number": number}))
    kept = watchdog.get_report().video_source_status_updates
    assert [each.payload["number"] for each in kept] == list(range(88, 600))


def test_7_every_drop_is_counted_under_its_cause() -> None:
    watchdog = BasePipelineWatchDog()
    for update in [drop(CAUSE_EAGER), drop(CAUSE_EAGER), drop(CAUSE_STALENESS), drop(CAUSE_EAGER, 1)]:
        watchdog.on_status_update(update)
    counted = {(each.source_id, each.cause): each.frames for each in watchdog.get_report().dropped_frames}
    assert counted == {(0, CAUSE_EAGER): 2, (0, CAUSE_STALENESS): 1, (1, CAUSE_EAGER): 1}


def test_causes_without_end_take_no_memory_without_end() -> None:
    watchdog = BasePipelineWatchDog()
    for number in range(1000):
        watchdog.on_status_update(drop(f"cause {number}"))
    dropped = watchdog.get_report().dropped_frames
    assert len(dropped) <= 257
    assert sum(each.frames for each in dropped) == 1000


def test_frames_that_never_come_back_from_inference_take_no_memory_without_end(clock: ManualClock) -> None:
    watchdog = BasePipelineWatchDog(clock)
    for number in range(5000):
        watchdog.on_model_inference_started([frame(number)])
    assert len(watchdog._started_ns) == 4096


def test_7_sources_are_described() -> None:
    watchdog = BasePipelineWatchDog()
    watchdog.register_video_sources([Source(0), Source(1)])
    described = watchdog.get_report().sources_metadata
    assert [each.source_reference for each in described] == ["camera-0", "camera-1"]


def test_7_completion_tells_how_far_each_source_has_come(clock: ManualClock) -> None:
    watchdog = BasePipelineWatchDog(clock)
    go(watchdog, clock, frame(1, 0), frame(1, 1))
    go(watchdog, clock, frame(2, 0))
    clock.advance(1.0)
    completion = watchdog.get_report().completion_statistics
    assert completion is not None
    assert completion.sampled_at_monotonic == pytest.approx(1.14)
    first, second = completion.sources
    assert dataclasses.astuple(first) == (0, 2, pytest.approx(0.14), 2)
    assert dataclasses.astuple(second) == (1, 1, pytest.approx(0.10), 1)


def test_7_a_report_can_be_turned_into_plain_values(clock: ManualClock) -> None:
    watchdog = BasePipelineWatchDog(clock)
    watchdog.register_video_sources([Source(0)])
    watchdog.on_status_update(drop(CAUSE_EAGER))
    go(watchdog, clock, frame(1))
    report = dataclasses.asdict(watchdog.get_report())
    assert set(report) == {
        "video_source_status_updates",
        "latency_reports",
        "inference_throughput",
        "sources_metadata",
        "completion_statistics",
        "dropped_frames",
    }
    assert report["sources_metadata"][0]["state"] == "RUNNING"


def test_a_batch_may_have_empty_places(clock: ManualClock) -> None:
    watchdog = BasePipelineWatchDog(clock)
    frames: list[VideoFrame] = [frame(1), None]  # type: ignore[list-item]
    watchdog.on_model_inference_started(frames)
    watchdog.on_model_prediction_ready(frames)
    watchdog.on_model_prediction_completed(frames)
    assert len(watchdog.get_report().latency_reports) == 1


def test_7_the_null_watchdog_takes_everything_and_reports_nothing(clock: ManualClock) -> None:
    watchdog = NullPipelineWatchdog()
    watchdog.register_video_sources([Source(0)])
    watchdog.on_status_update(drop(CAUSE_EAGER))
    go(watchdog, clock, frame(1))
    assert watchdog.get_report() is None


def test_7_completion_and_report_are_optional_in_a_watchdog_of_ones_own(clock: ManualClock) -> None:
    class Own(PipelineWatchDog):
        seen = 0

        def register_video_sources(self, video_sources: list[DescribedSource]) -> None: ...

        def on_status_update(self, status_update: StatusUpdate) -> None: ...

        def on_model_inference_started(self, frames: list[VideoFrame]) -> None: ...

        def on_model_prediction_ready(self, frames: list[VideoFrame]) -> None:
            self.seen += len(frames)

    own = Own()
    go(own, clock, frame(1))
    assert (own.seen, own.get_report()) == (1, None)
    with pytest.raises(TypeError, match="abstract"):
        PipelineWatchDog()  # type: ignore[abstract]


def test_a_signal_handler_may_ask_for_a_report_while_a_frame_is_noted() -> None:
    """Which it does in the same thread: as here, when the clock is read."""

    class Interrupted(ManualClock):
        reports = 0

        def monotonic_ns(self) -> int:
            if self.reports < 3:
                self.reports += 1
                watchdog.get_report()
            return super().monotonic_ns()

    clock = Interrupted(start_ns=0)
    watchdog = BasePipelineWatchDog(clock)
    go(watchdog, clock, frame(0, 1))
    assert clock.reports == 3
