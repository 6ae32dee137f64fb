"""The sink loop with a sink that gathers predictions: what is acknowledged when, and after which failures."""

from __future__ import annotations

import pytest
from support.predictions import meta, prediction

from mpipeline.clock import ManualClock
from mpipeline.errors import PredictionRejected, SinkError
from mpipeline.frame import Frame
from mpipeline.messages import SessionOpened, SinkStatus, SourceEnded
from mpipeline.metrics.recorder import Recorder
from mpipeline.prediction import Prediction
from mpipeline.testing.fakes import FakeSink, FakeSinkOptions
from mpipeline.workers.sink import SinkLoop
from mpipeline.workers.subscription import Subscription
from mpipeline.workers.wire import to_wire


class Gatherer(FakeSink):
    """Sends up to four frames together; refuses those in `bad`, one in each call, and all while it is `away`."""

    gathers = 4

    def __init__(self) -> None:
        super().__init__("s", FakeSinkOptions())
        self.sent: list[list[int]] = []
        self.bad: set[int] = set()
        self.away = False
        self.kept: list[int] = []

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        self.kept.append(prediction.frame.frame_id)

    def flush(self) -> None:
        if self.away:
            raise SinkError("the server is away", retryable=True)
        for one in self.kept:
            if one in self.bad:
                self.kept.remove(one)
                raise PredictionRejected(f"no {one}")
        self.sent.append(self.kept)
        self.kept = []


class Bench:
    def __init__(self) -> None:
        self.sink, self.recorder, self.clock = Gatherer(), Recorder(), ManualClock()
        self.told: list[SinkStatus] = []
        self.subscription = Subscription("s", 1, 32, self.told.append)
        self.loop = SinkLoop("s", self.sink, self.subscription, self.clock, self.recorder)
        self.sink.open(resume=False)
        self.subscription.receive(SessionOpened(1))

    def take(self, *ids: int) -> None:
        for frame_id in ids:
            message = to_wire(prediction(meta("a", frame_id)), None)
            assert self.subscription.receive(message) is not None
            self.loop.take(message)

    @property
    def acknowledged(self) -> int:
        return self.subscription.acknowledged.get("a", 0)

    @property
    def processed(self) -> int:
        self.subscription.report()
        return self.told[-1].processed


def test_a_frame_is_acknowledged_when_it_was_sent_but_its_place_is_free_before() -> None:
    bench = Bench()
    bench.take(1, 2)
    assert (bench.acknowledged, bench.processed, bench.loop.progress) == (0, 2, 0)
    bench.loop.flush()
    assert (bench.acknowledged, bench.sink.sent, bench.loop.progress) == (2, [[1, 2]], 2)
    bench.loop.flush()
    assert bench.sink.sent == [[1, 2]]
    assert bench.recorder.snapshot() == {"predictions_written{sink=s}": 2}


def test_it_sends_when_it_has_as_many_as_it_gathers_and_before_the_end_of_a_source() -> None:
    bench = Bench()
    bench.take(1, 2, 3, 4, 5)
    assert (bench.sink.sent, bench.acknowledged) == ([[1, 2, 3, 4]], 4)
    bench.loop.take(SourceEnded("a", 5))
    assert (bench.sink.sent, bench.acknowledged, bench.sink.store.ended) == ([[1, 2, 3, 4], [5]], 5, ["a"])


def test_a_server_that_is_away_is_waited_for_and_gets_everything_once() -> None:
    bench = Bench()
    bench.sink.away = True
    bench.take(1, 2)
    bench.loop.flush()
    assert bench.loop.retrying.is_active
    bench.loop.flush()  # not before its time
    bench.clock.advance(bench.loop.retrying.wait_s())
    bench.loop.attempt()
    assert (bench.acknowledged, bench.sink.sent) == (0, [])
    bench.sink.away = False
    bench.loop.attempt()
    assert not bench.loop.retrying.is_active
    assert (bench.acknowledged, bench.sink.sent) == (2, [[1, 2]])


def test_the_end_of_a_source_waits_until_all_was_sent() -> None:
    bench = Bench()
    bench.take(1)
    bench.sink.away = True
    bench.loop.take(SourceEnded("a", 1))
    assert (bench.sink.store.ended, bench.loop.ending) == ([], "a")
    bench.sink.away = False
    bench.loop.attempt()
    assert (bench.sink.store.ended, bench.sink.sent, bench.acknowledged) == (["a"], [[1]], 1)


def test_what_comes_again_in_a_new_session_is_sent_once() -> None:
    bench = Bench()
    bench.take(1, 2)
    bench.subscription.receive(SessionOpened(2))
    bench.take(1, 2, 3)
    assert bench.processed == 3
    bench.loop.flush()
    assert (bench.sink.sent, bench.acknowledged) == ([[1, 2, 3]], 3)
    assert bench.recorder.snapshot()["predictions_duplicate{sink=s}"] == 2


def test_one_that_the_server_refuses_is_counted_and_left_out() -> None:
    bench = Bench()
    bench.sink.bad = {2, 3}
    bench.take(1, 2, 3)
    bench.loop.flush()
    assert (bench.sink.sent, bench.acknowledged) == ([[1]], 3)
    assert bench.recorder.snapshot() == {"sink_errors{sink=s}": 2, "predictions_written{sink=s}": 1}


def test_a_server_that_refuses_everything_ends_the_sink() -> None:
    bench = Bench()
    bench.sink.bad = set(range(100))
    with pytest.raises(SinkError, match="50 predictions in a row"):
        bench.take(*range(1, 60))


def test_the_last_attempt_ends_with_the_error() -> None:
    bench = Bench()
    bench.sink.away = True
    bench.take(1)
    bench.loop.flush()
    with pytest.raises(SinkError, match="away"):
        bench.loop.attempt(last=True)
    assert bench.acknowledged == 0
