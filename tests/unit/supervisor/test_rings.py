"""All rings of a run: granted, succeeded by others, removed; who reads them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from mpipeline.clock import NS_PER_S
from mpipeline.errors import RingGone, SharedMemoryFull
from mpipeline.frame import FrameFormat, FrameMeta, PixelFormat
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import OwnedRing
from mpipeline.ring.writer import RingWriter
from mpipeline.supervisor import rings as rings_module
from mpipeline.supervisor.rings import Reader, Rings

SMALL, BIG = FrameFormat(PixelFormat.GRAY8, 16, 16), FrameFormat(PixelFormat.GRAY8, 64, 16)
INFERENCE, MUST, LOSSY = Reader("inference", 0, True), Reader("sink:must", 1, True), Reader("lossy", 14, False)


@pytest.fixture
def rings() -> Iterator[Rings]:
    made = Rings(uuid.uuid4().hex[:12])
    for reader in (INFERENCE, MUST, LOSSY):
        made.add_reader(reader)
    yield made
    made.close()


def grant(rings: Rings, format: FrameFormat = SMALL, every_frame: bool = True, last: int = 0) -> RingDescriptor:
    return rings.grant("a", format, 3, every_frame, last)[0]


def publish(descriptor: RingDescriptor, frame_id: int) -> tuple[int, int]:
    writer = RingWriter(descriptor, reuse=True)
    slot = writer.reserve(0.0)
    assert slot is not None
    sequence = writer.publish(slot, FrameMeta("a", frame_id, None, 1, 1, descriptor.format.width, 16))
    writer.close()
    return slot, sequence


def owned(rings: Rings, index: int = -1) -> OwnedRing:
    return rings._sources["a"].all()[index]


def test_the_same_format_gets_the_same_ring(rings: Rings) -> None:
    first, fresh = rings.grant("a", SMALL, 3, True, 0)
    again, second_fresh = rings.grant("a", SMALL, 3, True, 0)
    assert (fresh, second_fresh) == (True, False)
    assert first == again
    assert rings.grant("b", SMALL, 3, True, 0)[0].segment != first.segment


def test_a_restarted_decoder_finds_no_slot_reserved_by_its_predecessor(rings: Rings) -> None:
    descriptor = grant(rings)
    dead = RingWriter(descriptor, reuse=True)
    dead.reserve(0.0)
    dead.close()
    assert owned(rings).statistics()["reserved"] == 1
    rings.reap_writer("a")
    rings.reap_writer("unknown")
    assert owned(rings).statistics()["reserved"] == 0


@pytest.mark.parametrize(("every_frame", "pinned"), [(True, 2), (False, 0)])
def test_who_must_have_everything_is_pinned_under_every_frame_only(
    rings: Rings, every_frame: bool, pinned: int
) -> None:
    grant(rings, every_frame=every_frame)
    statistics = owned(rings).statistics()
    assert (statistics["readers"], statistics["pinned"]) == (3, pinned)


def test_a_new_format_goes_on_with_the_ids_and_the_old_ring_waits_for_its_readers(rings: Rings) -> None:
    old = grant(rings)
    slot, sequence = publish(old, 41)
    new = grant(rings, BIG)
    assert rings.last_frame_id("a") == 41
    assert owned(rings).last_frame_id == 41
    assert [d for d, _ in rings.descriptors()] == [old, new]
    assert rings.retire(0) == []
    for bit in (0, 1, 14):
        reader = RingReader(old, bit)
        with reader.acquire(slot, sequence):  # type: ignore[union-attr]
            assert rings.retire(0) == []
        reader.close()
    assert rings.retire(0) == [old.segment]
    assert rings.retire(0) == []
    assert [d for d, _ in rings.descriptors()] == [new]
    with pytest.raises(RingGone):
        RingReader(old, 0)


def test_an_old_ring_waits_for_ever_only_for_those_that_must_have_everything(rings: Rings) -> None:
    old = grant(rings)
    slot, sequence = publish(old, 1)
    grant(rings, BIG)
    for now in range(0, 100, 7):
        assert rings.retire(now * NS_PER_S) == []
    for bit in (0, 1):
        reader = RingReader(old, bit)
        reader.skip(slot, sequence)
        reader.close()
    assert rings.retire(101 * NS_PER_S) == [old.segment]


def test_the_listeners_of_an_old_ring_get_a_while(rings: Rings) -> None:
    old = grant(rings)
    slot, sequence = publish(old, 1)
    grant(rings, BIG)
    for bit in (0, 1):
        reader = RingReader(old, bit)
        reader.skip(slot, sequence)
        reader.close()
    assert rings.retire(0) == []
    assert rings.retire(9 * NS_PER_S) == []
    assert rings.retire(11 * NS_PER_S) == [old.segment]


def test_a_reader_that_comes_later_and_goes(rings: Rings) -> None:
    descriptor = grant(rings)
    rings.add_reader(Reader("late", 5, False))
    publish(descriptor, 1)
    reader = RingReader(descriptor, 5)
    assert len(reader.pending()) == 1
    rings.remove_reader("late")
    rings.remove_reader("late")
    assert reader.pending() == []
    assert owned(rings).statistics()["readers"] == 3
    reader.close()


def test_ids_of_a_source_without_a_ring(rings: Rings) -> None:
    assert rings.last_frame_id("a") == 0


def test_everything_is_removed_at_the_end(rings: Rings) -> None:
    segments = [grant(rings).segment, grant(rings, BIG).segment]
    rings.close()
    rings.close()
    assert not any(os.path.exists(f"/dev/shm/{segment}") for segment in segments)


def test_no_room_leaves_all_as_it_was(rings: Rings, monkeypatch: pytest.MonkeyPatch) -> None:
    old = grant(rings)

    def full(*_: object) -> None:
        raise SharedMemoryFull("no room")

    monkeypatch.setattr(rings_module, "create_ring", full)
    with pytest.raises(SharedMemoryFull):
        grant(rings, BIG)
    assert [d for d, _ in rings.descriptors()] == [old]
    assert grant(rings) == old


def test_older_rings_are_counted_until_they_are_retired(rings: Rings) -> None:
    assert rings.older("a") == 0
    grant(rings)
    grant(rings)
    assert rings.older("a") == 0
    grant(rings, BIG)
    grant(rings, SMALL)
    rings.grant("b", SMALL, 3, True, 0)
    assert (rings.older("a"), rings.older("b")) == (2, 0)
    rings.retire(0)
    assert rings.older("a") == 0
