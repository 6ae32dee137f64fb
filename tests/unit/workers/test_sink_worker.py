"""A sink's process around its loop: what user code answers, the wait for rings, beats from inside long calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.predictions import meta, prediction
from support.worker_ends import Ends

from mpipeline.clock import ManualClock
from mpipeline.errors import EXIT_TEMPORARY, ConfigError, Reason, SinkError
from mpipeline.frame import FrameRef
from mpipeline.messages import (
    FINISHING,
    RETRYING,
    Drain,
    Heartbeat,
    Message,
    RingDamaged,
    RingRetired,
    SessionOpened,
    SourceEnded,
)
from mpipeline.testing.fakes import FakeSink
from mpipeline.transport import channel
from mpipeline.workers.runtime import WorkerContext
from mpipeline.workers.sink_worker import SinkWorker
from mpipeline.workers.wire import to_wire


class Pulsing(FakeSink):
    """Answers `answer` when it is opened, after as many `refusals`; its `end` fails as often as `failures` says."""

    answer: Any = {}
    failures = 0
    refusals = 0

    def pulse(self) -> None:
        """To be replaced."""

    def open(self, resume: bool) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise SinkError("its server is away", reason=Reason.WRITE_FAILED, retryable=True)
        super().open(resume)
        return self.answer

    def end(self, source: str) -> None:
        if self.failures:
            self.failures -= 1
            raise SinkError("not now", reason=Reason.WRITE_FAILED, retryable=True)
        super().end(source)


class Bench:
    """A worker between the sockets of a supervisor and of inference."""

    def __init__(self, folder: Path) -> None:
        self.ends = Ends(folder, "sink:s#1")
        self.supervisor, self.control, self.inference = self.ends.supervisor, self.ends.control, self.ends.inference()
        self.clock = ManualClock()
        self.context = context = WorkerContext("sink:s", 1, self.control, self.ends.zmq)
        context.clock = self.clock
        sink = {"name": "s", "kind": "pulsing"}
        feed = {"model": "", "bit": 1, "sources": ["gate", "a"], "predictions": self.ends.endpoints.predictions}
        spec = {"sink": sink, "resume": False, "feeds": [feed]}
        self.worker = SinkWorker(context, spec)
        self.sink: Pulsing = self.worker._sink

    def beats(self) -> list[str]:
        """The details of the heartbeats with FINISHING, up to a last word that is sent now."""
        self.control.send(Drain())
        poller, found = channel.Poller(), []
        poller.add(self.supervisor)
        while True:
            assert poller.wait(10.0)
            while (received := self.supervisor.receive()) is not None:
                if isinstance(received[1], Drain):
                    return found
                assert isinstance(received[1], Heartbeat)
                assert received[1].state == FINISHING
                found.append(received[1].detail)

    def fail(self, *messages: Message) -> None:
        """Has them worked off, once the worker has said hello, until the sink has failed."""
        poller = channel.Poller()
        poller.add(self.inference)
        self.worker.step()
        assert poller.wait(10.0)
        received = self.inference.receive()
        assert received is not None
        for message in messages:
            assert self.inference.send(received[0], message)
        for _ in range(300):
            if self.worker._lanes[0].loop.retrying.is_active:
                return
            self.worker.step()
        raise AssertionError("it never failed")

    def close(self) -> None:
        self.worker.close()
        self.ends.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("mpipeline.registry.load", lambda group, kind: Pulsing)
    made = Bench(tmp_path)
    yield made
    made.close()


def test_what_open_returns_is_told(bench: Bench) -> None:
    bench.sink.answer = {"gate": 12}
    assert bench.worker.open()["written"] == {"gate": 12}
    bench.sink.answer = None
    assert bench.worker.open()["written"] is None


@pytest.mark.parametrize("answer", [object(), 7, ["gate"], {"gate": "12"}, {"gate": None}, {3: 4}, {"gate": 1.5}])
def test_an_open_that_returns_something_else_is_a_config_error(bench: Bench, answer: object) -> None:
    bench.sink.answer = answer
    with pytest.raises(ConfigError, match="open\\(\\) must return the last frame id of each source"):
        bench.worker.open()


def test_an_open_that_fails_and_can_pass_is_tried_again_and_said_meanwhile(bench: Bench) -> None:
    bench.sink.refusals, bench.sink.answer = 5, {"gate": 12}
    assert bench.worker.open()["written"] == {"gate": 12}
    assert bench.worker.state() == ("", "", "")
    poller = channel.Poller()
    poller.add(bench.supervisor)
    assert poller.wait(10.0)
    received = bench.supervisor.receive()
    assert received is not None
    beat = received[1]
    assert isinstance(beat, Heartbeat)
    assert (beat.state, beat.reason, beat.detail) == (RETRYING, "write_failed", "its server is away")


def test_who_is_told_to_end_while_it_waits_to_be_opened_has_not_failed_for_good(bench: Bench) -> None:
    bench.sink.refusals = 1000
    bench.context.stop_requested.set()
    with pytest.raises(SinkError, match="its server is away") as caught:
        bench.worker.open()
    assert caught.value.exit_code == EXIT_TEMPORARY


def test_a_sink_can_say_from_inside_a_long_call_that_it_works(bench: Bench) -> None:
    bench.worker.open()
    for _ in range(8):
        bench.sink.pulse()
        bench.clock.advance(0.125)
    assert bench.beats() == ["copying a file"] * 4  # four a second at most


def test_an_end_that_is_tried_again_is_announced_again(bench: Bench) -> None:
    bench.sink.failures = 2
    bench.worker.open()
    bench.fail(SessionOpened(5), SourceEnded("a", 9))
    for _ in range(3):
        bench.clock.advance(31)
        bench.worker.step()
    assert bench.sink.store.ended == ["a"]
    assert bench.beats() == ["finishing a"] * 3


def test_a_ring_that_was_retired_is_not_waited_for(bench: Bench) -> None:
    bench.worker.open()
    bench.worker.receive(RingRetired("mp-x-0"))
    bench.worker._await_ring(bench.worker._lanes[0].loop, to_wire(prediction(meta("a", 1)), FrameRef("mp-x-0", 1, 11)))
    assert bench.worker._lanes[0].loop.rings.get("mp-x-0") is None  # and this clock would never have ended the wait


def test_a_ring_that_was_damaged_before_it_was_known_is_not_waited_for(bench: Bench) -> None:
    bench.worker.open()
    bench.worker.receive(RingDamaged("a", "mp-x-0"))
    message = to_wire(prediction(meta("a", 1)), FrameRef("mp-x-0", 1, 11))
    bench.worker._await_ring(bench.worker._lanes[0].loop, message)
    assert bench.worker._lanes[0].loop.is_lost(message)
