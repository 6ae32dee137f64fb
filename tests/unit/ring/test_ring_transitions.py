"""The native ring as Python sees it: every transition, and every one that must be refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from mpipeline import _native
from mpipeline._native import Ring, SlotHeader
from mpipeline.errors import RingError

WRITER = _native.WRITER_BIT


def header(frame_id: int) -> SlotHeader:
    header = SlotHeader()
    header.frame_id = frame_id
    header.payload_length = 64
    return header


def publish(ring: Ring, frame_id: int) -> tuple[int, int]:
    slot = ring.reserve(False, 0)
    assert slot is not None
    return slot, ring.publish(slot, header(frame_id))


def test_reserve_and_publish(ring: Ring) -> None:
    slot = ring.reserve(False, 0)
    assert slot is not None
    assert ring.control(slot) == (0, 0, WRITER)
    assert not ring.idle()
    assert ring.publish(slot, header(1)) == 1
    assert ring.control(slot) == (1, 0b11, 0)


def test_cancel_frees_the_slot(ring: Ring) -> None:
    slot = ring.reserve(False, 0)
    assert slot is not None
    ring.cancel(slot)
    assert ring.idle()
    with pytest.raises(RingError, match="not reserved"):
        ring.cancel(slot)


def test_publish_without_reserve_is_refused(ring: Ring) -> None:
    with pytest.raises(RingError, match="not reserved"):
        ring.publish(0, header(1))


def test_frame_ids_must_grow(ring: Ring) -> None:
    publish(ring, 5)
    slot = ring.reserve(False, 0)
    assert slot is not None
    with pytest.raises(RingError, match="frame 5 cannot be published after frame 5"):
        ring.publish(slot, header(5))
    assert ring.publish(slot, header(8)) == 2
    assert ring.last_frame_id == 8


def test_a_frame_goes_through_acquire_and_release(ring: Ring) -> None:
    slot, sequence = publish(ring, 1)
    assert ring.acquire(slot, sequence, 0)
    assert ring.control(slot) == (1, 0b10, 0b01)
    assert not ring.acquire(slot, sequence, 0)
    assert ring.release(slot, sequence, 0)
    assert not ring.release(slot, sequence, 0)
    assert ring.acquire(slot, sequence, 1)
    assert ring.release(slot, sequence, 1)
    assert ring.idle()


def test_acquire_needs_the_sequence_and_the_bit(ring: Ring) -> None:
    slot, sequence = publish(ring, 1)
    assert not ring.acquire(slot, sequence + 1, 0)
    assert not ring.acquire(slot, sequence, 2)
    assert not ring.acquire((slot + 1) % 3, sequence, 0)


def test_skip_clears_several_readers(ring: Ring) -> None:
    slot, sequence = publish(ring, 1)
    assert not ring.skip(slot, sequence + 1, 0b11)
    assert ring.skip(slot, sequence, 0b11)
    assert not ring.skip(slot, sequence, 0b11)
    assert ring.idle()


def test_a_full_ring_without_reuse_gives_nothing(ring: Ring) -> None:
    for frame_id in range(1, 4):
        publish(ring, frame_id)
    assert ring.reserve(False, 0.001) is None


def test_reuse_takes_the_oldest_that_no_pinned_reader_wants(ring: Ring) -> None:
    frames = [publish(ring, frame_id) for frame_id in range(1, 4)]
    assert ring.reserve(True, 0) is None
    for slot, sequence in frames[1:]:
        ring.skip(slot, sequence, 0b10)
    assert ring.reserve(True, 0) == frames[1][0]
    assert ring.expired == 1
    assert not ring.acquire(*frames[1], 0)
    assert ring.acquire(*frames[2], 0)
    assert ring.reserve(True, 0) is None  # held


def test_recover_and_reap(ring: Ring) -> None:
    slot, sequence = publish(ring, 1)
    publish(ring, 2)
    ring.acquire(slot, sequence, 1)
    assert ring.recover(1) == 1
    assert [found.frame_id for _, found in ring.pending(1)] == [1, 2]
    assert ring.reap(1) == 2
    assert ring.pending(1) == []
    assert len(ring.pending(0)) == 2


def test_reap_writer_frees_what_was_reserved(ring: Ring) -> None:
    ring.reserve(False, 0)
    ring.reserve(False, 0)
    assert ring.reap_writer() == 2
    assert ring.idle()


def test_readers_come_and_go(ring: Ring) -> None:
    assert (ring.readers, ring.pinned) == (0b11, 0b10)
    publish(ring, 1)
    assert ring.remove_reader(1) == 1
    assert (ring.readers, ring.pinned) == (0b01, 0)
    ring.add_reader(14, True)
    slot, _ = publish(ring, 2)
    assert ring.control(slot) == (2, 1 << 14 | 1, 0)


def test_without_readers_a_published_slot_is_free_at_once(ring: Ring) -> None:
    ring.remove_reader(0)
    ring.remove_reader(1)
    publish(ring, 1)
    assert ring.idle()
    assert ring.published == 1


def test_publish_events_are_counted(ring: Ring) -> None:
    before = ring.publish_events
    assert ring.wait_published(before, 0.001) == before
    publish(ring, 1)
    assert ring.wait_published(before, 60) == before + 1


@pytest.mark.parametrize(
    "call",
    [
        lambda ring: ring.acquire(3, 1, 0),
        lambda ring: ring.acquire(0, 1, 15),
        lambda ring: ring.release(3, 1, 0),
        lambda ring: ring.skip(3, 1, 1),
        lambda ring: ring.skip(0, 1, WRITER),
        lambda ring: ring.cancel(3),
        lambda ring: ring.publish(3, SlotHeader()),
        lambda ring: ring.header(3, 1),
        lambda ring: ring.control(3),
        lambda ring: ring.payload_offset(3),
        lambda ring: ring.add_reader(15, False),
        lambda ring: ring.reap(15),
        lambda ring: ring.recover(99),
    ],
)
def test_slots_and_bits_out_of_range_are_refused(ring: Ring, call: Callable[[Ring], object]) -> None:
    with pytest.raises(RingError):
        call(ring)


def test_a_header_survives_the_ring(ring: Ring) -> None:
    written = header(7)
    written.pts, written.rate = 1.25, 29.97
    written.captured_ns, written.wall_ns = -5, 1_700_000_000_000_000_001
    written.width, written.height, written.shown_width, written.shown_height = 4, 3, 3, 4
    written.pixel_format, written.matrix, written.flags = 2, 1, 5
    written.strides, written.offsets, written.decode_us = (1, 2, 3), (0, 10, 20), 2**32 - 1
    slot = ring.reserve(False, 0)
    assert slot is not None
    sequence = ring.publish(slot, written)
    read = ring.header(slot, sequence)
    assert read is not None
    for name in ("frame_id", "pts", "rate", "captured_ns", "wall_ns", "width", "height", "shown_width", "shown_height"):
        assert getattr(read, name) == getattr(written, name)
    for name in ("pixel_format", "matrix", "flags", "decode_us", "payload_length"):
        assert getattr(read, name) == getattr(written, name)
    assert (list(read.strides), list(read.offsets)) == ([1, 2, 3], [0, 10, 20])
    assert (read.sequence, read.source_index) == (sequence, 4)


def test_a_ring_without_frames_has_no_pts(ring: Ring) -> None:
    assert math.isnan(ring.last_pts)
    assert (ring.last_frame_id, ring.published) == (0, 0)


def test_timeouts_that_make_no_sense_do_not_wait(ring: Ring) -> None:
    for frame_id in range(1, 4):
        publish(ring, frame_id)
    assert ring.reserve(False, -1) is None
    assert ring.reserve(False, math.nan) is None


def test_a_header_of_planes_outside_the_slot_is_refused(ring: Ring) -> None:
    slot = ring.reserve(False, 0)
    assert slot is not None
    wrong = header(1)
    wrong.offsets = (0, 65, 0)
    with pytest.raises(RingError, match="outside"):
        ring.publish(slot, wrong)
