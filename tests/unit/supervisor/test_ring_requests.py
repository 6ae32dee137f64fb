"""When a decoder gets its ring, and who hears of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.membership import BIG, SMALL, Bench, kinds

from mpipeline.errors import SharedMemoryFull
from mpipeline.frame import FrameFormat, FrameMeta, PixelFormat
from mpipeline.messages import Refused, RingAttached, RingGranted, RingRetired
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.reader import RingReader
from mpipeline.ring.writer import RingWriter
from mpipeline.supervisor import rings
from mpipeline.supervisor.child import ProcessState


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.made.close()


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


def test_a_live_stream_waits_for_no_sink(bench: Bench) -> None:
    bench.ready("inference")
    bench.request(live=True)
    assert granted(bench) is not None


def test_only_sinks_that_must_have_every_frame_are_waited_for() -> None:
    bench = Bench(overflow="drop_oldest")
    bench.ready("inference")
    bench.request()
    assert granted(bench) is None
    bench.ready("sink:x", wants_frames=False)
    bench.made.serve(0)
    assert granted(bench) is not None
    bench.made.close()


def test_a_source_has_two_older_rings_at_most(bench: Bench) -> None:
    """A further change of size waits until an older ring has been read."""
    bench.all_ready()
    held = []
    for frame_id, format in enumerate((SMALL, BIG, SMALL), start=1):
        bench.request(format)
        descriptor = granted(bench)
        assert descriptor is not None
        held.append((descriptor, publish(descriptor, frame_id)))
    bench.request(FrameFormat(PixelFormat.GRAY8, 32, 32))
    bench.made.serve(1)
    assert granted(bench) is None
    oldest, place = held[0]
    for bit in (0, 2):  # inference, and the sink y
        reader = RingReader(oldest, bit)
        reader.skip(*place)
        reader.close()
    bench.made.serve(2)
    assert RingRetired(oldest.segment) in [message for _, message in bench.sent]
    assert granted(bench) is not None


def granted(bench: Bench) -> RingDescriptor | None:
    """The ring that the decoder has been granted since the last look."""
    found = [message.descriptor for _, message in bench.sent if isinstance(message, RingGranted)]
    if found:
        bench.take()
    return found[-1] if found else None


def publish(descriptor: RingDescriptor, frame_id: int) -> tuple[int, int]:
    """Writes a frame; returns its slot and sequence."""
    writer = RingWriter(descriptor, reuse=True)
    slot = writer.reserve(0.0)
    assert slot is not None
    sequence = writer.publish(slot, FrameMeta("a", frame_id, None, 1, 1, descriptor.format.width, 16))
    writer.close()
    return slot, sequence
