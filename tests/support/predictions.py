"""Predictions and frames made up for tests of sinks."""

from __future__ import annotations

import numpy as np

from mpipeline.frame import Frame, FrameMeta
from mpipeline.prediction import Detections, Failure, Prediction

NS_PER_FRAME = 40_000_000


def meta(
    source: str = "gate",
    frame_id: int = 1,
    *,
    pts: float | None = None,
    size: tuple[int, int] = (64, 48),
    rate: float = 25.0,
    corrupt: bool = False,
) -> FrameMeta:
    """Frame `frame_id` of a source of 25 Hz that began 2023-11-14 22:13:20 UTC; pts from 0 unless given."""
    moment = (frame_id - 1) * NS_PER_FRAME
    shown = moment / 1e9 if pts is None else pts
    return FrameMeta(
        source, frame_id, shown, moment, 1_700_000_000_000_000_000 + moment, *size, rate=rate, corrupt=corrupt
    )


def found(*rows: tuple[float, float, float, float]) -> Detections:
    """One detection of class 2, "cat", score 0.875, for each box."""
    count = len(rows)
    return Detections(
        np.array(rows, np.float32).reshape(count, 4),
        np.full(count, 0.875, np.float32),
        np.full(count, 2, np.int32),
        ("cat",) * count,
    )


def prediction(frame: FrameMeta, *rows: tuple[float, float, float, float]) -> Prediction:
    """A prediction with these boxes, or none."""
    return Prediction(frame, found(*rows))


def failure(frame: FrameMeta) -> Prediction:
    """A frame that could not be inferred."""
    return Prediction(frame, None, Failure("backend_failed", "the engine fell over"))


def picture(frame: FrameMeta) -> Frame:
    """A frame of one grey level that tells the frame id: 10 times it, modulo 250."""
    image = np.full((frame.height, frame.width, 3), frame.frame_id * 10 % 250, np.uint8)
    return Frame.from_bgr(frame, image)
