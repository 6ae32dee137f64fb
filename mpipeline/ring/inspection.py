"""A look at a ring from outside by the name of its segment: how its slots are in use. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from mpipeline._native import Ring
from mpipeline.ring.mapping import attach

_WRITER = 1 << 15


@dataclass(frozen=True, slots=True)
class SlotUse:
    """Slots of a ring: `pending` wait for a reader, `held` are being read, `reserved` are being written."""

    slots: int
    pending: int
    held: int
    reserved: int


def slot_use(segment: str) -> SlotUse:
    """How the slots of a segment are in use at this moment.

    Raises FileNotFoundError if there is no such segment, RingError if it holds no ring of this layout version.
    """
    mapping = attach(segment)
    try:
        ring = Ring(mapping.memory)
        words = [ring.control(slot) for slot in range(ring.slots)]
        del ring  # it keeps the memory mapped
    finally:
        mapping.close()
    return SlotUse(
        len(words),
        pending=sum(bool(pending) for _, pending, _ in words),
        held=sum(bool(held & ~_WRITER) for _, _, held in words),
        reserved=sum(bool(held & _WRITER) for _, _, held in words),
    )
