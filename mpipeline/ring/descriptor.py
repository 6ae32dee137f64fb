"""What another process must know to attach to a ring, and how much memory a ring takes."""

from __future__ import annotations

from dataclasses import dataclass

from mpipeline import _native
from mpipeline.frame import FrameFormat


@dataclass(frozen=True, slots=True)
class RingDescriptor:
    """Names a ring: its segment, the source whose frames it carries, and the geometry of those frames."""

    segment: str
    source: str
    index: int
    slots: int
    format: FrameFormat


def bytes_needed(slots: int, format: FrameFormat) -> int:
    """Bytes of /dev/shm that a ring of `slots` frames takes, headers and padding to whole pages included."""
    return _native.segment_bytes(slots, format.payload_bytes())
