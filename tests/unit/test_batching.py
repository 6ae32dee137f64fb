"""The batcher: rules one by one, and properties by hypothesis."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline.batching import STALE, SUPERSEDED, Batch, Batcher, Waiting
from mpipeline.clock import NS_PER_MS
from mpipeline.frame import FrameRef

MS = NS_PER_MS


def frame(source: str, frame_id: int, captured_ns: int = 0) -> Waiting:
    return Waiting(source, FrameRef(f"ring-{source}", frame_id % 8, frame_id), frame_id, captured_ns)


def batcher(max_size: int = 4, wait_ms: int = 0, staleness_ms: int | None = None, **live: bool) -> Batcher:
    made = Batcher(max_size, wait_ms * MS, None if staleness_ms is None else staleness_ms * MS)
    for source, is_live in live.items():
        made.add_source(source, live=is_live)
    return made


def names(batch: Batch | None) -> list[tuple[str, int]]:
    return [] if batch is None else [(item.source, item.frame_id) for item in batch.items]


def reasons(batch: Batch | None) -> list[tuple[str, int, str]]:
    return [] if batch is None else [(item.source, item.frame_id, reason) for item, reason in batch.dropped]


def test_nothing_waiting() -> None:
    made = batcher(a=False)
    assert made.deadline() is None
    assert made.take(5) is None


def test_without_wait_gives_at_once_what_there_is() -> None:
    made = batcher(a=False, b=True)
    made.offer(frame("a", 1), 10)
    assert made.deadline() == 10
    assert names(made.take(10)) == [("a", 1)]
    assert made.take(10) is None


def test_waits_from_the_moment_of_the_offer_and_no_longer() -> None:
    made = batcher(wait_ms=5, a=False, b=False)
    made.offer(frame("a", 1), 100)
    made.offer(frame("b", 1), 100 + 3 * MS)
    assert made.deadline() == 100 + 5 * MS
    assert made.take(99 + 5 * MS) is None
    assert names(made.take(100 + 5 * MS)) == [("a", 1), ("b", 1)]


def test_full_batch_does_not_wait() -> None:
    made = batcher(max_size=2, wait_ms=1000, a=False)
    made.offer(frame("a", 1), 7)
    made.offer(frame("a", 2), 8)
    made.offer(frame("a", 3), 9)
    assert made.deadline() == 7
    assert names(made.take(9)) == [("a", 1), ("a", 2)]
    assert made.deadline() == 9 + 1000 * MS


def test_does_not_wait_when_every_live_source_has_its_one_frame() -> None:
    made = batcher(max_size=8, wait_ms=1000, a=True, b=True)
    made.offer(frame("a", 1), 1)
    assert made.take(1) is None
    made.offer(frame("b", 1), 2)
    assert len(names(made.take(2))) == 2


def test_one_frame_of_each_before_a_second_and_nobody_always_first() -> None:
    made = batcher(max_size=4, a=False, b=False, c=False)
    for source in "abc":
        for number in range(1, 5):
            made.offer(frame(source, number), 0)
    assert names(made.take(0)) == [("a", 1), ("b", 1), ("c", 1), ("a", 2)]
    assert names(made.take(0)) == [("b", 2), ("c", 2), ("a", 3), ("b", 3)]
    assert names(made.take(0)) == [("c", 3), ("a", 4), ("b", 4), ("c", 4)]


def test_live_keeps_the_newest() -> None:
    made = batcher(a=True)
    for number in (1, 2, 3):
        made.offer(frame("a", number), number)
    batch = made.take(3)
    assert names(batch) == [("a", 3)]
    assert reasons(batch) == [("a", 1, SUPERSEDED), ("a", 2, SUPERSEDED)]


def test_a_fast_source_does_not_put_off_its_own_deadline() -> None:
    made = batcher(wait_ms=50, a=True, b=True)
    for number in range(1, 4):
        made.offer(frame("a", number), number * 20 * MS)  # captured_ns 0 throughout: no interval to be learnt
    assert made.deadline() is not None
    assert names(made.take(70 * MS)) == [("a", 3)]


def test_stale_live_frames_are_dropped_and_files_never() -> None:
    made = batcher(staleness_ms=100, a=True, b=False)
    made.offer(frame("a", 1, captured_ns=0), 0)
    made.offer(frame("b", 1, captured_ns=0), 0)
    batch = made.take(101 * MS)
    assert names(batch) == [("b", 1)]
    assert reasons(batch) == [("a", 1, STALE)]


def test_only_drops_to_tell() -> None:
    made = batcher(staleness_ms=100, a=True)
    made.offer(frame("a", 1), 0)
    batch = made.take(101 * MS)
    assert batch is not None
    assert batch.items == []
    assert reasons(batch) == [("a", 1, STALE)]
    assert made.take(101 * MS) is None


def test_goes_before_a_frame_gets_stale() -> None:
    made = batcher(wait_ms=1000, staleness_ms=100, a=True, b=True)
    made.offer(frame("a", 1, captured_ns=0), 10 * MS)
    assert made.deadline() == 50 * MS


def test_announcements_that_come_twice_or_late_change_nothing() -> None:
    made = batcher(a=False, b=True)
    assert made.offer(frame("a", 5), 0)
    assert not made.offer(frame("a", 5), 0)
    assert not made.offer(frame("a", 4), 0)
    assert names(made.take(0)) == [("a", 5)]
    assert not made.offer(frame("a", 5), 0)
    assert made.take(0) is None


def test_forget_gives_back_what_waited() -> None:
    made = batcher(wait_ms=5, a=False, b=False)
    made.offer(frame("a", 1), 0)
    made.offer(frame("a", 2), 0)
    made.offer(frame("b", 1), 0)
    assert made.waiting("a") == 2
    assert [item.frame_id for item in made.forget("a")] == [1, 2]
    assert made.forget("a") == []
    assert made.waiting("a") == 0
    assert names(made.take(5 * MS)) == [("b", 1)]
    made.add_source("a", live=False)
    assert made.offer(frame("a", 1), 0)


def test_wrong_use_is_told() -> None:
    with pytest.raises(ValueError, match="max_size"):
        Batcher(0, 0)
    with pytest.raises(ValueError, match="added before"):
        batcher(a=True).add_source("a", live=True)


sources = st.sampled_from("abc")
moves = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), sources, st.integers(1, 3)),
        st.tuples(st.just("take"), st.just("a"), st.integers(0, 20)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(moves, st.integers(1, 5), st.integers(0, 10), st.none() | st.integers(1, 10), st.sets(sources))
def test_every_frame_comes_out_once_in_order(
    moves: list[tuple[str, str, int]], max_size: int, wait_ms: int, staleness_ms: int | None, live: set[str]
) -> None:
    made = batcher(max_size, wait_ms, staleness_ms, **{source: source in live for source in "abc"})
    now, offered, newest = 0, [], Counter[str]()
    given_out: list[tuple[str, int]] = []
    dropped: list[tuple[str, int]] = []

    def take() -> None:
        batch = made.take(now)
        if batch is None:
            return
        assert batch.items or batch.dropped
        assert len(batch.items) <= max_size
        of_live = Counter(item.source for item in batch.items if item.source in live)
        assert all(count == 1 for count in of_live.values())
        given_out.extend(names(batch))
        dropped.extend((source, number) for source, number, _ in reasons(batch))

    for move, source, number in moves:
        if move == "offer":
            newest[source] += number
            offered.append((source, newest[source]))
            assert made.offer(frame(source, newest[source], now), now)
        else:
            now += number * MS
            take()
            deadline = made.deadline()
            assert deadline is None or deadline > now or wait_ms == 0 or sum(map(made.waiting, "abc")) > 0
    while (due := made.deadline()) is not None:
        now = max(now, due)
        before = len(given_out) + len(dropped)
        take()
        assert len(given_out) + len(dropped) > before  # `deadline` keeps its word
    assert sorted(given_out + dropped) == sorted(offered)
    assert all(source in live for source, _ in dropped)
    for source in "abc":
        ids = [number for name, number in given_out if name == source]
        assert ids == sorted(ids)
