"""A run with two models: who of all workers hears of what. Messages are noted, rings are real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from support.membership import SMALL, Bench, kinds
from support.two_models import CONFIG, FACES, PEOPLE

from mpipeline.clock import NS_PER_S
from mpipeline.frame import FrameMeta
from mpipeline.messages import (
    Heartbeat,
    Hello,
    ModelGone,
    RingAttached,
    RingDamaged,
    RingGranted,
    RingRequest,
    Role,
    SinkAdded,
    SinkRemoved,
    SourceEnded,
    Start,
)
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.reader import RingReader
from mpipeline.ring.writer import RingWriter
from mpipeline.supervisor.child import ProcessState


class Run(Bench):
    """Everyone is ready, and y wants pixels; source a has a ring."""

    def __init__(self, live: bool = False, resume: bool = False) -> None:
        super().__init__(resume=resume, config=CONFIG)
        self.live = live

    def all_ready(self, **written: Any) -> None:
        for name in (PEOPLE, FACES):
            self.ready(name)
        for name in ("x", "y"):
            self.ready(f"sink:{name}", wants_frames=name == "y", written=written.get(name, {}))

    def ask(self, source: str = "a") -> RingDescriptor:
        message = RingRequest(RingDescriptor("", source, 0, 0, SMALL), self.live, 0)
        self.made.request(self.children[f"decoder:{source}"], message)
        self.made.serve(0)
        return next(m.descriptor for _, m in reversed(self.sent) if isinstance(m, RingGranted))


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run()
    yield made
    made.made.close()


def start_of(run: Run, name: str, role: Role) -> Any:
    run.take()
    run.made.greet(f"{name}#1", Hello(role, name, 1, 5))
    ((_, start),) = run.take()
    assert isinstance(start, Start)
    return start.spec


def test_each_worker_is_told_its_channels(run: Run) -> None:
    assert start_of(run, "decoder:a", Role.DECODER)["frames"] == [
        "ipc:///run/frames.sock",
        "ipc:///run/frames-1.sock",
    ]
    spec = start_of(run, "decoder:b", Role.DECODER)
    assert (spec["frames"], spec["counted"]) == (["ipc:///run/frames.sock"], 1)
    assert start_of(run, "decoder:a", Role.DECODER)["counted"] == 3
    faces = start_of(run, FACES, Role.INFERENCE)
    assert [faces[key] for key in ("frames", "predictions", "journal", "bit")] == [
        "ipc:///run/frames-1.sock",
        "ipc:///run/predictions-1.sock",
        "/run/inference-1.journal",
        1,
    ]
    assert start_of(run, "sink:x", Role.SINK)["feeds"] == [
        {"model": model, "predictions": f"ipc:///run/{socket}.sock", "sources": sources, "bit": bit, "over": False}
        for model, socket, sources, bit in (
            ("people", "predictions", ["a", "b"], 2),
            ("faces", "predictions-1", ["a"], 3),
        )
    ]


def test_each_model_hears_of_its_own_sinks_sources_and_ends(run: Run) -> None:
    run.all_ready()
    assert [(i, m.name, m.bit, m.repeats_ends) for i, m in run.take() if isinstance(m, SinkAdded)] == [
        ("inference:people#1", "x", -1, True),
        ("inference:faces#1", "x", -1, True),
        ("inference:faces#1", "y", 4, False),
    ]
    run.ask("a")
    assert kinds(run.take())[:-1] == [
        ("inference:people#1", "RingAttached"),
        ("inference:faces#1", "RingAttached"),
        ("sink:y#1", "RingAttached"),
    ]
    run.ask("b")
    assert kinds(run.take())[:-1] == [("inference:people#1", "RingAttached")]
    run.children["decoder:b"].exit()
    run.made.farewell(run.children["decoder:b"])
    run.made.farewell(run.children["sink:y"])
    assert run.take() == [("inference:people#1", SourceEnded("b", 0)), ("inference:faces#1", SinkRemoved("y"))]
    run.children[FACES].restart()
    run.ready(FACES)
    assert kinds(run.take()) == [("inference:faces#2", "SinkAdded"), ("inference:faces#2", "RingAttached")]


def pending(descriptor: RingDescriptor) -> list[bool]:
    """Whether a frame that is published now waits for the reader of each bit."""
    writer = RingWriter(descriptor, reuse=True)
    slot = writer.reserve(0.0)
    assert slot is not None
    writer.publish(slot, FrameMeta(descriptor.source, writer.last_frame_id + 1, None, 1, 1, SMALL.width, SMALL.height))
    writer.close()
    readers = [RingReader(descriptor, bit) for bit in range(6)]
    found = [bool(reader.pending()) for reader in readers]
    for reader in readers:
        reader.close()
    return found


def test_a_frame_waits_for_the_models_and_pixel_readers_of_its_source(run: Run) -> None:
    run.all_ready()
    assert pending(run.ask("a")) == [True, True, False, False, True, False]
    assert pending(run.ask("b")) == [True, False, False, False, False, False]


def test_what_a_dead_model_held_can_be_reused_by_a_live_stream() -> None:
    run = Run(live=True)
    run.all_ready()
    descriptor = run.ask("a")
    assert pending(descriptor)[1]
    reader = RingReader(descriptor, 1)
    ((ref, _),) = reader.pending()
    lease = reader.acquire(ref.slot, ref.sequence)
    assert lease is not None
    run.made.interrupted(run.children[FACES])
    assert [found for found, _ in reader.pending()] == [ref]
    reader.close()
    run.made.close()


def test_nobody_waits_for_a_model_that_was_given_up(run: Run) -> None:
    run.all_ready()
    descriptor = run.ask("a")
    run.children[FACES].state = ProcessState.FATAL
    run.made.farewell(run.children[FACES])
    told = [each for each in run.take() if isinstance(each[1], ModelGone)]
    assert told == [(f"sink:{name}#1", ModelGone("faces", ("a",))) for name in ("x", "y")]
    assert pending(descriptor) == [True, False, False, False, False, False]
    run.ready("sink:y", wants_frames=True)
    run.made.greet("attached:v#1", Hello(Role.ATTACHED, "v", 1, os.getpid(), wants_frames=True))
    assert pending(descriptor)[1:] == [False, False, False, False, False]
    start = next(message for _, message in run.take() if isinstance(message, Start))
    feeds = [(feed["model"], feed["bit"], feed["over"]) for feed in start.spec["feeds"]]
    assert feeds == [("people", 14, False), ("faces", 13, True)]


def test_an_attached_program_is_added_to_the_models_that_it_names(run: Run) -> None:
    run.all_ready()
    run.ask("a")
    run.ask("b")
    run.take()
    run.made.greet("attached:v#1", Hello(Role.ATTACHED, "v", 1, os.getpid(), wants_frames=True, models=("faces",)))
    _, ring, added = run.take()
    assert isinstance(ring[1], RingAttached)
    assert (ring[0], ring[1].descriptor.source) == ("attached:v#1", "a")
    assert (added[0], added[1]) == ("inference:faces#1", SinkAdded("v", 14, "drop_oldest", "drop_oldest", 64))
    attachment = run.made.attachments.by_identity("attached:v#1")
    assert attachment is not None
    run.made.detach(attachment)
    assert run.take() == [("inference:faces#1", SinkRemoved("v"))]


def beat(**acknowledged: int) -> Heartbeat:
    return Heartbeat(0, {f"acknowledged_frame_id{{source={source}}}": float(n) for source, n in acknowledged.items()})


def test_a_damaged_file_begins_behind_what_all_models_sinks_have(run: Run) -> None:
    run.all_ready()
    descriptor = run.ask("a")
    for _ in range(3):
        pending(descriptor)
    run.made.hear(run.children[PEOPLE], beat(a=3))
    run.made.hear(run.children[FACES], beat(a=2))
    run.made.hear(run.children["sink:y"], RingDamaged("a", descriptor.segment, "it is damaged"))
    run.made.serve(NS_PER_S)
    assert start_of(run, "decoder:a", Role.DECODER)["resume_after"] == 2


def test_a_sink_owes_what_any_model_has_sent_it(run: Run) -> None:
    run.all_ready()
    waiting = Heartbeat(1, {"predictions_outstanding{sink=x}": 1.0})
    people, faces, sink = run.children[PEOPLE], run.children[FACES], run.children["sink:x"]
    people.heartbeat, faces.heartbeat = Heartbeat(1, {}), waiting
    assert run.made.owes(sink, NS_PER_S) == "predictions wait for it"
    assert run.made.owes(sink, 9 * NS_PER_S) is None
    people.heartbeat, people.heard_ns = waiting, 9 * NS_PER_S
    assert run.made.owes(sink, 9 * NS_PER_S) == "predictions wait for it"
    faces.heartbeat = people.heartbeat = Heartbeat(1, {})
    assert run.made.owes(sink, 9 * NS_PER_S) == ""


@pytest.mark.parametrize(
    ("x", "y", "begin"),
    [
        ({"a:people": 30, "a:faces": 20}, {"a:faces": 25}, 20),
        ({"a:people": 30, "a:faces": 20}, {"a:faces": 5}, 5),
        ({"a:people": 30}, {"a:faces": 25}, 0),
        ({"a": 30}, {"a:faces": 25}, 0),
    ],
)
def test_a_resumed_file_begins_behind_what_all_sinks_have_of_all_models(x: Any, y: Any, begin: int) -> None:
    run = Run(resume=True)
    run.all_ready(x=x, y=y)
    run.ask("a")
    granted = next(m for _, m in run.take() if isinstance(m, RingGranted))
    assert granted.resume_after == begin
    run.made.close()


def test_a_source_waits_for_the_sinks_of_its_own_models(run: Run) -> None:
    for name in (PEOPLE, FACES, "sink:x"):
        run.ready(name)
    for source in "ab":
        message = RingRequest(RingDescriptor("", source, 0, 0, SMALL), False, 0)
        run.made.request(run.children[f"decoder:{source}"], message)
    run.take()
    run.made.serve(0)
    assert [i for i, m in run.take() if isinstance(m, RingGranted)] == ["decoder:b#1"]
    run.ready("sink:y")
    run.made.serve(0)
    assert [i for i, m in run.take() if isinstance(m, RingGranted)] == ["decoder:a#1"]
