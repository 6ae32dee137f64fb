"""Thinning by max_fps: by pts for files, by the capture clock for live streams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpipeline.clock import NS_PER_S
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.sources.source import GrabbedFrame, StreamInfo
from mpipeline.workers.pace import Pace

FORMAT = FrameFormat(PixelFormat.GRAY8, 16, 16)


def grabbed(pts: float | None, captured_s: float = 0.0) -> GrabbedFrame:
    return GrabbedFrame(FORMAT, pts, int(captured_s * NS_PER_S), 0)


def accepted(pace: Pace, times: list[float], live: bool = False) -> int:
    info = StreamInfo(live, 16, 16)
    frames = [grabbed(None if live else t, t if live else 0.0) for t in times]
    return sum(pace.accepts(frame, frame_id, info) for frame_id, frame in enumerate(frames, start=1))


def test_without_a_limit_all_are_accepted() -> None:
    assert accepted(Pace(None), [0.0] * 10) == 10


@pytest.mark.parametrize(("rate", "limit", "expected"), [(30, 10, 100), (25, 10, 100), (30, 7, 70), (10, 30, 100)])
@pytest.mark.parametrize("live", [False, True])
def test_the_average_is_right_even_if_it_does_not_divide_the_rate(
    rate: int, limit: int, expected: int, live: bool
) -> None:
    times = [i / rate for i in range(10 * rate)]
    assert abs(accepted(Pace(limit), times, live) - expected) <= 1


def test_timestamps_rounded_to_milliseconds_lose_no_frame() -> None:
    assert accepted(Pace(30), [round(i / 30, 3) for i in range(300)]) == 300


def test_a_jump_starts_a_new_count() -> None:
    pace = Pace(10)
    assert accepted(pace, [0.0, 0.01, 1000.0, 1000.01, 3.0, 3.01]) == 3


def test_a_file_without_times_is_counted_by_its_rate() -> None:
    pace, info = Pace(10), StreamInfo(False, 16, 16, rate=30.0)
    assert sum(pace.accepts(grabbed(None), frame_id, info) for frame_id in range(1, 301)) == 100


def test_restart_accepts_the_next() -> None:
    pace = Pace(1)
    assert accepted(pace, [0.0, 0.1]) == 1
    pace.restart()
    assert accepted(pace, [0.2, 0.3]) == 1


@given(st.lists(st.floats(0, 1, allow_nan=False), max_size=100), st.sampled_from([0.5, 1, 7.3, 24, 100]))
def test_never_more_than_the_limit_over_any_stretch(gaps: list[float], limit: float) -> None:
    """Of frames that come in order; one more than the limit is allowed at either end, for rounding and bursts."""
    pace, time, kept = Pace(limit), 0.0, []
    for gap in gaps:
        time += gap
        if pace.accepts(grabbed(time), 1, StreamInfo(False, 16, 16)):
            kept.append(time)
    span = kept[-1] - kept[0] if kept else 0.0
    assert len(kept) <= span * limit + 2 + 11 * (span > 0)
