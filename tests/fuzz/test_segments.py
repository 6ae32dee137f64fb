"""Rings whose segments are damaged, cut or of arbitrary bytes, as Python sees them: RingError, or an expired frame."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline._native import ring_layout
from mpipeline.errors import RingError
from mpipeline.frame import FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.mapping import Mapping, attach, segment_path
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter

SLOTS = 3
FORMAT = FrameFormat(PixelFormat.I420, 34, 18)
LAYOUT = ring_layout()
HEADER_BYTES = 288  # of the ring
SLOT_BYTES = 192  # control word and slot header
STRIDE = 4096 + 4096

WORDS = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**16, 2**32, 2**63, 2**64 - 1, 0x7FF0 << 48, 0x7FF8 << 48])


@st.composite
def places(draw: st.DrawFn) -> int:
    """Offsets of words that mean something."""
    slot = draw(st.integers(-1, SLOTS - 1))
    if slot < 0:
        return draw(st.integers(0, HEADER_BYTES // 8 - 1)) * 8
    return 4096 + slot * STRIDE + draw(st.integers(0, SLOT_BYTES // 8 - 1)) * 8


@pytest.fixture
def owned() -> Iterator[OwnedRing]:
    """A ring with readers 0 and 1 (pinned) and two published frames."""
    with published_ring() as ring:
        yield ring


@contextlib.contextmanager
def published_ring() -> Iterator[OwnedRing]:
    ring = create_ring(f"fuzz-{uuid.uuid4().hex[:12]}", "gate", 0, FORMAT, SLOTS)
    try:
        ring.add_reader(0, False)
        ring.add_reader(1, True)
        writer = RingWriter(ring.descriptor, reuse=True)
        for frame_id in (1, 2):
            slot = writer.reserve(60)
            assert slot is not None
            writer.publish(slot, FrameMeta("gate", frame_id, 0.5, 1, 1, 34, 18, 25.0))
        writer.close()
        yield ring
    finally:
        ring.close()


def read_all(descriptor: RingDescriptor) -> None:
    """What a reader does with a ring, until the first RingError."""
    reader = RingReader(descriptor, 0)
    try:
        for ref, meta in reader.pending():
            assert 0 <= ref.slot < SLOTS
            assert meta.frame_id > 0
            lease = reader.acquire(ref.slot, ref.sequence)
            if lease is not None:
                assert lease.frame.bgr().shape == (18, 34, 3)
                lease.release()
        reader.recover()
        for slot in range(SLOTS):
            reader.meta(FrameRef(descriptor.segment, slot, 1))
        reader.wait_published(0, 0)
    finally:
        reader.close()


def write_one(descriptor: RingDescriptor) -> None:
    """What a restarted writer does."""
    writer = RingWriter(descriptor, reuse=True)
    try:
        slot = writer.reserve(0)
        if slot is not None:
            for plane in writer.planes(slot):
                plane[:] = 7
            writer.publish(slot, FrameMeta("gate", min(writer.last_frame_id + 1, 2**63), None, 1, 1, 34, 18))
    finally:
        writer.close()


def own(ring: OwnedRing) -> None:
    """What the owner does."""
    statistics = ring.statistics()
    assert max(statistics["free"], statistics["pending"], statistics["held"]) <= SLOTS
    ring.last_published()
    ring.has_room()
    ring.waits_for(0)
    ring.remove_reader(1)
    ring.add_reader(2, True)
    ring.reap(0)
    ring.reap_writer()
    ring.idle()


@settings(max_examples=150)
@given(st.lists(st.tuples(places(), WORDS), min_size=1, max_size=6))
def test_words_are_overwritten(changes: list[tuple[int, int]]) -> None:
    with published_ring() as ring:
        mapping = attach(ring.descriptor.segment)
        for place, word in changes:
            mapping.memory[place : place + 8] = word.to_bytes(8, "little")
        mapping.close()
        for role in (read_all, write_one, read_all):
            with contextlib.suppress(RingError):
                role(ring.descriptor)
        own(ring)


@settings(max_examples=100)
@given(st.binary(min_size=1, max_size=400), st.integers(0, 3 * 4096))
def test_a_segment_of_arbitrary_bytes_is_refused(start: bytes, more: int) -> None:
    name = f"mp-fuzz-{uuid.uuid4().hex[:12]}-0"
    mapping = Mapping(name, create=True, size=len(start) + more)
    try:
        mapping.memory[: len(start)] = start
        for role in (read_all, write_one):
            with pytest.raises(RingError):
                role(RingDescriptor(name, "gate", 0, SLOTS, FORMAT))
    finally:
        mapping.unlink()
        mapping.close()


@given(
    st.builds(FrameFormat, st.sampled_from(list(PixelFormat)), st.integers(1, 65535), st.integers(1, 65535)),
    st.integers(0, 4096),
    st.integers(0, 2**32 - 1),
)
def test_a_descriptor_of_another_ring_is_refused(format: FrameFormat, slots: int, index: int) -> None:
    with published_ring() as ring:
        descriptor = replace(ring.descriptor, format=format, slots=slots, index=index)
        if descriptor.format.payload_bytes() == FORMAT.payload_bytes() and (slots, index) == (SLOTS, 0):
            return
        with pytest.raises(RingError):
            RingReader(descriptor, 0)


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/b", "../shm/x", "a\0b", "n" * 255, "n" * 300])
def test_a_name_that_is_none_of_a_segment_is_refused(name: str) -> None:
    with pytest.raises(RingError):
        RingReader(RingDescriptor(name, "gate", 0, SLOTS, FORMAT), 0)


def test_a_folder_or_a_private_file_is_refused(owned: OwnedRing) -> None:
    path = segment_path(f"{owned.descriptor.segment}0")
    os.mkdir(path)
    try:
        with pytest.raises(RingError, match="cannot map"):
            RingReader(replace(owned.descriptor, segment=os.path.basename(path)), 0)
    finally:
        os.rmdir(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frame_id", 0),
        ("frame_id", 2**63),
        ("pts", 0x7FF0 << 48),
        ("rate", 0x7FF8 << 48),
        ("rate", 0xBFF0 << 48),
        ("shown_width", 0xFFFF_FFFF),
        ("shown_height", 0xFFFF_FFFF),
    ],
)
def test_what_is_told_of_a_frame_must_be_possible(owned: OwnedRing, field: str, value: int) -> None:
    reader = RingReader(owned.descriptor, 0)
    (ref, _), _ = reader.pending()
    offset, size = LAYOUT["slot_header"][field]
    place = LAYOUT["first_slot"] + ref.slot * STRIDE + LAYOUT["header"] + offset
    mapping = attach(owned.descriptor.segment)
    mapping.memory[place : place + size] = value.to_bytes(size, "little")
    mapping.close()
    for look in (reader.pending, lambda: reader.meta(ref), lambda: reader.acquire(ref.slot, ref.sequence)):
        with pytest.raises(RingError, match="damaged"):
            look()
    assert owned.statistics()["held"] == 0
    reader.close()


@pytest.mark.parametrize("size", [0, 100, 4096, 4096 + STRIDE])
def test_a_segment_that_was_cut_is_refused_by_all_who_come_and_by_its_owner(owned: OwnedRing, size: int) -> None:
    os.truncate(segment_path(owned.descriptor.segment), size)
    for role in (read_all, write_one):
        with pytest.raises(RingError):
            role(owned.descriptor)
    for act in (owned.statistics, owned.idle, owned.reap_writer, owned.has_room, lambda: owned.reap(0)):
        with pytest.raises(RingError, match=f"cut from {4096 + SLOTS * STRIDE} to {size} bytes"):
            act()
    owned.close()
    assert not os.path.exists(segment_path(owned.descriptor.segment))


READER = """
import sys
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.reader import RingReader

reader = RingReader(RingDescriptor(sys.argv[1], "gate", 0, 3, FrameFormat(PixelFormat.I420, 34, 18)), 0)
ref = reader.pending()[0][0]
lease = reader.acquire(ref.slot, ref.sequence)
print("attached", flush=True)
sys.stdin.readline()
lease.frame.bgr()
"""


def test_who_looks_at_pixels_dies_of_the_cut_and_its_successor_is_refused(owned: OwnedRing) -> None:
    """The kernel gives no choice: see `Attachment`. What must not be is that the owner dies of it too."""
    arguments = [sys.executable, "-c", READER, owned.descriptor.segment]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(arguments, cwd=Path(__file__).parent, text=True, **pipes) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "attached\n"
        os.truncate(segment_path(owned.descriptor.segment), 4096)
        reader.communicate("\n", timeout=60)
    assert reader.returncode == -signal.SIGBUS
    with pytest.raises(RingError, match="where its ring takes"):
        RingReader(owned.descriptor, 0)
    with pytest.raises(RingError, match="was cut"):
        owned.reap(0)


def test_a_segment_that_has_grown_is_refused_but_serves_who_is_there(owned: OwnedRing) -> None:
    reader = RingReader(owned.descriptor, 0)
    os.truncate(segment_path(owned.descriptor.segment), 10 * STRIDE)
    with pytest.raises(RingError, match="where its ring takes"):
        RingReader(owned.descriptor, 0)
    assert len(reader.pending()) == 2
    assert owned.statistics()["pending"] == 2
    reader.close()
