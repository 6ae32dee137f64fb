"""Frames: how their pixels lie in memory, what is known about them, and the pixels themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from functools import cached_property

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

PLANE_ALIGNMENT = 64  # bytes: a cache line, and the widest vector load


class PixelFormat(IntEnum):
    """How a slot holds pixels; the numbers are part of the slot's layout."""

    I420 = 1  # planes Y, U, V; chroma halved both ways, rounded up
    NV12 = 2  # planes Y, UV interleaved; chroma halved both ways, rounded up
    BGR24 = 3  # one plane, 3 bytes a pixel
    GRAY8 = 4  # one plane, full range


class ColorMatrix(IntEnum):
    """Which luma coefficients turn YUV into RGB (ITU-T H.273); the numbers are part of the slot's layout."""

    BT601 = 0
    BT709 = 1
    BT2020 = 2


class FrameFlag(IntFlag):
    """Bits of a slot header's flags."""

    KEY_FRAME = 1
    CORRUPT = 2  # the decoder concealed errors in it
    FULL_RANGE = 4  # luma 0..255 instead of 16..235


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane inside a slot's payload, in bytes."""

    offset: int
    stride: int
    rows: int
    row_bytes: int


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """Geometry and colour of a frame's pixels: enough to lay them out and to convert them."""

    pixel_format: PixelFormat
    width: int
    height: int
    matrix: ColorMatrix = ColorMatrix.BT601
    full_range: bool = False

    def planes(self) -> tuple[Plane, ...]:
        """The planes in order; strides and offsets are multiples of `PLANE_ALIGNMENT`."""
        chroma_width, chroma_height = (self.width + 1) // 2, (self.height + 1) // 2
        shapes = {
            PixelFormat.I420: [(self.height, self.width), (chroma_height, chroma_width), (chroma_height, chroma_width)],
            PixelFormat.NV12: [(self.height, self.width), (chroma_height, 2 * chroma_width)],
            PixelFormat.BGR24: [(self.height, 3 * self.width)],
            PixelFormat.GRAY8: [(self.height, self.width)],
        }[self.pixel_format]
        planes, offset = [], 0
        for rows, row_bytes in shapes:
            stride = _aligned(row_bytes)
            planes.append(Plane(offset, stride, rows, row_bytes))
            offset += stride * rows
        return tuple(planes)

    def pixel_bytes(self) -> int:
        """Bytes of the pixels of one frame, without what fills up rows."""
        return sum(plane.rows * plane.row_bytes for plane in self.planes())

    def payload_bytes(self) -> int:
        """Bytes that one frame takes in a slot."""
        last = self.planes()[-1]
        return last.offset + last.stride * last.rows


def _aligned(size: int) -> int:
    return -(-size // PLANE_ALIGNMENT) * PLANE_ALIGNMENT


def plane_views(format: FrameFormat, payload: Pixels) -> tuple[Pixels, ...]:
    """Views of shape (rows, row_bytes) on the planes of a frame that lies in `payload`, a 1-D uint8 array."""
    views = []
    for plane in format.planes():
        rows = payload[plane.offset : plane.offset + plane.stride * plane.rows].reshape(plane.rows, plane.stride)
        views.append(rows[:, : plane.row_bytes])
    return tuple(views)


@dataclass(frozen=True, slots=True)
class FrameMeta:
    """What is known about a frame besides its pixels. It travels in the slot header and with the prediction.

    `frame_id` counts from 1 within the source, also across reconnects; a gap is a number of dropped frames.
    `pts` is the container's presentation time in seconds (None where there is none). `captured_ns` is the monotonic
    clock when the frame's data had arrived, `wall_ns` the wall clock (ns since 1970 UTC) at that moment.
    `decode_us` are the microseconds from then until it had come out of the decoder.
    `rate` is the stream's nominal frame rate in Hz, 0.0 if unknown. `width` and `height` are pixels as shown.
    """

    source: str
    frame_id: int
    pts: float | None
    captured_ns: int
    wall_ns: int
    width: int
    height: int
    rate: float = 0.0
    key_frame: bool = False
    corrupt: bool = False
    decode_us: int = 0


@dataclass(frozen=True, slots=True)
class FrameRef:
    """The name of pixels: which slot of which ring, in which generation."""

    ring: str
    slot: int
    sequence: int


Converter = Callable[[FrameFormat, Sequence[Pixels]], Pixels]


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame with its pixels, as they lie in the slot (or anywhere else).

    `planes` are read-only views, shape (rows, row_bytes), dtype uint8, valid only until the frame's lease ends: inside
    `Sink.write`, inside one iteration of an attached program. `bgr()` gives pixels that may be kept.
    """

    meta: FrameMeta
    format: FrameFormat
    planes: tuple[Pixels, ...]
    convert: Converter | None = field(default=None, repr=False)

    def bgr(self) -> Pixels:
        """The picture as (height, width, 3) uint8 in BGR order: converted once, owned by the caller, writable."""
        return self._bgr

    @cached_property
    def _bgr(self) -> Pixels:
        if self.convert is not None:
            return self.convert(self.format, self.planes)
        if self.format.pixel_format is not PixelFormat.BGR24:
            raise ValueError(f"this frame carries no converter from {self.format.pixel_format.name} to BGR")
        bgr: Pixels = self.planes[0].reshape(self.format.height, self.format.width, 3).copy()
        return bgr

    @staticmethod
    def from_bgr(meta: FrameMeta, image: Pixels) -> Frame:
        """A frame around an (H, W, 3) uint8 BGR array, for tests and for sources that have BGR."""
        height, width = image.shape[:2]
        flat = np.ascontiguousarray(image).reshape(height, width * 3)
        shaped = replace(meta, width=width, height=height)
        return Frame(shaped, FrameFormat(PixelFormat.BGR24, width, height), (flat,))
