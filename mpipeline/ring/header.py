"""Between a slot header and the words of the rest of the house: FrameFormat and FrameMeta."""

from __future__ import annotations

import math

from mpipeline._native import SlotHeader
from mpipeline.errors import RingError
from mpipeline.frame import FrameFlag, FrameFormat, FrameMeta

MOST_FRAME_ID = 2**63 - 1
MOST_DECODE_US = 2**32 - 1
_MOST_SHOWN = 1 << 20  # pixels, wide or high


def header_for(format: FrameFormat) -> SlotHeader:
    """A header with all that is the same for every frame of a ring."""
    header = SlotHeader()
    planes = format.planes()
    missing = (0,) * (3 - len(planes))
    header.width, header.height = format.width, format.height
    header.pixel_format, header.matrix = int(format.pixel_format), int(format.matrix)
    header.strides = (*(plane.stride for plane in planes), *missing)
    header.offsets = (*(plane.offset for plane in planes), *missing)
    header.payload_length = format.payload_bytes()
    return header


def describe(header: SlotHeader, format: FrameFormat, meta: FrameMeta) -> None:
    """Fills in what is known about one frame."""
    flags = FrameFlag(0)
    if meta.key_frame:
        flags |= FrameFlag.KEY_FRAME
    if meta.corrupt:
        flags |= FrameFlag.CORRUPT
    if format.full_range:
        flags |= FrameFlag.FULL_RANGE
    header.flags = int(flags)
    header.frame_id = meta.frame_id
    header.pts = math.nan if meta.pts is None else meta.pts
    header.captured_ns, header.wall_ns = meta.captured_ns, meta.wall_ns
    header.decode_us = min(meta.decode_us, MOST_DECODE_US)
    header.rate = meta.rate
    header.shown_width, header.shown_height = meta.width, meta.height


def meta_of(header: SlotHeader, source: str) -> FrameMeta:
    """What a header says about its frame."""
    return FrameMeta(
        source=source,
        frame_id=header.frame_id,
        pts=None if math.isnan(header.pts) else header.pts,
        captured_ns=header.captured_ns,
        wall_ns=header.wall_ns,
        width=header.shown_width,
        height=header.shown_height,
        rate=header.rate,
        key_frame=bool(header.flags & FrameFlag.KEY_FRAME),
        corrupt=bool(header.flags & FrameFlag.CORRUPT),
        decode_us=header.decode_us,
    )


def check_header(header: SlotHeader, expected: SlotHeader, segment: str) -> None:
    """Raises RingError if a frame's pixels do not lie as the ring's descriptor says, or what is told is absurd."""
    if _geometry(header) != _geometry(expected):
        raise RingError(
            f"a slot of {segment} holds a frame of another geometry than the ring: "
            f"{_geometry(header)} instead of {_geometry(expected)} "
            "(pixel format, width, height, matrix, strides, offsets, bytes); a new geometry needs a new ring"
        )
    sound = (
        0 < header.frame_id <= MOST_FRAME_ID
        and not math.isinf(header.pts)
        and 0 <= header.rate < math.inf
        and max(header.shown_width, header.shown_height) <= _MOST_SHOWN
    )
    if not sound:
        raise RingError(
            f"a slot header of {segment} is damaged: frame {header.frame_id}, pts {header.pts}, rate {header.rate}, "
            f"{header.shown_width} x {header.shown_height} pixels as shown"
        )


def _geometry(header: SlotHeader) -> tuple[object, ...]:
    layout = (tuple(header.strides), tuple(header.offsets), header.payload_length)
    return (header.pixel_format, header.width, header.height, header.matrix, *layout)
