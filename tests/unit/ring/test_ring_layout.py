"""Attaching to memory that is not a ring of this version, or no longer sane."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ring_memory import aligned_memory

from mpipeline._native import Ring, SlotHeader, ring_layout, segment_bytes
from mpipeline.errors import RingError

LAYOUT = ring_layout()
RING_HEADER = LAYOUT["ring_header"]


def ring_memory() -> memoryview:
    memory = aligned_memory(segment_bytes(2, 64))
    Ring.create(memory, 2, 64).add_reader(0, True)
    return memory


def overwrite(memory: memoryview, field: str, value: int) -> None:
    offset, size = RING_HEADER[field]
    memory[offset : offset + size] = value.to_bytes(size, "little")


def test_layout_is_exported() -> None:
    assert LAYOUT["version"] == 1
    assert LAYOUT["magic"] == b"MIPERING"
    assert LAYOUT["payload"] % 4096 == 0
    assert LAYOUT["slot_header"]["frame_id"] == (0, 8)
    assert LAYOUT["slot_header"]["layout_version"] == (124, 4)
    assert RING_HEADER["layout_version"] == (8, 4)


def test_payloads_lie_on_pages_and_inside() -> None:
    ring = Ring(ring_memory())
    for slot in range(2):
        assert ring.payload_offset(slot) % 4096 == 0
        assert ring.payload_offset(slot) + 64 <= segment_bytes(2, 64)


def test_another_layout_version_names_both() -> None:
    memory = ring_memory()
    overwrite(memory, "layout_version", 9)
    with pytest.raises(RingError, match=r"version 9.*version 1"):
        Ring(memory)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("magic", 0, "no ring"),
        ("slot_count", 0, "not possible"),
        ("slot_count", 3, "where its ring takes"),
        ("slot_count", 2**32 - 1, "not possible"),
        ("payload_bytes", 2**64 - 1, "not possible"),
        ("payload_bytes", 8192, "where its ring takes"),
        ("slot_stride", 8, "damaged"),
        ("segment_bytes", 1, "damaged"),
    ],
)
def test_a_damaged_header_is_refused(field: str, value: int, message: str) -> None:
    memory = ring_memory()
    overwrite(memory, field, value)
    with pytest.raises(RingError, match=message):
        Ring(memory)


def test_wrong_sizes_are_refused() -> None:
    memory = ring_memory()
    for length in (0, 1, 4095, 4096, len(memory) - 1):
        with pytest.raises(RingError):
            Ring(memory[:length])
    with pytest.raises(RingError, match="not possible"):
        Ring.create(memory, 0, 64)
    with pytest.raises(RingError, match="where its ring takes"):
        Ring.create(memory, 1, 64)


def test_memory_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(BufferError):
        Ring(ring_memory().toreadonly())


@given(damage=st.binary(min_size=320, max_size=320), words=st.lists(st.binary(min_size=8, max_size=8), max_size=40))
def test_damage_after_attaching_never_leads_outside(damage: bytes, words: list[bytes]) -> None:
    """Whatever the bytes say, operations end in an answer or a RingError: the geometry was copied when attaching."""
    memory = ring_memory()
    ring = Ring(memory)
    memory[:320] = damage
    for place, word in enumerate(words):
        slot, index = place % 2, place // 2
        start = 4096 + slot * 8192 + (0 if index == 0 else 56 + 8 * index)
        memory[start : start + 8] = word
    for operation in (ring.idle, ring.reap_writer, lambda: ring.pending(0), lambda: ring.recover(0)):
        with suppress(RingError):
            operation()
    sequence, _, _ = ring.control(0)
    with suppress(RingError):
        ring.header(0, sequence)
        ring.acquire(0, sequence, 0)
        slot = ring.reserve(True, 0)
        if slot is not None:
            header = SlotHeader()
            header.frame_id = 2**64 - 1
            ring.publish(slot, header)


def test_a_header_without_its_stamp_is_damage() -> None:
    memory = ring_memory()
    ring = Ring(memory)
    slot = ring.reserve(False, 0)
    assert slot is not None
    header = SlotHeader()
    header.frame_id = 1
    sequence = ring.publish(slot, header)
    offset, size = LAYOUT["slot_header"]["sequence"]
    start = LAYOUT["first_slot"] + slot * 8192 + LAYOUT["header"] + offset
    memory[start : start + size] = struct.pack("<I", sequence + 7)
    with pytest.raises(RingError, match="damaged"):
        ring.header(slot, sequence)
    with pytest.raises(RingError, match="damaged"):
        ring.pending(0)
