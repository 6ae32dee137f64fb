"""Which frames of several sources are dropped, and what is told of them: strategies, staleness, max_fps."""

from __future__ import annotations

import pytest
from support.multiplexing import Bench, Found

from mpipeline.clock import NS_PER_S
from mpipeline.inference_pipeline.events import (
    CAUSE_DROP_LATEST,
    CAUSE_DROP_OLDEST,
    CAUSE_EAGER,
    CAUSE_RATE_LIMIT,
    CAUSE_STALENESS,
)
from mpipeline.inference_pipeline.multiplexer import Rules

# --- strategies -------------------------------------------------------------------------------------------------------


def test_live_sources_give_the_newest_and_every_drop_is_told() -> None:
    bench = Bench(1, live=(0,))
    bench.offer(0, 1, 2, 3)
    assert bench.take() == [(0, 3)]
    assert bench.causes() == {CAUSE_EAGER: 2}


def test_a_file_that_is_taken_eagerly_keeps_its_last_frame() -> None:
    bench = Bench(1, rules=Rules("wait", eager=True))
    bench.offer(0, 1, 2, 3)
    bench.made.end(0)
    assert bench.take() == [(0, 3)]
    assert bench.made.is_over


@pytest.mark.parametrize(
    ("filling", "kept", "cause"),
    [("drop_oldest", [3, 4], CAUSE_DROP_OLDEST), ("drop_latest", [1, 2], CAUSE_DROP_LATEST)],
)
def test_a_full_buffer_drops_one_end(filling: str, kept: list[int], cause: str) -> None:
    bench = Bench(1, live=(0,), rules=Rules(filling, eager=False, capacity=2))  # type: ignore[arg-type]
    bench.offer(0, 1, 2, 3, 4)
    assert bench.take_all() == [[(0, number)] for number in kept]
    assert bench.causes() == {cause: 2}


def test_who_waits_drops_nothing() -> None:
    bench = Bench(1, live=(0,), rules=Rules("wait", eager=False, capacity=2))
    bench.offer(0, 1, 2, 3, 4)
    assert len(bench.take_all()) == 4
    assert not bench.causes()


def test_what_is_too_old_is_dropped_but_never_of_a_file() -> None:
    bench = Bench(2, live=(0,), rules=Rules(eager=False), staleness_s=0.5)
    bench.offer(0, 1)
    bench.offer(1, 1)
    bench.pass_time(0.3)
    bench.offer(0, 2)
    bench.pass_time(0.21)
    assert bench.take() == [(0, 2), (1, 1)]
    assert bench.causes() == {CAUSE_STALENESS: 1}


# --- max_fps ----------------------------------------------------------------------------------------------------------


def test_a_limited_file_loses_nothing_and_keeps_the_pace() -> None:
    bench = Bench(1, limit=10)
    bench.offer(0, *range(20))
    start, times = bench.now, []
    while len(times) < 20:
        if bench.take() is not None:
            times.append((bench.now - start) / NS_PER_S)
        bench.pass_time(bench.waits_s() or 0.0)
    assert times == pytest.approx([n / 10 for n in range(20)])
    assert not bench.causes()


def test_a_late_batch_does_not_delay_the_next_one() -> None:
    bench = Bench(1, limit=10)
    bench.offer(0, *range(3))
    bench.take()
    bench.pass_time(0.15)
    bench.take()
    assert bench.waits_s() == pytest.approx(0.05)


def test_after_a_long_pause_there_is_no_burst() -> None:
    bench = Bench(1, limit=10)
    bench.offer(0, *range(5))
    bench.take()
    bench.pass_time(5)
    assert bench.take() is not None
    assert bench.waits_s() == pytest.approx(0.1)


@pytest.mark.parametrize("rules", [Rules(), Rules(eager=False), Rules("wait", eager=False)])
def test_a_limited_live_source_gives_the_newest_and_tells_what_it_drops(rules: Rules) -> None:
    bench = Bench(1, live=(0,), rules=rules, limit=10)
    bench.offer(0, 1)
    assert bench.take() == [(0, 1)]
    for number in range(2, 6):
        bench.pass_time(0.02)
        bench.offer(0, number)
        assert bench.take() is None
    bench.pass_time(0.02)
    assert bench.take() == [(0, 5)]
    assert bench.causes() == {CAUSE_RATE_LIMIT: 3}


def test_beside_a_live_source_a_limited_file_still_loses_nothing() -> None:
    bench = Bench(2, live=(0,), limit=10)
    taken: list[Found] = []
    bench.offer(1, *range(5))
    bench.made.end(1)
    for number in range(60):
        bench.offer(0, number)
        taken += bench.take_all()
        bench.pass_time(0.02)
    assert [n for batch in taken for which, n in batch if which == 1] == list(range(5))
    assert set(bench.causes()) <= {CAUSE_RATE_LIMIT, CAUSE_EAGER}
