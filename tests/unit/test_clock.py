"""The machine's clocks, and the one that tests move by hand."""

from __future__ import annotations

import time

import pytest

from mpipeline.clock import NS_PER_S, ManualClock, SystemClock


def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    before = time.monotonic_ns()
    assert before <= clock.monotonic_ns() <= time.monotonic_ns()
    before = clock.monotonic_ns()
    clock.sleep(0.001)
    assert clock.monotonic_ns() - before >= 1_000_000
    assert clock.wall_ns() > 1_600_000_000 * NS_PER_S


@pytest.mark.parametrize("move", ["advance", "sleep"])
def test_the_manual_clock_moves_when_told(move: str) -> None:
    clock = ManualClock()
    monotonic, wall = clock.monotonic_ns(), clock.wall_ns()
    assert clock.monotonic_ns() == monotonic
    getattr(clock, move)(1.5)
    assert clock.monotonic_ns() - monotonic == clock.wall_ns() - wall == 3 * NS_PER_S // 2
