"""The batcher under load: shares and latencies by simulation with a manual clock."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

import pytest

from mpipeline.batching import STALE, SUPERSEDED, Batcher, Waiting
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
