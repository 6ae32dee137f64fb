"""What is known of a source: its states as they are told, its frames as they are described, what may be asked of it."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpipeline.clock import NS_PER_S
from mpipeline.errors import StreamOperationNotAllowedError
from mpipeline.frame import Frame, FrameMeta
from mpipeline.inference_pipeline.arguments import feed_of
from mpipeline.inference_pipeline.assembly import assemble
from mpipeline.inference_pipeline.choices import BufferConsumptionStrategy, BufferFillingStrategy, StreamState
from mpipeline.inference_pipeline.events import StatusUpdate
from mpipeline.inference_pipeline.frames import Picture
from mpipeline.inference_pipeline.reporting import Reporter
from mpipeline.inference_pipeline.sources import Sources
from mpipeline.inference_pipeline.verdict import verdict
from mpipeline.messages import PlayMode
from mpipeline.supervisor.status import RunStatus, SourceStatus, WorkerStatus

PATTERN = "TestPatternStreamProducer"


class Bench:
    """The sources of a pipeline that does not run; `away` is what the collector was told."""

    def __init__(self, count: int = 1, **arguments: Any) -> None:
        given = {"max_fps": None, "strategies": (None, None), "properties": None, "batch_collection_timeout": None}
        given |= {"processing": (None, None), "decoding_buffer_size": 64, **arguments}
        self.feed = feed_of([PATTERN] * count, **given)
        self.updates: list[StatusUpdate] = []
        self.away: dict[int, bool] = {}
        receiver: Any = None
        self.plan = assemble(self.feed, None, receiver).plan
        self.made = Sources(self.plan, self.feed, self, Reporter([self.updates.append]))  # type: ignore[arg-type]

    def set_away(self, source: int, away: bool) -> None:
        self.away[source] = away

    def describe(self, source: int, live: bool, rate: float) -> None:
        pass

    def learn(self, state: str, **known: Any) -> None:
        """The engine says this of every source."""
        names = [spec.name for spec in self.plan.config.sources]
        known = {"live": True, "width": 4, "height": 4, "rate": 10.0, **known}
        self.made.learn(RunStatus("run", "running", tuple(SourceStatus(n, state, **known) for n in names), (), {}))

    def told(self) -> list[str]:
        """Events since the last call; state updates as the new state."""
        told = [
            one.payload["new_state"].name if one.event_type == "SOURCE_STATE_UPDATE" else one.event_type
            for one in self.updates
        ]
        self.updates.clear()
        return told


def meta(frame_id: int, pts: float | None = None, rate: float = 10.0) -> FrameMeta:
    return FrameMeta("x", frame_id, pts, frame_id * NS_PER_S // 10, frame_id * NS_PER_S, 4, 4, rate)


def picture() -> Picture:
    return Picture(Frame.from_bgr(meta(1), np.zeros((4, 4, 3), np.uint8)))


def test_the_states_of_a_stream_are_told_once_each() -> None:
    bench = Bench()
    for state in ("CONNECTING", "CONNECTING", "STREAMING", "STREAMING", "RECONNECTING", "STREAMING"):
        bench.learn(state)
    assert bench.told() == ["INITIALISING", "RUNNING", "VIDEO_CONSUMPTION_STARTED", "RESTARTING", "RUNNING"]
    bench.learn("ENDED")
    assert bench.told() == []  # its last frames are still on their way
    bench.made.end(0)
    bench.made.end(0)
    assert bench.told() == ["ENDED", "VIDEO_CONSUMPTION_FINISHED"]


def test_what_the_engine_heard_before_the_first_frame_takes_nothing_back() -> None:
    bench = Bench()
    bench.learn("CONNECTING")
    stream = bench.made.streams[0]
    stream.run()
    bench.learn("CONNECTING")
    assert stream.state is StreamState.RUNNING
    bench.learn("CONNECTING", frames=7)  # its decoder was killed, and begins anew
    assert stream.state is StreamState.INITIALISING


def test_a_failure_is_told_with_its_reason() -> None:
    bench = Bench()
    bench.learn("FAILED", reason="auth_failed", detail="the password is wrong")
    error = next(one for one in bench.updates if one.event_type == "SOURCE_ERROR")
    assert error.payload["error_type"] == "auth_failed"
    assert error.payload["error_message"] == "the password is wrong"
    assert bench.told() == ["ERROR", "SOURCE_ERROR", "VIDEO_CONSUMPTION_FINISHED"]
    bench.made.end(0)
    assert bench.told() == []


def test_a_failure_that_is_learnt_after_the_last_frame_is_no_ordinary_end() -> None:
    bench = Bench()
    bench.learn("STREAMING")
    bench.told()
    bench.made.end(0)
    assert bench.told() == []
    bench.learn("FAILED", reason="truncated")
    assert bench.told() == ["ERROR", "SOURCE_ERROR", "VIDEO_CONSUMPTION_FINISHED"]


def test_an_end_is_told_when_frames_and_engine_have_said_so() -> None:
    bench = Bench()
    bench.learn("STREAMING")
    bench.told()
    bench.made.end(0)
    bench.learn("ENDED")
    assert bench.told() == ["ENDED", "VIDEO_CONSUMPTION_FINISHED"]


def test_an_engine_that_is_over_will_not_say_it_any_more() -> None:
    bench = Bench()
    bench.learn("STREAMING")
    bench.told()
    bench.made.engine_is_over()
    assert bench.told() == []
    bench.made.end(0)
    assert bench.told() == ["ENDED", "VIDEO_CONSUMPTION_FINISHED"]
    other = Bench()
    other.learn("STREAMING")
    other.made.end(0)
    other.told()
    other.made.engine_is_over()
    assert other.told() == ["ENDED", "VIDEO_CONSUMPTION_FINISHED"]


@pytest.mark.parametrize(
    ("state", "reason", "away"),
    [
        ("CONNECTING", "", False),
        ("CONNECTING", "unreachable", True),
        ("STREAMING", "", False),
        ("STALLED", "stalled", True),
        ("RECONNECTING", "timeout", True),
        ("ENDED", "", False),
    ],
)
def test_who_cannot_bring_a_frame_is_away(state: str, reason: str, away: bool) -> None:
    bench = Bench()
    bench.learn("STREAMING")
    bench = bench if state != "CONNECTING" else Bench()
    bench.learn(state, reason=reason)
    assert bench.away == {0: away}


def test_drops_in_the_engine_are_told_one_by_one_under_the_causes_that_users_know() -> None:
    bench = Bench()
    bench.learn("STREAMING", dropped={"muted": 2, "expired": 1})
    bench.learn("STREAMING", dropped={"muted": 3, "expired": 1})
    causes = [one.payload["cause"] for one in bench.updates if one.event_type == "FRAME_DROPPED"]
    assert causes == ["Buffering not allowed at the moment"] * 2 + ["DROP_OLDEST strategy"] + [
        "Buffering not allowed at the moment"
    ]


def test_a_drop_is_told_with_its_frame_if_that_came_here_and_always_with_the_same_keys() -> None:
    bench = Bench()
    bench.learn("STREAMING", dropped={"muted": 1})
    bench.made.dropped(replace(meta(7), source=bench.made.streams[0].name), "EAGER strategy")
    elsewhere, here = (one.payload for one in bench.updates if one.event_type == "FRAME_DROPPED")
    assert here == {
        "frame_id": 7,
        "frame_timestamp": datetime.fromtimestamp(7),
        "cause": "EAGER strategy",
        "source_id": 0,
    }
    assert (elsewhere["frame_id"], elsewhere["frame_timestamp"]) == (None, None)
    assert elsewhere.keys() == here.keys()


# --- pause, mute, resume ----------------------------------------------------------------------------------------------


def test_modes_are_states_of_an_open_source() -> None:
    bench = Bench(2)
    bench.learn("STREAMING")
    assert [one.source_id for one in bench.made.set_mode(1, PlayMode.PAUSE)] == [1]
    assert [one.state for one in bench.made.streams] == [StreamState.RUNNING, StreamState.PAUSED]
    assert bench.away == {0: False, 1: True}
    bench.learn("STREAMING")  # the decoder has not heard of it yet
    assert bench.made.streams[1].state is StreamState.PAUSED
    assert [one.source_id for one in bench.made.set_mode(None, PlayMode.PLAY)] == [1]
    assert bench.away[1] is False
    assert bench.made.set_mode(9, PlayMode.MUTE) == []


@pytest.mark.parametrize("state", ["CONNECTING", "RECONNECTING", "FAILED"])
@pytest.mark.parametrize(
    ("mode", "verb"), [(PlayMode.PAUSE, "PAUSE"), (PlayMode.MUTE, "MUTE"), (PlayMode.PLAY, "RESUME")]
)
def test_what_cannot_be_asked_for_is_refused(state: str, mode: PlayMode, verb: str) -> None:
    bench = Bench()
    bench.learn(state)
    with pytest.raises(StreamOperationNotAllowedError, match=rf"Could not {verb} stream in state: StreamState\."):
        bench.made.set_mode(None, mode)


def test_asking_twice_is_harmless_but_not_for_something_else() -> None:
    bench = Bench()
    bench.learn("STREAMING")
    for _ in range(2):
        bench.made.set_mode(0, PlayMode.MUTE)
    with pytest.raises(StreamOperationNotAllowedError, match="MUTED"):
        bench.made.set_mode(0, PlayMode.PAUSE)


# --- frames -----------------------------------------------------------------------------------------------------------


def test_a_live_frame_has_the_time_of_its_capture_and_a_measured_rate() -> None:
    bench = Bench()
    bench.learn("STREAMING")
    stream = bench.made.streams[0]
    frames = [stream.frame(meta(n), picture()) for n in (1, 2, 5, 6)]
    assert frames[0].frame_timestamp == datetime.fromtimestamp(1)
    assert [frame.measured_fps for frame in frames] == pytest.approx([0.0, 10.0, 10.0, 10.0])
    assert (frames[0].fps, frames[0].total_frames, frames[0].comes_from_video_file) == (10.0, None, False)


@pytest.mark.parametrize("pts", [None, 3.5])
def test_a_file_was_recorded_up_to_its_last_change(tmp_path: Path, pts: float | None) -> None:
    bench = Bench()
    path = tmp_path / "a.mp4"
    path.touch()
    os.utime(path, (1000, 1000))
    stream = bench.made.streams[0]
    object.__setattr__(stream.reference, "path", path)
    bench.learn("STREAMING", live=False, frame_count=50)
    first = stream.frame(meta(1, pts), picture())
    third = stream.frame(meta(3, None if pts is None else pts + 0.2), picture())
    assert first.frame_timestamp == datetime.fromtimestamp(995)
    assert (third.frame_timestamp - first.frame_timestamp).total_seconds() == pytest.approx(0.2)
    assert (first.measured_fps, first.total_frames, first.comes_from_video_file) == (10.0, 50, True)


def test_a_source_describes_itself() -> None:
    bench = Bench(strategies=("DROP_LATEST", None), decoding_buffer_size=9)
    before = bench.made.streams[0].describe_source()
    assert (before.source_properties, before.state) == (None, StreamState.NOT_STARTED)
    bench.learn("STREAMING")
    found = bench.made.streams[0].describe_source()
    assert (found.source_id, found.buffer_size, found.state) == (0, 9, StreamState.RUNNING)
    assert found.source_reference == PATTERN
    assert found.buffer_filling_strategy is BufferFillingStrategy.DROP_LATEST
    assert found.buffer_consumption_strategy is BufferConsumptionStrategy.EAGER
    assert found.source_properties is not None
    assert (found.source_properties.width, found.source_properties.fps) == (4, 10.0)


# --- the end ----------------------------------------------------------------------------------------------------------


def ended(state: str = "ENDED", failure: str = "", **known: Any) -> RunStatus:
    worker = WorkerStatus("inference", "inference", "FATAL" if failure else "EXITED", 0, 0, 0, failure)
    return RunStatus("run", "over", (SourceStatus("gate", state, **known),), (worker,), {})


def test_what_a_run_comes_to() -> None:
    assert verdict(0, ended()) is None
    assert verdict(None, None) is None
    failed = verdict(65, ended("FAILED", reason="truncated", detail="gate: the file ends after 3 of 9 frames"))
    assert "3 of 9" in str(failed)
    assert "no such model" in str(verdict(78, ended(failure="its configuration cannot work: no such model")))
    assert "at each one" in str(verdict(1, ended()))
