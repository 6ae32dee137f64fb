"""Frames and predictions as the InferencePipeline interface hands them to sinks, made up for tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.video_frame import VideoFrame

BEGIN = datetime(2026, 3, 1, 12, 0, 0)
NS_PER_FRAME = 40_000_000


def grey(size: tuple[int, int] = (320, 240), level: int = 90) -> Pixels:
    """A picture of one grey level; `size` is (width, height)."""
    return np.full((size[1], size[0], 3), level, np.uint8)


def frame(frame_id: int = 1, source_id: int | None = 0, image: Any = None, **known: Any) -> VideoFrame:
    """Frame `frame_id` of a live source of 25 Hz that began 2026-03-01 12:00:00."""
    known = {
        "frame_timestamp": BEGIN + timedelta(seconds=(frame_id - 1) / 25),
        "captured_ns": frame_id * NS_PER_FRAME,
        "fps": 25.0,
        "comes_from_video_file": False,
        **known,
    }
    return VideoFrame(image=grey() if image is None else image, frame_id=frame_id, source_id=source_id, **known)


def box(x: float, y: float, width: float, height: float, name: str = "cat", **more: Any) -> dict[str, Any]:
    """One detection; x, y is the centre."""
    return {
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "confidence": 0.875,
        "class": name,
        "class_id": 2,
        "detection_id": "5f0c3a52-0b46-5c0a-9a5e-6a1f6f6c5d11",
        **more,
    }


def detections(*rows: dict[str, Any], size: tuple[int, int] = (320, 240)) -> dict[str, Any]:
    """A prediction of an object detector for a picture of `size`."""
    return {"image": {"width": size[0], "height": size[1]}, "predictions": list(rows)}


def touched(image: Pixels, level: int = 90) -> set[tuple[int, int]]:
    """Pixels (row, column) that are not of the grey level any more."""
    rows, columns = np.nonzero((image != level).any(axis=2))
    return set(zip(rows.tolist(), columns.tolist(), strict=True))
