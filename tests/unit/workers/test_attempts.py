"""When a source is tried again: pauses, refused passwords, giving up."""

from __future__ import annotations

import random

import pytest

from mpipeline.backoff import Backoff
from mpipeline.clock import ManualClock
from mpipeline.workers.attempts import Attempts

LIMIT = 30.0


def attempts(seed: int = 1) -> tuple[Attempts, ManualClock]:
    clock = ManualClock()
    return Attempts(Backoff(0.5, LIMIT, rng=random.Random(seed)), clock), clock


@pytest.mark.parametrize("seed", range(20))
def test_a_refused_password_is_tried_seldom_from_the_first(seed: int) -> None:
    made, clock = attempts(seed)
    for _ in range(3):
        pause = made.failed(finite=False, progress=False, seldom=True)
        assert pause is not None
        assert LIMIT / 2 <= pause <= LIMIT
        assert made.wait_s() == pytest.approx(pause)
        clock.advance(pause)
        assert made.wait_s() == pytest.approx(0.0, abs=1e-6)


def test_other_failures_start_small_after_a_refused_password() -> None:
    made, _ = attempts()
    made.failed(finite=False, progress=False, seldom=True)
    pause = made.failed(finite=False, progress=False)
    assert pause is not None
    assert pause <= 0.5


def test_a_finite_source_is_given_up_when_its_password_is_refused_again_and_again() -> None:
    made, _ = attempts()
    pauses = [made.failed(finite=True, progress=False, seldom=True) for _ in range(5)]
    assert [pause is None for pause in pauses] == [False] * 4 + [True]


@pytest.mark.parametrize("seed", range(200))
def test_a_pause_is_no_longer_than_the_trouble_so_far(seed: int) -> None:
    made, clock = attempts(seed)
    made.connected()
    clock.advance(3600.0)
    began, pauses = clock.monotonic_ns(), []
    while (lasted := (clock.monotonic_ns() - began) / 1e9) < 900:
        pause = made.failed(finite=False, progress=False)
        assert pause is not None
        assert pause <= max(1.0, lasted)
        pauses.append(pause)
        clock.advance(pause + 0.05)
    assert max(pauses) > LIMIT / 2


def test_a_stream_that_breaks_soon_after_it_has_come_is_still_in_trouble() -> None:
    made, clock = attempts()
    pauses = []
    for _ in range(200):
        pause = made.failed(finite=False, progress=True)
        assert pause is not None
        pauses.append(pause)
        clock.advance(pause)
        made.connected()
        clock.advance(1.0)
    assert max(pauses) > LIMIT / 2


def test_after_a_steady_time_pauses_begin_small_again() -> None:
    made, clock = attempts()
    for _ in range(20):
        clock.advance(made.failed(finite=False, progress=True) or 0.0)
    made.connected()
    clock.advance(11.0)
    pause = made.failed(finite=False, progress=True)
    assert pause is not None
    assert pause <= 0.5
