"""The timeline keeps the source's times and makes them increase strictly."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from support.predictions import meta

from mpipeline.sinks.timeline import TICKS_PER_S, Timeline


def all_ticks(
    timeline: Timeline, times: list[float | None], *, rate: float = 25.0, ids: list[int] | None = None
) -> list[int]:
    frames = [
        replace(meta("a", number, rate=rate), pts=pts)
        for number, pts in zip(ids or range(1, len(times) + 1), times, strict=True)
    ]
    return [timeline.place(frame)[0].ticks for frame in frames]


def seconds(
    timeline: Timeline, times: list[float | None], *, rate: float = 25.0, ids: list[int] | None = None
) -> list[float]:
    return [ticks / TICKS_PER_S for ticks in all_ticks(timeline, times, rate=rate, ids=ids)]


def test_differences_are_those_of_the_pts() -> None:
    assert seconds(Timeline(), [60.0, 60.04, 60.5, 90.0]) == [0.0, 0.04, 0.5, 30.0]


def test_ntsc_is_exact() -> None:
    times = [n * 1001 / 30000 for n in range(300)]
    timeline = Timeline()
    ticks = [timeline.place(meta("a", n + 1, pts=pts, rate=30000 / 1001))[0].ticks for n, pts in enumerate(times)]
    assert ticks == [n * 2002 for n in range(300)]


def test_without_pts_frame_ids_count_and_gaps_stay() -> None:
    assert seconds(Timeline(), [None, None, None], ids=[1, 2, 5], rate=10.0) == [0.0, 0.1, 0.4]


def test_without_anything_25_hz() -> None:
    assert seconds(Timeline(), [None, None], rate=0.0) == [0.0, 0.04]


def test_a_fixed_rate_ignores_the_pts() -> None:
    assert seconds(Timeline(rate=10), [0.0, 5.0, 5.1]) == [0.0, 0.1, 0.2]


def test_a_clock_that_is_set_back_goes_on_smoothly() -> None:
    """A camera comes back with a pts that starts again."""
    assert seconds(Timeline(), [500.0, 500.04, 0.0, 0.04, 0.5]) == [0.0, 0.04, 0.08, 0.12, 0.58]


def test_a_clock_that_jumps_ahead_needs_the_capture_time_to_be_believed() -> None:
    assert seconds(Timeline(), [0.0, 0.04, 90000.0, 90000.04]) == [0.0, 0.04, 0.08, 0.12]
    timeline = Timeline()
    timeline.place(meta("a", 1, pts=0.0))
    late = replace(meta("a", 2, pts=3600.0), captured_ns=3600 * 10**9)
    assert timeline.place(late)[0].ticks == 3600 * TICKS_PER_S


def test_jitter_does_not_shift_what_follows() -> None:
    times = seconds(Timeline(), [0.0, 0.04, 0.04, 0.039, 0.16])
    assert times[-1] == 0.16
    assert times == sorted(set(times))


def test_goes_on_after_a_crash_as_if_there_had_been_none() -> None:
    frames = [meta("a", n, pts=7 + n * n / 100) for n in range(1, 9)]
    whole = Timeline()
    moments = [whole.place(frame)[0] for frame in frames]
    second = Timeline(last=moments[3])
    assert [second.place(frame)[0] for frame in frames[4:]] == moments[4:]


def test_the_step_follows_the_source_where_no_rate_is_known() -> None:
    timeline = Timeline()
    steps = [timeline.place(meta("a", n, pts=n / 5, rate=0.0))[1] for n in range(1, 4)]
    assert steps == [TICKS_PER_S // 25, TICKS_PER_S // 25, TICKS_PER_S // 5]


def test_a_rate_that_is_a_clock_is_not_believed() -> None:
    assert Timeline().place(meta(rate=90000.0))[1] == TICKS_PER_S // 25


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(-1e5, 1e5), max_size=30), st.floats(0, 120))
def test_always_strictly_increasing(times: list[float | None], rate: float) -> None:
    shown = all_ticks(Timeline(), times, rate=rate)
    assert shown == sorted(set(shown))
