"""Writer and reader on a real segment: frames come out as they went in, leases end, views outlive everything."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mpipeline.errors import RingError
from mpipeline.frame import ColorMatrix, FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.ring.descriptor import RingDescriptor, bytes_needed
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter

MakeRing = Callable[..., OwnedRing]


def meta(frame_id: int, **changes: object) -> FrameMeta:
    return replace(FrameMeta("gate", frame_id, frame_id / 25, 1000 + frame_id, 2000, 34, 18, 25.0), **changes)


def publish(writer: RingWriter, frame: FrameMeta) -> tuple[int, int]:
    slot = writer.reserve(60)
    assert slot is not None
    for plane in writer.planes(slot):
        plane[:] = frame.frame_id
    return slot, writer.publish(slot, frame)


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_a_frame_comes_out_as_it_went_in(make_ring: MakeRing, pixel_format: PixelFormat) -> None:
    owned = make_ring(pixel_format, 33, 17)
    owned.add_reader(2, True)
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 2)
    slot = writer.reserve(0)
    assert slot is not None
    noise = np.random.default_rng(1)
    written = [noise.integers(0, 256, plane.shape, np.uint8) for plane in writer.planes(slot)]
    for plane, values in zip(writer.planes(slot), written, strict=True):
        plane[:] = values
    frame = meta(1, key_frame=True, width=17, height=33)
    sequence = writer.publish(slot, frame)
    with reader.acquire(slot, sequence) as lease:
        assert lease.frame.meta == frame
        assert lease.frame.format == owned.descriptor.format
        assert lease.ref == FrameRef(owned.descriptor.segment, slot, sequence)
        for plane, values in zip(lease.frame.planes, written, strict=True):
            np.testing.assert_array_equal(plane, values)
            with pytest.raises(ValueError, match="read-only"):
                plane[0, 0] = 1
            with pytest.raises(ValueError, match="WRITEABLE"):
                plane.flags.writeable = True
        assert lease.frame.bgr().shape == (17, 33, 3)
    assert owned.idle()


@pytest.mark.parametrize(
    "frame",
    [
        meta(1, pts=None),
        meta(1, pts=0.0, corrupt=True),
        meta(2**63 - 1, pts=-1.5, rate=0.0, captured_ns=2**62, wall_ns=-1, decode_us=2**32 - 1),
        meta(3, key_frame=True, corrupt=True),
    ],
)
def test_meta_survives_the_slot_header(make_ring: MakeRing, frame: FrameMeta) -> None:
    owned = make_ring()
    owned.add_reader(0, False)
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0)
    slot, sequence = publish_unfilled(writer, frame)
    ref = FrameRef(owned.descriptor.segment, slot, sequence)
    assert reader.pending() == [(ref, frame)]
    assert reader.meta(ref) == frame


def publish_unfilled(writer: RingWriter, frame: FrameMeta) -> tuple[int, int]:
    slot = writer.reserve(0)
    assert slot is not None
    return slot, writer.publish(slot, frame)


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_each_picture_that_is_made_of_a_frame_is_told(make_ring: MakeRing, pixel_format: PixelFormat) -> None:
    """And nothing else is: a frame is looked at where it lies."""
    owned, told = make_ring(pixel_format, 33, 17), list[int]()
    owned.add_reader(0, True)
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0, told.append)
    assert writer.frame_bytes == sum(plane.nbytes for plane in writer.planes(0))
    with reader.acquire(*publish(writer, meta(1))) as lease:
        assert [int(plane.mean()) for plane in lease.frame.planes] == [1] * len(lease.frame.planes)
        assert told == []
        picture = lease.frame.bgr()
        assert lease.frame.bgr() is picture
        assert told == [33 * 17 * 3]
        assert not any(np.shares_memory(picture, plane) for plane in lease.frame.planes)


def test_pending_is_in_order_and_expired_frames_are_none(make_ring: MakeRing) -> None:
    owned = make_ring()
    owned.add_reader(0, False)
    writer, reader = RingWriter(owned.descriptor, reuse=True), RingReader(owned.descriptor, 0)
    first = publish(writer, meta(1))
    for frame_id in range(2, 6):
        publish(writer, meta(frame_id))
    assert [frame.frame_id for _, frame in reader.pending()] == [3, 4, 5]
    assert reader.acquire(*first) is None
    assert reader.meta(FrameRef(owned.descriptor.segment, *first)) is None
    assert writer.expired == 2
    assert owned.statistics()["expired"] == 2


def test_skip_declines_for_others_too(make_ring: MakeRing) -> None:
    owned = make_ring()
    for bit in range(3):
        owned.add_reader(bit, True)
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0)
    slot, sequence = publish(writer, meta(1))
    reader.skip(slot, sequence + 1)
    assert len(reader.pending()) == 1
    reader.skip(slot, sequence)
    assert reader.pending() == []
    assert not owned.idle()
    reader.skip(slot, sequence, mask=0b110)
    assert owned.idle()


def test_release_is_idempotent_and_views_stay_readable(make_ring: MakeRing) -> None:
    owned = make_ring()
    owned.add_reader(0, True)
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0)
    lease = reader.acquire(*publish(writer, meta(7)))
    assert lease is not None
    view = lease.frame.planes[0]
    lease.release()
    lease.release()
    assert owned.idle()
    assert view[0, 0] == 7


def test_everything_may_close_while_views_and_leases_live(make_ring: MakeRing) -> None:
    owned = make_ring()
    owned.add_reader(0, True)
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0)
    published = publish(writer, meta(9))
    lease = reader.acquire(*published)
    assert lease is not None
    writable = writer.planes(published[0])[0]
    for _ in range(2):
        reader.close()
        writer.close()
    assert not owned.idle()
    lease.release()
    assert owned.idle()
    for _ in range(2):
        owned.close()
    view = lease.frame.planes[0]
    del reader, writer, owned, lease
    gc.collect()
    assert view[0, 0] == writable[0, 0] == 9
    with pytest.raises(ValueError, match="read-only"):
        view[:] = 0


def test_closed_ends_say_so(make_ring: MakeRing) -> None:
    owned = make_ring()
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0)
    writer.close()
    reader.close()
    owned.close()
    for call in (lambda: writer.reserve(0), reader.pending, owned.idle, lambda: writer.planes(0)):
        with pytest.raises(RingError):
            call()
    with pytest.raises(RingError, match="its run has ended"):
        RingReader(owned.descriptor, 0)


def test_a_restarted_writer_goes_on(make_ring: MakeRing) -> None:
    owned = make_ring(last_frame_id=41)
    owned.add_reader(0, True)
    writer = RingWriter(owned.descriptor, reuse=False)
    assert writer.last_frame_id == owned.last_frame_id == 41
    publish(writer, meta(42))
    writer.reserve(0)  # and dies
    assert owned.statistics()["reserved"] == 1
    successor = RingWriter(owned.descriptor, reuse=False)
    assert owned.statistics()["reserved"] == 0
    assert successor.last_frame_id == 42
    with pytest.raises(RingError, match="must grow"):
        successor.publish(successor.reserve(0) or 0, meta(42))


def test_a_restarted_reader_recovers(make_ring: MakeRing) -> None:
    owned = make_ring()
    owned.add_reader(0, True)
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0)
    for frame_id in (1, 2):
        publish(writer, meta(frame_id))
    for ref, _ in reader.pending():
        assert reader.acquire(ref.slot, ref.sequence)
    successor = RingReader(owned.descriptor, 0)
    assert successor.recover() == 2
    assert [frame.frame_id for _, frame in successor.pending()] == [1, 2]


def test_another_geometry_than_the_descriptors_is_an_error(make_ring: MakeRing) -> None:
    owned = make_ring(PixelFormat.I420, 32, 32)
    owned.add_reader(0, True)
    writer = RingWriter(owned.descriptor, reuse=False)
    other = FrameFormat(PixelFormat.I420, 32, 32, ColorMatrix.BT709)
    reader = RingReader(replace(owned.descriptor, format=other), 0)
    slot, sequence = publish(writer, meta(1))
    with pytest.raises(RingError, match="another geometry"):
        reader.pending()
    with pytest.raises(RingError, match="another geometry"):
        reader.acquire(slot, sequence)
    assert owned.statistics()["held"] == 0


def test_a_descriptor_that_does_not_fit_is_refused(make_ring: MakeRing) -> None:
    descriptor = make_ring().descriptor
    wrong = [
        replace(descriptor, slots=2),
        replace(descriptor, index=7),
        replace(descriptor, format=FrameFormat(PixelFormat.BGR24, 640, 480)),
    ]
    for other in wrong:
        with pytest.raises(RingError, match="is expected"):
            RingReader(other, 0)
        with pytest.raises(RingError, match="is expected"):
            RingWriter(other, reuse=False)


def test_slots_out_of_range_are_errors(make_ring: MakeRing) -> None:
    owned = make_ring()
    writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0)
    for slot in (-1, 3):
        with pytest.raises(RingError, match="out of range"):
            writer.planes(slot)
    with pytest.raises(RingError, match="out of range"):
        reader.acquire(3, 1)


def test_bytes_needed_is_the_size_of_the_segment(make_ring: MakeRing) -> None:
    descriptor: RingDescriptor = make_ring(slots=5).descriptor
    format = FrameFormat(PixelFormat.I420, 1920, 1080)
    assert bytes_needed(4, format) == 4096 + 4 * (4096 + -(-format.payload_bytes() // 4096) * 4096)
    with open(f"/dev/shm/{descriptor.segment}", "rb") as segment:
        assert len(segment.read()) == bytes_needed(5, descriptor.format)


def test_two_rings_of_one_name_are_refused(make_ring: MakeRing, run_id: str) -> None:
    owned = make_ring()
    with pytest.raises(RingError, match="exists"):
        create_ring(run_id, "gate", 0, owned.descriptor.format, 3)
    RingReader(owned.descriptor, 0).close()  # the first one is unharmed


@pytest.mark.parametrize(("counted", "expired"), [(0b01, 0), (0b10, 1), (0b11, 1)])
def test_what_is_given_up_before_one_of_the_counted_readers_had_it_has_expired(
    make_ring: MakeRing, counted: int, expired: int
) -> None:
    owned = make_ring(PixelFormat.GRAY8, 34, 18)
    for bit in (0, 1):
        owned.add_reader(bit, False)
    writer = RingWriter(owned.descriptor, reuse=True, counted=counted)
    slots = owned.descriptor.slots
    for frame_id in range(1, slots + 1):
        slot = writer.reserve(0)
        assert slot is not None
        sequence = writer.publish(slot, meta(frame_id))
        reader = RingReader(owned.descriptor, 0)
        reader.skip(slot, sequence)
        reader.close()
    assert writer.reserve(0) is not None
    assert writer.expired == expired
    writer.close()
