"""The batcher: rules one by one, properties by hypothesis, shares and latencies by simulation with a manual clock."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline.batching import STALE, SUPERSEDED, Batch, Batcher, Waiting
from mpipeline.clock import NS_PER_MS, NS_PER_S
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


@dataclass
class Simulation:
    """Sources with rates, an engine with a cost per batch and per frame; time is whatever happens next."""

    batcher: Batcher
    batch_cost_ms: float
    frame_cost_ms: float
    served: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    ages_ns: list[int] = field(default_factory=list)
    last_id: dict[str, int] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def run(self, cameras: dict[str, float], files: dict[str, int], seconds: float) -> Simulation:
        """`cameras`: source → Hz. `files`: source → slots of its ring, which the decoder keeps full."""
        for source in cameras:
            self.batcher.add_source(source, live=True)
        for source in files:
            self.batcher.add_source(source, live=False)
        arrivals = [(int(n * 1e6) + 1, source, 1) for n, source in enumerate(cameras)]
        heapq.heapify(arrivals)
        next_id = dict.fromkeys(files, 1)
        now, busy_until, end = 0, 0, int(seconds * NS_PER_S)
        while now < end:
            while arrivals and arrivals[0][0] <= now:
                moment, source, number = heapq.heappop(arrivals)
                self.batcher.offer(frame(source, number, moment), moment)
                heapq.heappush(arrivals, (moment + int(NS_PER_S / cameras[source]), source, number + 1))
            for source, slots in files.items():
                while self.batcher.waiting(source) < slots:
                    self.batcher.offer(frame(source, next_id[source], now), now)
                    next_id[source] += 1
            if now >= busy_until:
                busy_until = now + self._take(now)
            wake = [busy_until] if busy_until > now else []
            deadline = self.batcher.deadline()
            wake += [deadline] if deadline is not None and not wake else []
            wake += [arrivals[0][0]] if arrivals else []
            now = max(now + 1, min(wake))
        return self

    def _take(self, now: int) -> int:
        batch = self.batcher.take(now)
        if batch is None:
            return 0
        for item, reason in batch.dropped:
            self.dropped[reason] += 1
            assert reason in (STALE, SUPERSEDED), item
        for item in batch.items:
            assert item.frame_id > self.last_id.get(item.source, 0)
            self.last_id[item.source] = item.frame_id
            self.served[item.source] += 1
            self.ages_ns.append(now - item.captured_ns)
        self.sizes.append(len(batch.items))
        return int((self.batch_cost_ms + self.frame_cost_ms * len(batch.items)) * MS) if batch.items else 0


def fair_shares(demand: dict[str, float], capacity: float) -> dict[str, float]:
    """Max-min fairness: nobody gets more than they ask for, and what is left is shared equally."""
    shares, open_demand = {}, dict(demand)
    while open_demand:
        equal = capacity / len(open_demand)
        content = {name: rate for name, rate in open_demand.items() if rate <= equal}
        if not content:
            return {**shares, **dict.fromkeys(open_demand, equal)}
        for name, rate in content.items():
            shares[name] = rate
            capacity -= rate
            del open_demand[name]
    return shares


@pytest.mark.parametrize("max_size", [1, 3, 4, 16])
@pytest.mark.parametrize(
    ("cameras", "files"),
    [
        ({"a": 30.0, "b": 30.0, "c": 30.0, "d": 30.0}, {}),
        ({"a": 5.0, "b": 15.0, "c": 30.0, "d": 60.0}, {}),
        ({"a": 11.0, "b": 10.0, "c": 50.0}, {}),
        ({"a": 25.0}, {"x": 8}),
        ({"a": 25.0, "b": 30.0}, {"x": 8, "y": 4}),
        ({}, {"x": 8, "y": 6, "z": 7}),
    ],
)
def test_overload_gives_every_source_its_fair_share(
    cameras: dict[str, float], files: dict[str, int], max_size: int
) -> None:
    """An engine of 40 frames a second, whatever the batch size; 5 % from the fair share at most."""
    simulation = Simulation(Batcher(max_size, 0), 0, 25).run(cameras, files, 60)
    demand = {**cameras, **dict.fromkeys(files, 1e9)}
    for source, share in fair_shares(demand, 40).items():
        assert simulation.served[source] / 60 == pytest.approx(share, rel=0.05), (source, simulation.served)


def test_idle_engine_loses_nothing_and_waits_no_longer_than_it_may() -> None:
    cameras = {f"cam{n}": 30.0 for n in range(6)}
    simulation = Simulation(Batcher(8, 5 * MS, 200 * MS), 2, 0.5).run(cameras, {}, 20)
    assert not simulation.dropped
    assert all(count >= 599 for count in simulation.served.values())
    assert max(simulation.ages_ns) <= 5 * MS + 6 * MS  # the wait, and one batch that was running


def test_long_wait_costs_an_idle_engine_no_frame() -> None:
    """A second camera is silent; the first one's frames come faster than the maximum wait."""
    made = Batcher(8, 500 * MS)
    made.add_source("silent", live=True)
    simulation = Simulation(made, 1, 1).run({"a": 30.0}, {}, 10)
    assert simulation.served["a"] >= 298
    assert simulation.dropped[SUPERSEDED] <= 1  # the first interval must be learnt


def test_overload_keeps_live_frames_fresh() -> None:
    """Twelve cameras at 30 Hz, an engine for 100 frames a second: at most one newer frame away from the freshest."""
    cameras = {f"cam{n}": 30.0 for n in range(12)}
    simulation = Simulation(Batcher(4, 0, 150 * MS), 8, 8).run(cameras, {}, 20)
    assert max(simulation.ages_ns) <= NS_PER_S // 30 + 1
    assert simulation.dropped[SUPERSEDED] > 1000


def test_files_beside_an_unhurried_camera_get_big_batches() -> None:
    simulation = Simulation(Batcher(8, 0), 5, 1).run({"a": 10.0}, {"x": 16}, 60)
    assert max(simulation.sizes) == 8
    assert simulation.served["a"] >= 590


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
