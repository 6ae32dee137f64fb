"""Writes how late and how fast a pipeline is into a picture."""

from __future__ import annotations

from datetime import datetime

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.video_frame import age_s

_GREEN = (0, 255, 0)
_SCALE, _THICKNESS = 0.8, 2
_LATENCY_ABOVE_BOTTOM, _THROUGHPUT_ABOVE_BOTTOM = 10, 50  # pixels


def write_statistics(image: Pixels, frame: VideoFrame | None, fps: float | None, clock: Clock | None = None) -> Pixels:
    """Writes the latency of `frame`, if it is there and its age is known, and the throughput into `image` itself."""
    clock = clock or SystemClock()
    age = None if frame is None else age_s(frame, clock.monotonic_ns(), clock.wall_ns())
    return _write(image, age, fps)


def render_statistics(image: Pixels, frame_timestamp: datetime | None, fps: float | None) -> Pixels:
    """Writes the time since `frame_timestamp` and the throughput `fps`, each unless it is None, into `image` itself."""
    if frame_timestamp is None:
        return _write(image, None, fps)
    now = datetime.fromtimestamp(SystemClock().wall_ns() / NS_PER_S, frame_timestamp.tzinfo)
    return _write(image, (now - frame_timestamp).total_seconds(), fps)


def _write(image: Pixels, latency_s: float | None, fps: float | None) -> Pixels:
    import cv2

    lines = []
    if latency_s is not None:
        lines.append((f"LATENCY: {latency_s * 1000:.2f} ms", _LATENCY_ABOVE_BOTTOM))
    if fps is not None:
        lines.append((f"THROUGHPUT: {fps:.2f}", _THROUGHPUT_ABOVE_BOTTOM))
    for text, above_bottom in lines:
        place = (10, image.shape[0] - above_bottom)
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, _SCALE, _GREEN, _THICKNESS)
    return image
