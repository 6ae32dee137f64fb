"""Handshakes and who hears of what, without processes: messages are noted, rings are real."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.membership import BIG, Bench, kinds

from mpipeline.messages import Bye, Hello, Ready, Refused, Role, SinkAdded, SinkRemoved, SourceEnded, Start
from mpipeline.supervisor.child import ProcessState


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.made.close()


def test_hello_gets_the_workers_own_part(bench: Bench) -> None:
    bench.made.greet("sink:x#1", Hello(Role.SINK, "sink:x", 1, 5))
    ((identity, start),) = bench.take()
    assert identity == "sink:x#1"
    assert isinstance(start, Start)
    address = "ipc:///run/predictions.sock"
    assert start.spec["feeds"] == [{"model": "", "predictions": address, "sources": ["a"], "bit": 1, "over": False}]
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
        ("sink:x#1", Hello(Role.SINK, "sink:x", 1, 5, protocol=99), "protocol 2, you speak 99"),
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
