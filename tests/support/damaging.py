"""What can be done to a segment in /dev/shm by somebody who has no business there."""

from __future__ import annotations

import os
import random

from mpipeline import _native
from mpipeline.ring.mapping import SHARED_MEMORY_DIRECTORY

LAYOUT = _native.ring_layout()
GARBAGE = b"\xff" * 64

DAMAGES = ("cut", "emptied", "removed", "header", "slots")


def damage(segment: str, how: str, rng: random.Random | None = None) -> None:
    """`cut` to its first page, `emptied`, `removed`; garbage over the ring's `header`, or over that of each slot.

    With `rng` the garbage goes over one slot's header only.
    """
    path = os.path.join(SHARED_MEMORY_DIRECTORY, segment)
    if how == "removed":
        os.unlink(path)
    elif how in ("cut", "emptied"):
        os.truncate(path, LAYOUT["first_slot"] if how == "cut" else 0)
    elif how == "header":
        _write(path, [0])
    else:
        places = _slot_headers(path)
        _write(path, [rng.choice(places)] if rng is not None and places else places)


def _slot_headers(path: str) -> list[int]:
    """Where the header of each slot begins."""
    with open(path, "rb") as segment:
        head = segment.read(LAYOUT["first_slot"])
    count, stride = (_number(head, field) for field in ("slot_count", "slot_stride"))
    size = os.path.getsize(path)
    places = [LAYOUT["first_slot"] + slot * stride + LAYOUT["header"] for slot in range(min(count, 4096))]
    return [place for place in places if place + len(GARBAGE) <= size]


def _number(head: bytes, field: str) -> int:
    offset, size = LAYOUT["ring_header"][field]
    return int.from_bytes(head[offset : offset + size], "little")


def _write(path: str, places: list[int]) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        for place in places:
            os.pwrite(descriptor, GARBAGE, place)
    finally:
        os.close(descriptor)
