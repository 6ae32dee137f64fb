"""Rings for the tests of this package: in private memory, and in real segments that are removed again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from support.ring_memory import aligned_memory

from mpipeline._native import Ring, segment_bytes
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.ring.segment import OwnedRing, create_ring

SLOTS = 3
PAYLOAD = 64


@pytest.fixture
def ring() -> Ring:
    """A native ring of three slots of 64 bytes with readers 0 (not pinned) and 1 (pinned)."""
    memory = aligned_memory(segment_bytes(SLOTS, PAYLOAD))
    ring = Ring.create(memory, SLOTS, PAYLOAD, source_index=4, owner_pid=99)
    ring.add_reader(0, False)
    ring.add_reader(1, True)
    return ring


@pytest.fixture
def run_id() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def make_ring(run_id: str) -> Iterator[Callable[..., OwnedRing]]:
    """Creates rings in /dev/shm: `make_ring(pixel_format, width, height, slots)`."""
    rings: list[OwnedRing] = []

    def make(
        pixel_format: PixelFormat = PixelFormat.I420,
        width: int = 34,
        height: int = 18,
        slots: int = SLOTS,
        last_frame_id: int = 0,
    ) -> OwnedRing:
        format = FrameFormat(pixel_format, width, height)
        rings.append(create_ring(run_id, "gate", len(rings), format, slots, last_frame_id))
        return rings[-1]

    yield make
    for ring in rings:
        ring.close()
