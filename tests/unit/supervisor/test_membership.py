"""Handshakes and who hears of what, without processes: messages are noted, rings are real."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.children import FakeChild

from mpipeline.config import RunConfig
from mpipeline.errors import SharedMemoryFull
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.messages import (
    Bye,
    Hello,
    Ready,
    Refused,
    RingAttached,
    RingGranted,
    RingRequest,
    Role,
    SinkAdded,
    SinkRemoved,
    SourceEnded,
    Start,
)
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.supervisor import rings
from mpipeline.supervisor.child import ProcessState
from mpipeline.supervisor.membership import Membership
from mpipeline.supervisor.plan import make_plan
from mpipeline.transport.run_directory import Endpoints

SMALL, BIG = FrameFormat(PixelFormat.GRAY8, 16, 16), FrameFormat(PixelFormat.GRAY8, 64, 16)
CONFIG = {
    "sources": [{"name": "a", "kind": "synthetic"}],
    "model": {"target": "m:M"},
    "sinks": [{"name": "x", "kind": "python", "target": "m:X"}, {"name": "y", "kind": "python", "target": "m:Y"}],
}


class Bench:
    """A membership with children that are not ready yet."""

    def __init__(self) -> None:
        plan = make_plan(RunConfig.from_mapping(CONFIG))
        self.children: Any = {w.name: FakeChild(w, ready=None) for w in plan.workers}
        self.sent: list[tuple[str, Any]] = []
        self.made = Membership(plan, self.children, Endpoints(Path("/run")), uuid.uuid4().hex[:12], self._send)

    def _send(self, identity: str, message: Any) -> bool:
        self.sent.append((identity, message))
        return True

    def ready(self, name: str, **facts: Any) -> None:
        child = self.children[name]
        child.ready = Ready(facts)
        self.made.welcome(child, child.ready)

    def all_ready(self) -> None:
        for name in ("inference", "sink:x", "sink:y"):
            self.ready(name, wants_frames=name == "sink:y")

    def request(self, format: FrameFormat = SMALL, live: bool = False) -> None:
        descriptor = RingDescriptor("", "a", 0, 0, format)
        self.made.request(self.children["decoder:a"], RingRequest(descriptor, live, 0))
        self.made.serve(0)

    def take(self) -> list[tuple[str, Any]]:
        taken, self.sent = self.sent, []
        return taken


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.made.close()


def kinds(sent: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(identity, type(message).__name__) for identity, message in sent]


def test_hello_gets_the_workers_own_part(bench: Bench) -> None:
    bench.made.greet("sink:x#1", Hello(Role.SINK, "sink:x", 1, 5))
    ((identity, start),) = bench.take()
    assert identity == "sink:x#1"
    assert isinstance(start, Start)
    assert start.spec["bit"] == 1
    assert start.spec["predictions"] == "ipc:///run/predictions.sock"
    assert start.spec["resume"] is False


def test_a_sink_that_was_killed_before_it_was_ready_takes_nothing_for_its_own(bench: Bench) -> None:
    """What lies there then is the output of an older run."""
    bench.children["sink:x"].incarnation = 2
    bench.made.greet("sink:x#2", Hello(Role.SINK, "sink:x", 2, 5))
    ((_, start),) = bench.take()
    assert start.spec["resume"] is False


def test_a_sink_that_was_ready_once_is_to_resume(bench: Bench) -> None:
    bench.made.welcome(bench.children["sink:x"], Ready({}))
    bench.take()
    bench.children["sink:x"].incarnation = 2
    bench.children["decoder:a"].incarnation = 2
    bench.made.greet("sink:x#2", Hello(Role.SINK, "sink:x", 2, 5))
    bench.made.greet("decoder:a#2", Hello(Role.DECODER, "decoder:a", 2, 5))
    sink, decoder = (message.spec for _, message in bench.take())
    assert sink["resume"] is True
    assert decoder["resume_after"] == 0


@pytest.mark.parametrize(
    ("identity", "hello", "words"),
    [
        ("sink:x#1", Hello(Role.SINK, "sink:x", 1, 5, protocol=99), "protocol 1, you speak 99"),
        ("sink:z#1", Hello(Role.SINK, "sink:z", 1, 5), "not part of this run"),
        ("sink:x#7", Hello(Role.SINK, "sink:x", 7, 5), "not part of this run"),
        ("attached:x#1", Hello(Role.ATTACHED, "x", 1, os.getpid()), "name of a sink"),
        ("attached:v#1", Hello(Role.ATTACHED, "v", 1, 2**22 - 3), "no process"),
    ],
)
def test_strangers_are_refused_with_the_reason(bench: Bench, identity: str, hello: Hello, words: str) -> None:
    bench.made.greet(identity, hello)
    ((who, refused),) = bench.take()
    assert who == identity
    assert isinstance(refused, Refused)
    assert words in refused.message


def test_no_ring_before_every_sink_is_ready(bench: Bench) -> None:
    bench.ready("inference")
    bench.ready("sink:x", wants_frames=False)
    bench.request()
    assert "RingGranted" not in {kind for _, kind in kinds(bench.take())}
    bench.ready("sink:y", wants_frames=True)
    bench.made.serve(0)
    assert kinds(bench.take()) == [
        ("inference#1", "SinkAdded"),
        ("inference#1", "RingAttached"),
        ("sink:y#1", "RingAttached"),
        ("decoder:a#1", "RingGranted"),
    ]


def test_a_sink_that_has_failed_is_not_waited_for(bench: Bench) -> None:
    bench.ready("inference")
    bench.ready("sink:x")
    bench.children["sink:y"].state = ProcessState.FATAL
    bench.request()
    assert kinds(bench.take())[-1] == ("decoder:a#1", "RingGranted")


@pytest.mark.parametrize("live", [True, False])
def test_delivery_follows_the_stream(bench: Bench, live: bool) -> None:
    bench.all_ready()
    bench.take()
    bench.request(live=live)
    messages = [message for _, message in bench.take()]
    assert [m.every_frame for m in messages if isinstance(m, RingAttached | RingGranted)] == [not live] * 3


def test_a_restarted_inference_hears_of_all_that_is_there(bench: Bench) -> None:
    bench.all_ready()
    bench.request()
    bench.request(BIG)
    bench.children["decoder:a"].state = ProcessState.EXITED
    bench.children["inference"].incarnation = 2
    bench.take()
    bench.ready("inference")
    sent = bench.take()
    names = [m.name for _, m in sent if isinstance(m, SinkAdded)]
    assert names == ["x", "y"]
    order = [type(m).__name__ for _, m in sent]
    assert order[2:] == ["RingAttached", "SourceEnded"] or order[2:] == ["RingAttached", "RingAttached", "SourceEnded"]
    assert {identity for identity, _ in sent} == {"inference#2"}


def test_a_worker_that_is_over_is_not_waited_for_any_more(bench: Bench) -> None:
    bench.all_ready()
    bench.request()
    bench.take()
    bench.made.farewell(bench.children["decoder:a"])
    bench.made.farewell(bench.children["sink:y"])
    assert bench.take() == [("inference#1", SourceEnded("a", 0)), ("inference#1", SinkRemoved("y"))]


def test_an_old_ring_is_retired_for_its_readers_and_its_decoder(bench: Bench) -> None:
    bench.all_ready()
    bench.request()
    bench.request(BIG)
    bench.take()
    bench.made.serve(0)
    assert kinds(bench.take()) == [(who, "RingRetired") for who in ("inference#1", "sink:y#1", "decoder:a#1")]


def test_the_request_of_a_dead_decoder_is_forgotten(bench: Bench) -> None:
    bench.ready("inference")
    bench.request()
    bench.made.interrupted(bench.children["decoder:a"])
    bench.ready("sink:x")
    bench.ready("sink:y")
    bench.take()
    bench.made.serve(0)
    assert bench.take() == []


def test_no_memory_is_told_to_the_decoder(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SharedMemoryFull("no room; --shm-size")

    bench.all_ready()
    bench.take()
    monkeypatch.setattr(rings, "create_ring", full)
    bench.request()
    assert bench.take() == [("decoder:a#1", Refused("no room; --shm-size"))]


def test_an_attached_program_comes_and_goes(bench: Bench) -> None:
    bench.all_ready()
    bench.request()
    bench.take()
    bench.made.greet("attached:v#1", Hello(Role.ATTACHED, "v", 1, os.getpid(), wants_frames=True))
    assert kinds(bench.take()) == [
        ("attached:v#1", "Start"),
        ("attached:v#1", "RingAttached"),
        ("inference#1", "SinkAdded"),
    ]
    bench.made.greet("attached:v#2", Hello(Role.ATTACHED, "v", 1, os.getpid()))
    assert kinds(bench.take()) == [("attached:v#2", "Refused")]
    attachment = bench.made.attachments.by_identity("attached:v#1")
    assert attachment is not None
    bench.made.detach(attachment)
    assert bench.take() == [("inference#1", SinkRemoved("v"))]


def test_attached_programs_are_dismissed_at_the_end(bench: Bench) -> None:
    bench.made.greet("attached:v#1", Hello(Role.ATTACHED, "v", 1, os.getpid()))
    bench.take()
    bench.made.close()
    assert bench.take() == [("attached:v#1", Bye())]
