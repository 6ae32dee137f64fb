"""When pictures of one and of several sources are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.video_frames import BEGIN, frame

from mpipeline.inference_pipeline.sinks.joint_timeline import JointTimeline
from mpipeline.inference_pipeline.video_frame import VideoFrame
from mpipeline.sinks.timeline import TICKS_PER_S


def seconds(timeline: JointTimeline, *batches: list[VideoFrame | None]) -> list[float]:
    return [round(timeline.place(batch)[0] / TICKS_PER_S, 3) for batch in batches]


def at(pts: float | None, frame_id: int, source_id: int = 0, **known: Any) -> VideoFrame:
    return frame(frame_id, source_id, pts=pts, **known)


def test_a_source_with_pts_keeps_its_times() -> None:
    batches = [[at(pts, number)] for number, pts in enumerate([3.0, 3.04, 3.5, 9.0], 1)]
    assert seconds(JointTimeline(), *batches) == [0.0, 0.04, 0.5, 6.0]


def test_a_live_source_without_pts_has_its_capture_times() -> None:
    batches = [[at(None, number, captured_ns=ns)] for number, ns in enumerate([10**9, 2 * 10**9, 5 * 10**9], 1)]
    assert seconds(JointTimeline(), *batches) == [0.0, 1.0, 4.0]


@pytest.mark.parametrize("captured_ns", [None, 5])
def test_a_file_without_pts_has_the_times_of_its_frames_not_of_their_processing(captured_ns: int | None) -> None:
    batches = [
        [
            at(
                None,
                n,
                frame_timestamp=BEGIN + timedelta(seconds=n / 10),
                captured_ns=captured_ns,
                comes_from_video_file=True,
            )
        ]
        for n in range(1, 5)
    ]
    assert seconds(JointTimeline(), *batches) == [0.0, 0.1, 0.2, 0.3]


def test_of_several_sources_the_one_that_is_furthest_leads() -> None:
    batches = [[at(100 + n / 30, n, 0), at(n / 10, n, 1)] for n in range(1, 4)]
    assert seconds(JointTimeline(), *batches) == [0.0, 0.1, 0.2]


def test_a_source_that_comes_late_or_goes_early_does_not_turn_time_back() -> None:
    first = [[at(n / 10, n, 0), None] for n in range(1, 4)]
    both = [[at(n / 10, n, 0), at(50 + n / 10, n, 1)] for n in range(4, 6)]
    last = [[None, at(50 + n / 10, n, 1)] for n in range(6, 8)]
    shown = seconds(JointTimeline(), *first, *both, *last)
    assert shown == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], abs=0.1)
    assert shown == sorted(set(shown))


def test_a_clock_that_begins_anew_goes_on_from_here() -> None:
    batches = [[at(pts, number)] for number, pts in enumerate([500.0, 500.1, 0.0, 0.1], 1)]
    assert seconds(JointTimeline(), *batches) == pytest.approx([0.0, 0.1, 0.14, 0.24], abs=0.001)


def test_a_batch_without_frames_takes_a_step() -> None:
    batches: list[list[VideoFrame | None]] = [[at(0.0, 1)], [None], [at(0.5, 3)]]
    assert seconds(JointTimeline(), *batches) == [0.0, 0.04, 0.5]


def test_frames_of_one_moment_stand_one_behind_the_other() -> None:
    timeline = JointTimeline()
    ticks = [timeline.place([at(0.0, 1)])[0] for _ in range(3)]
    assert ticks == [0, 1, 2]


def test_a_rate_gives_each_picture_the_same_time() -> None:
    batches = [[at(pts, number)] for number, pts in enumerate([3.0, 3.04, 90.0], 1)]
    timeline = JointTimeline(rate=10)
    assert seconds(timeline, *batches) == [0.0, 0.1, 0.2]
    assert timeline.place([None]) == (18_000, 6_000)
