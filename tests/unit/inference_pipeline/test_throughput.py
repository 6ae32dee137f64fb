"""Frames a second, by a clock that the test moves."""

from __future__ import annotations

import pytest

from mpipeline.clock import ManualClock
from mpipeline.inference_pipeline.throughput import FpsMonitor


def ticked(*pauses: float, sample_size: int = 30) -> tuple[FpsMonitor, ManualClock]:
    clock = ManualClock()
    monitor = FpsMonitor(sample_size, clock)
    monitor.tick()
    for pause in pauses:
        clock.advance(pause)
        monitor.tick()
    return monitor, clock


def test_there_is_no_rate_before_the_second_tick() -> None:
    assert ticked()[0].fps == 0.0
    assert ticked(0.04)[0].fps == pytest.approx(25.0)


def test_7_the_rate_is_over_the_last_30_frames() -> None:
    monitor, _ = ticked(*[1.0] * 50, *[0.1] * 29)
    assert monitor.fps == pytest.approx(10.0)


def test_ticks_at_one_moment_are_no_infinite_rate() -> None:
    assert ticked(0.0, 0.0)[0].fps == 0.0


def test_the_rate_falls_when_no_tick_comes() -> None:
    monitor, clock = ticked(*[0.1] * 29)
    clock.advance(0.1)
    assert monitor.fps == pytest.approx(10.0)
    clock.advance(26.0)
    assert monitor.fps == pytest.approx(29 / (2.9 + 26.1))


def test_reset_forgets() -> None:
    monitor, _ = ticked(0.1)
    monitor.reset()
    assert monitor.fps == 0.0
