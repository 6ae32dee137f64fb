"""What START tells each role, and where decoders begin, in a first run and in one that is resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.membership import BIG, SMALL, Bench

from mpipeline.clock import NS_PER_S
from mpipeline.frame import FrameMeta
from mpipeline.messages import Hello, RingGranted, Role, SourceEnded, Start
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.writer import RingWriter


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.made.close()


@pytest.fixture
def resumed() -> Iterator[Bench]:
    made = Bench(resume=True)
    yield made
    made.made.close()


def start(bench: Bench, name: str, role: Role) -> dict[str, Any]:
    """The spec that this worker is sent."""
    child = bench.children[name]
    bench.made.greet(child.identity, Hello(role, name, child.incarnation, 5))
    messages = [message for _, message in bench.take() if isinstance(message, Start)]
    return dict(messages[-1].spec)


def grant(bench: Bench) -> RingGranted:
    return [message for _, message in bench.take() if isinstance(message, RingGranted)][-1]


def publish(descriptor: RingDescriptor, frame_id: int, pts: float | None) -> None:
    writer = RingWriter(descriptor, reuse=True)
    slot = writer.reserve(0.0)
    assert slot is not None
    writer.publish(slot, FrameMeta("a", frame_id, pts, 1, 1, descriptor.format.width, 16))
    writer.close()


def test_a_first_decoder_begins_at_the_beginning(bench: Bench) -> None:
    spec = start(bench, "decoder:a", Role.DECODER)
    assert (spec["resume_after"], spec["resume_pts"]) == (0, None)
    assert spec["permits"] == {"folder": "/run", "count": 8}


@pytest.mark.parametrize("pts", [1.25, 0.0, None])
def test_a_restarted_decoder_begins_behind_what_was_published(bench: Bench, pts: float | None) -> None:
    bench.all_ready()
    bench.request()
    publish(grant(bench).descriptor, 17, pts)
    bench.children["decoder:a"].incarnation = 2
    spec = start(bench, "decoder:a", Role.DECODER)
    assert (spec["resume_after"], spec["resume_pts"]) == (17, pts)
    bench.request()
    assert grant(bench).resume_after == 17


def test_the_pts_is_known_beyond_a_change_of_size(bench: Bench) -> None:
    """The new ring knows the id of the frame before, and only the older one its pts."""
    bench.all_ready()
    bench.request()
    publish(grant(bench).descriptor, 3, 0.5)
    bench.request(BIG)
    bench.children["decoder:a"].incarnation = 2
    spec = start(bench, "decoder:a", Role.DECODER)
    assert (spec["resume_after"], spec["resume_pts"]) == (3, 0.5)


def test_inference_is_told_of_its_journal_and_of_blame(bench: Bench) -> None:
    spec = start(bench, "inference", Role.INFERENCE)
    assert (spec["journal"], spec["blamed"]) == ("/run/inference.journal", False)
    bench.children["inference"].blamed = True
    assert start(bench, "inference", Role.INFERENCE)["blamed"] is True
    assert spec["resume"] is False


def test_resumed_sinks_resume_from_their_first_incarnation(resumed: Bench) -> None:
    assert start(resumed, "sink:x", Role.SINK)["resume"] is True
    assert start(resumed, "inference", Role.INFERENCE)["resume"] is True


def test_a_resumed_file_begins_behind_what_the_sinks_have(resumed: Bench) -> None:
    resumed.ready("inference")
    resumed.ready("sink:x", wants_frames=False, written={"a": 40})
    resumed.ready("sink:y", wants_frames=True, written={"a": 33, "other": 5})
    resumed.request()
    granted = grant(resumed)
    assert granted.resume_after == 33
    resumed.children["decoder:a"].incarnation = 2
    spec = start(resumed, "decoder:a", Role.DECODER)
    assert (spec["resume_after"], spec["resume_pts"]) == (33, None)
    publish(granted.descriptor, 34, 1.0)
    assert start(resumed, "decoder:a", Role.DECODER)["resume_after"] == 34


def test_a_source_that_was_done_ends_with_its_last_frame(resumed: Bench) -> None:
    resumed.ready("inference")
    for sink in ("sink:x", "sink:y"):
        resumed.ready(sink, written={"a": 40})
    resumed.request()
    assert grant(resumed).resume_after == 40
    resumed.made.farewell(resumed.children["decoder:a"])
    assert resumed.take()[-1][1] == SourceEnded("a", 40)


def test_a_resumed_live_source_waits_for_all_sinks() -> None:
    bench = Bench(overflow="drop_oldest", resume=True)
    bench.ready("inference")
    bench.ready("sink:x", written={"a": 40})
    bench.request(SMALL, live=True)
    assert not [message for _, message in bench.take() if isinstance(message, RingGranted)]
    bench.ready("sink:y", written={"a": 55})
    bench.made.serve(0)
    assert grant(bench).resume_after == 55
    bench.made.close()


def test_a_resumed_live_source_does_not_wait_for_ever_for_a_sink_that_hangs() -> None:
    bench = Bench(overflow="drop_oldest", resume=True)
    bench.ready("inference")
    bench.ready("sink:x", written={"a": 40})
    bench.request(SMALL, live=True)
    bench.made.serve(29 * NS_PER_S)
    assert not [message for _, message in bench.take() if isinstance(message, RingGranted)]
    bench.made.serve(30 * NS_PER_S)
    assert grant(bench).resume_after == 40
    bench.made.close()


def test_sinks_that_do_not_tell_what_they_have_get_everything(resumed: Bench) -> None:
    resumed.all_ready()
    resumed.request()
    assert grant(resumed).resume_after == 0
