"""A flood of messages keeps no worker from its work: each turn of its loop takes a bounded number of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.worker_ends import Ends

from mpipeline.config.schema import BatchingSpec
from mpipeline.frame import FrameRef
from mpipeline.messages import Bye, FrameReady, Heartbeat, Message, RingRetired, Role, SinkStatus, Start
from mpipeline.transport import channel
from mpipeline.workers.inference_worker import InferenceWorker
from mpipeline.workers.runtime import Runtime, WorkerContext

BOUND = 16
MANY = 200


@pytest.fixture(autouse=True)
def bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_MOST_AT_ONCE", BOUND)


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    made = Ends(tmp_path, "inference#1")
    yield made
    made.close()


def test_inference_steps_between_hints_and_statuses(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    spec: Mapping[str, Any] = {
        "model": {"target": "support.detectors:Fingerprint", "backend": "python"},
        "batching": BatchingSpec().model_dump(mode="json"),
        "bit": 0,
        "frames": ends.endpoints.frames,
        "predictions": ends.endpoints.predictions,
    }
    worker = InferenceWorker(WorkerContext("inference", 1, ends.control, ends.zmq), spec)
    worker.open()
    assert worker._loop is not None
    heard = {"hint": 0, "status": 0}

    def count(what: str) -> Any:
        return lambda *_: heard.update({what: heard[what] + 1})

    monkeypatch.setattr(worker._loop, "hint", count("hint"))
    monkeypatch.setattr(worker._loop, "status", count("status"))
    decoder = channel.connect_frames(ends.zmq, ends.endpoints.frames)
    sink = channel.connect_predictions(ends.zmq, ends.endpoints.predictions, "sink:s#1")
    for number in range(MANY):
        while not decoder.send(FrameReady(FrameRef("mp-x-0", 0, 1), number + 1, 0)):
            channel.Poller().wait(0.01)
        sink.send(SinkStatus("s", 1, 0, 0, 0))
    before = dict(heard)
    while min(heard.values()) < MANY:
        worker.step()
        assert all(heard[what] - before[what] <= BOUND for what in heard)
        before = dict(heard)
    worker.close()
    decoder.close(linger_ms=0)
    sink.close(linger_ms=0)


class Listener:
    """A worker that notes how many messages it got before each step, and ends when it has them all."""

    exit_code = 0
    progress = 0

    def __init__(self, context: WorkerContext) -> None:
        self.heard = [0]
        self.poller = channel.Poller()
        self.poller.add(context.control)

    def open(self) -> Mapping[str, Any]:
        return {}

    def step(self) -> bool:
        self.heard.append(0)
        self.poller.wait(60.0)  # returns at once as long as there is more
        return sum(self.heard) < MANY

    def receive(self, message: Message) -> None:
        self.heard[-1] += 1

    def state(self) -> tuple[str, str, str]:
        return "", "", ""

    def goodbye(self) -> Bye:
        return Bye()

    def close(self) -> None:
        """Nothing to give back."""


def test_every_worker_steps_and_beats_between_words_of_the_supervisor(ends: Ends) -> None:
    made: list[Listener] = []

    def make(context: WorkerContext, spec: Mapping[str, Any]) -> Listener:
        made.append(Listener(context))
        return made[-1]

    assert ends.supervisor.receive() is None
    ends.control.send(Bye())  # or the supervisor's end would not know it yet
    poller = channel.Poller()
    poller.add(ends.supervisor)
    assert poller.wait(60.0)
    ends.supervisor.receive()
    ends.supervisor.send("inference#1", Start({}))
    for number in range(MANY + 2 * BOUND):  # more than it waits for: its last wait must end as well
        ends.supervisor.send("inference#1", RingRetired(f"mp-x-{number}"))
    runtime = Runtime("inference", "inference", 1, ends.endpoints.control, None, "error")
    assert runtime._work(make, WorkerContext("inference", 1, ends.control, ends.zmq)) == 0  # type: ignore[arg-type]
    assert max(made[0].heard) <= BOUND
    assert runtime.role is Role.INFERENCE
    kinds: list[type[Message]] = []
    while Bye not in kinds:
        assert poller.wait(60.0)
        kinds += [type(message) for _, message in ends.supervisor.arrived()]
    assert Heartbeat in kinds
