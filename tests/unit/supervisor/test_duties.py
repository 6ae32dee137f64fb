"""What a worker ought to be doing, and that nobody pays for another one that hangs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.membership import Bench

from mpipeline.clock import NS_PER_S, ManualClock
from mpipeline.config.supervision import RestartSpec
from mpipeline.messages import Heartbeat
from mpipeline.supervisor.guard import Guard

SPEC = RestartSpec(inference_timeout=60, sink_timeout=10)
WAITING = Heartbeat(3, {"predictions_outstanding{sink=x}": 2.0})


class Watch:
    """A guard over inference and the sink x, who beats all the time and has nothing to tell."""

    def __init__(self, bench: Bench) -> None:
        self.clock = ManualClock()
        self.inference, self.sink = bench.children["inference"], bench.children["sink:x"]
        self.guard = Guard(SPEC, bench.made.owes)
        self.guard.usage.look = lambda *_: None  # type: ignore[method-assign]
        self.inference.heartbeat, self.sink.heartbeat = WAITING, Heartbeat(5, {})
        self.inference.heard_ns = self.sink.heard_ns = self.clock.monotonic_ns()

    def seconds(self, count: int, *, inference_beats: bool) -> None:
        for _ in range(count):
            self.clock.advance(1)
            now = self.sink.heard_ns = self.clock.monotonic_ns()
            if inference_beats:
                self.inference.heard_ns = now
            for child in (self.inference, self.sink):
                if child.is_alive:
                    self.guard.look(child, True, now)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.all_ready()
    yield made
    made.made.close()


def test_a_sink_that_does_not_work_off_what_was_sent_is_killed(bench: Bench) -> None:
    watch = Watch(bench)
    watch.seconds(12, inference_beats=True)
    assert watch.sink.sentence is not None
    assert "predictions wait for it" in watch.sink.sentence.text


def test_an_inference_that_hangs_costs_no_sink(bench: Bench) -> None:
    """The last it said is that a sink had something to do; the sink has done it since, and nobody has noted that."""
    watch = Watch(bench)
    watch.seconds(70, inference_beats=False)
    assert watch.sink.sentence is None
    assert watch.inference.sentence is not None


def test_a_sink_that_hangs_behind_a_slow_model_is_found_all_the_same(bench: Bench) -> None:
    watch = Watch(bench)
    for _ in range(8):
        watch.seconds(1, inference_beats=True)
        watch.seconds(7, inference_beats=False)
    assert watch.sink.sentence is not None
    assert watch.inference.sentence is None


def test_what_inference_said_before_it_died_holds_no_longer(bench: Bench) -> None:
    sink = bench.children["sink:x"]
    bench.children["inference"].heartbeat = Heartbeat(3, {})
    assert bench.made.owes(sink, NS_PER_S) == ""
    bench.children["inference"].heartbeat = None
    assert bench.made.owes(sink, NS_PER_S) == ""
