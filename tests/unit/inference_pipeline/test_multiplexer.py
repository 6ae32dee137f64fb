"""Batches of several sources: order, holes, ends, timeouts, and that nothing is lost. Time is a number."""

from __future__ import annotations

import itertools
import random

import pytest
from support.multiplexing import Bench, Found

from mpipeline.clock import NS_PER_MS
from mpipeline.inference_pipeline.multiplexer import Rules
from mpipeline.inference_pipeline.windows import FixedTimeout, SelfTuned

# --- complete batches -------------------------------------------------------------------------------------------------


def test_a_batch_has_one_frame_of_each_source_in_their_order() -> None:
    bench = Bench(3)
    for source in (2, 0, 1):
        assert bench.take() is None
        bench.offer(source, 1, 2)
    assert bench.take_all() == [[(0, 1), (1, 1), (2, 1)], [(0, 2), (1, 2), (2, 2)]]


def test_without_a_timeout_a_file_is_waited_for_as_long_as_it_takes() -> None:
    bench = Bench(2)
    bench.offer(0, 1)
    bench.pass_time(3600)
    assert bench.take() is None
    assert bench.waits_s() is None
    bench.offer(1, 1)
    assert bench.waits_s() == 0.0
    assert bench.take() == [(0, 1), (1, 1)]


def test_nothing_waits_for_nothing() -> None:
    bench = Bench(2, window=FixedTimeout(0.1))
    assert bench.waits_s() is None
    bench.pass_time(1)
    assert bench.take() is None


@pytest.mark.parametrize("lengths", list(itertools.product([0, 1, 3], repeat=3)))
def test_every_frame_of_files_of_any_lengths_comes_once_and_in_order(lengths: tuple[int, ...]) -> None:
    bench = Bench(3)
    for source, length in enumerate(lengths):
        bench.offer(source, *range(length))
        bench.made.end(source)
    batches = bench.take_all()
    assert len(batches) == max(lengths)
    for source, length in enumerate(lengths):
        assert [n for batch in batches for which, n in batch if which == source] == list(range(length))
    assert batches == [sorted(batch) for batch in batches]
    assert bench.made.is_over
    assert not bench.causes()


def test_it_is_over_when_all_have_ended_and_nothing_waits() -> None:
    bench = Bench(2)
    bench.offer(0, 1)
    bench.made.end(0)
    bench.made.end(1)
    assert not bench.made.is_over
    assert bench.take() == [(0, 1)]
    assert bench.made.is_over


def test_clearing_takes_everything_out() -> None:
    bench = Bench(2)
    bench.offer(0, 1, 2)
    assert [item.content for item in bench.made.clear()] == [1, 2]
    assert bench.take() is None


# --- who is not waited for --------------------------------------------------------------------------------------------


def test_a_source_that_is_away_is_skipped_until_it_brings_a_frame() -> None:
    bench = Bench(2)
    bench.offer(0, 1)
    bench.made.set_away(1, True)
    assert bench.take() == [(0, 1)]
    bench.offer(0, 2)
    bench.offer(1, 7)
    assert bench.take() == [(0, 2), (1, 7)]
    bench.offer(0, 3)
    assert bench.take() is None  # it is back, and waited for


def test_all_away_is_a_pause_and_no_end() -> None:
    bench = Bench(2)
    bench.made.set_away(0, True)
    bench.made.set_away(1, True)
    assert bench.take() is None
    assert bench.waits_s() is None
    assert not bench.made.is_over


@pytest.mark.parametrize(("rate", "patience"), [(25.0, 0.5), (2.0, 2.0), (0.0, 2.0)])
def test_a_live_source_that_falls_silent_holds_up_the_others_only_once(rate: float, patience: float) -> None:
    bench = Bench(2, live=(0, 1), rate=rate)
    bench.offer(0, 1)
    bench.offer(1, 1)
    assert bench.take() == [(0, 1), (1, 1)]
    bench.offer(0, 2)
    assert bench.waits_s() == pytest.approx(patience)
    bench.pass_time(patience - 0.01)
    assert bench.take() is None
    bench.pass_time(0.01)
    assert bench.take() == [(0, 2)]
    bench.offer(0, 3)
    assert bench.take() == [(0, 3)]
    bench.offer(1, 2)
    bench.offer(0, 4)
    assert bench.take() == [(0, 4), (1, 2)]


def test_a_live_source_that_has_never_been_there_is_waited_for_until_it_is_said_to_be_away() -> None:
    bench = Bench(2, live=(0, 1))
    bench.offer(0, 1)
    bench.pass_time(60)
    assert bench.take() is None
    bench.made.set_away(1, True)
    assert bench.take() == [(0, 1)]


# --- batch_collection_timeout -----------------------------------------------------------------------------------------


def test_a_timeout_gives_what_is_there() -> None:
    bench = Bench(2, window=FixedTimeout(0.1))
    bench.offer(0, 1)
    assert bench.take() is None
    assert bench.waits_s() == pytest.approx(0.1)
    bench.pass_time(0.1)
    assert bench.take() == [(0, 1)]


def test_the_time_runs_from_the_batch_before_so_the_takers_work_is_part_of_it() -> None:
    bench = Bench(2, window=FixedTimeout(0.1))
    bench.offer(0, 1, 2)
    bench.offer(1, 1)
    assert bench.take() == [(0, 1), (1, 1)]
    bench.pass_time(0.3)  # the taker's work
    assert bench.take() == [(0, 2)]


def test_an_empty_collection_is_followed_by_another_with_its_own_time() -> None:
    bench = Bench(2, window=FixedTimeout(0.1))
    bench.pass_time(0.15)
    assert bench.take() is None
    bench.offer(0, 1)
    assert bench.take() is None
    assert bench.waits_s() == pytest.approx(0.1)
    bench.pass_time(0.1)
    assert bench.take() == [(0, 1)]


def test_no_time_at_all_gives_at_once_what_is_there() -> None:
    bench = Bench(2, window=FixedTimeout(0.0))
    bench.offer(1, 5)
    assert bench.take() == [(1, 5)]


def test_a_timeout_loses_no_frame_of_a_file() -> None:
    bench = Bench(2, window=FixedTimeout(0.01))
    rng, batches = random.Random(1), []
    left = {0: list(range(50)), 1: list(range(20))}
    while any(left.values()):
        source = rng.choice([each for each in left if left[each]])
        bench.offer(source, left[source].pop(0))
        bench.pass_time(rng.random() * 0.02)
        batches += bench.take_all()
    bench.made.end(0)
    bench.made.end(1)
    batches += bench.take_all()
    for source, length in ((0, 50), (1, 20)):
        assert [n for batch in batches for which, n in batch if which == source] == list(range(length))


# --- everything at once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_each_frame_is_taken_or_dropped_once_and_in_order(seed: int) -> None:
    rng = random.Random(seed)
    sources = rng.randint(1, 4)
    live = tuple(source for source in range(sources) if rng.random() < 0.5)
    bench = Bench(
        sources,
        live=live,
        rules=Rules(rng.choice([None, "wait", "drop_oldest", "drop_latest"]), rng.choice([None, True, False]), 3),
        window=rng.choice([FixedTimeout(None), FixedTimeout(0.05), SelfTuned()]),
        limit=rng.choice([None, 20.0]),
        staleness_s=rng.choice([None, 0.2]),
    )
    given = dict.fromkeys(range(sources), 0)
    taken: list[Found] = []
    dropped: Found = []
    for _ in range(400):
        source = rng.randrange(sources)
        act = rng.random()
        if act < 0.6:
            bench.offer(source, given[source])
            given[source] += 1
        elif act < 0.65:
            bench.made.set_away(source, rng.random() < 0.5)
        bench.pass_time(rng.random() * 0.03)
        if (batch := bench.take()) is not None:
            taken.append(batch)
        dropped += [(item.source, item.content) for item, _ in bench.made.dropped()]
    for source in range(sources):
        bench.made.end(source)
    while not bench.made.is_over:
        bench.pass_time(0.05)
        taken += bench.take_all()
        dropped += [(item.source, item.content) for item, _ in bench.made.dropped()]
    for batch in taken:
        assert [source for source, _ in batch] == sorted({source for source, _ in batch})
    for source, count in given.items():
        mine = [n for batch in taken for which, n in batch if which == source]
        assert mine == sorted(mine)
        assert sorted(mine + [n for which, n in dropped if which == source]) == list(range(count))


def test_when_it_is_due_is_when_it_gives() -> None:
    """Whoever sleeps for as long as `due_ns` says neither misses a batch nor wakes in vain."""
    for seed in range(20):
        rng = random.Random(seed)
        bench = Bench(3, live=(0, 2), window=FixedTimeout(rng.choice([None, 0.03])), limit=rng.choice([None, 30.0]))
        for number in range(100):
            bench.offer(rng.randrange(3), number)
            bench.take_all()
            due = bench.made.due_ns(bench.now)
            if due is not None:
                assert due > bench.now
                bench.now = due - 1
                assert bench.take() is None
                bench.now = due
                assert bench.take() is not None
            bench.now += rng.randrange(20) * NS_PER_MS
