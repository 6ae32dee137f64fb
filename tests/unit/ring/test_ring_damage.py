"""Segments that somebody cuts, removes or overwrites while they are used: an error in time, and nobody dies of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest
from support.damaging import damage

from mpipeline.errors import RingError
from mpipeline.frame import FrameMeta, FrameRef
from mpipeline.ring.mapping import Mapping, attach, segment_path
from mpipeline.ring.reader import Lease, RingReader
from mpipeline.ring.segment import OwnedRing
from mpipeline.ring.writer import RingWriter

MakeRing = Callable[..., OwnedRing]


def read(owned: OwnedRing) -> tuple[RingWriter, RingReader, Lease]:
    """A ring with one frame, captured at 77 ns, that is being read."""
    owned.add_reader(0, True)
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0)
    slot = writer.reserve(0.0)
    assert slot is not None
    lease = reader.acquire(slot, writer.publish(slot, FrameMeta("gate", 5, None, 77, 1, 34, 18)))
    assert lease is not None
    return writer, reader, lease


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "was cut from"),
        ("emptied", "was cut from"),
        ("removed", "was removed"),
        ("header", "its first 8 bytes are wrong"),
    ],
)
def test_the_owner_finds_what_is_wrong(make_ring: MakeRing, how: str, words: str) -> None:
    owned = make_ring()
    owned.check()
    damage(owned.descriptor.segment, how)
    with pytest.raises(RingError, match=words):
        owned.check()
    owned.close()
    assert not os.path.exists(segment_path(owned.descriptor.segment))


def test_the_owner_does_not_believe_in_a_last_frame_beyond_all_numbers(make_ring: MakeRing) -> None:
    owned = make_ring(last_frame_id=2**63)
    with pytest.raises(RingError, match="says that its last frame was 9223372036854775808"):
        owned.check()


@pytest.mark.parametrize("how", ["cut", "emptied"])
def test_who_is_attached_is_told_of_the_cut(make_ring: MakeRing, how: str) -> None:
    owned = make_ring()
    writer, reader, lease = read(owned)
    damage(owned.descriptor.segment, how)
    calls = (reader.pending, reader.recover, lambda: reader.acquire(0, 1), lambda: reader.skip(0, 1))
    for call in (*calls, lambda: writer.reserve(0.0), lambda: writer.cancel(0), lambda: writer.expired):
        with pytest.raises(RingError, match="was cut"):
            call()
    lease.release()  # there is nothing to give back, and touching it would be the end of this process


@pytest.mark.parametrize("cut_first", [True, False])
def test_a_lease_may_be_released_after_cut_and_close(make_ring: MakeRing, cut_first: bool) -> None:
    owned = make_ring()
    _, reader, lease = read(owned)
    if cut_first:
        damage(owned.descriptor.segment, "emptied")
    reader.close()
    reader.close()
    lease.release()
    if not cut_first:
        assert owned.idle()


def test_a_frame_that_is_damaged_between_look_and_lease_is_given_back(make_ring: MakeRing) -> None:
    owned = make_ring()
    owned.add_reader(1, True)
    _, _, lease = read(owned)
    damage(owned.descriptor.segment, "slots")
    other = RingReader(owned.descriptor, 1)
    with pytest.raises(RingError, match="another geometry"):
        other.acquire(lease.ref.slot, lease.ref.sequence)
    lease.release()
    assert owned.idle()


def test_when_a_frame_was_captured_is_told_of_that_frame_only(make_ring: MakeRing) -> None:
    owned = make_ring()
    _, reader, lease = read(owned)
    ref = lease.ref
    assert reader.captured_ns(ref, 5) == 77
    assert reader.captured_ns(ref, 6) is None
    assert reader.captured_ns(FrameRef(ref.ring, ref.slot, ref.sequence + 1), 5) is None
    assert reader.captured_ns(FrameRef(ref.ring, ref.slot + 1, ref.sequence), 5) is None


def test_a_mapping_knows_whether_it_was_cut(make_ring: MakeRing) -> None:
    owned = make_ring()
    mapping = attach(owned.descriptor.segment)
    assert not mapping.is_cut()
    os.truncate(segment_path(owned.descriptor.segment), 2 * mapping.size)
    assert not mapping.is_cut()
    os.truncate(segment_path(owned.descriptor.segment), mapping.size - 1)
    assert mapping.is_cut()
    mapping.close()
    assert not mapping.is_cut()  # nobody can tell any more


def test_a_lease_is_given_back_while_another_thread_lets_the_ring_go(
    make_ring: MakeRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question whether a descriptor is open and its use, it must not be closed, or become another file."""
    writer, reader, lease = read(make_ring())
    looking, closed = threading.Event(), threading.Event()

    def look(mapping: Mapping) -> bool:
        looking.set()
        assert not closed.wait(0.05)
        return os.fstat(mapping._fd).st_size < mapping.size

    def close() -> None:
        looking.wait()
        reader.close()
        closed.set()

    closer = threading.Thread(target=close)
    closer.start()
    with monkeypatch.context() as patch:
        patch.setattr(Mapping, "is_cut", look)
        lease.release()
        patch.undo()
        closer.join()
    assert closed.is_set()
    writer.close()
