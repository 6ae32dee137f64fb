"""Turns the pixels of a slot into a picture for people and programs: BGR."""

from __future__ import annotations

from collections.abc import Sequence

from mpipeline import _native
from mpipeline.frame import FrameFormat, Pixels


def to_bgr(format: FrameFormat, planes: Sequence[Pixels]) -> Pixels:
    """A new (height, width, 3) uint8 array in BGR order; the converter that a `Frame` carries.

    `planes` are (rows, row_bytes) uint8 with any row stride, as `plane_views` gives them. Each chroma sample serves its
    2 x 2 pixels, as in FFmpeg and OpenCV; the result is within one level of the exact formula of ITU-T H.273. The
    interpreter lock is released meanwhile. Raises ValueError if a plane has another shape than `format` says.
    """
    return _native.to_bgr(
        format.pixel_format, format.width, format.height, format.matrix, format.full_range, list(planes)
    )
