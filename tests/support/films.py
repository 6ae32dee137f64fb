"""Video sinks for tests, and what can be decoded from their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from support.predictions import picture, prediction

from mpipeline.frame import FrameMeta, Pixels
from mpipeline.sinks.video import VideoOptions, VideoSink


def sink(path: Path, *, resume: bool = False, **options: Any) -> VideoSink:
    """An open sink with quick options."""
    made = VideoSink("annotated", VideoOptions(path=str(path), preset="ultrafast", **options))
    made.open(resume)
    return made


def write(made: VideoSink, *frames: FrameMeta) -> None:
    """Writes their pictures, without detections."""
    for frame in frames:
        made.write(prediction(frame), picture(frame))


def decode(path: Path) -> list[tuple[float, Pixels]]:
    """(time, picture) of each frame; errors of the decoder are errors."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        return [(float(frame.time), frame.to_ndarray(format="bgr24")) for frame in container.decode(stream)]


def frame_ids(path: Path) -> list[int]:
    """Which of `support.predictions.picture` each frame shows."""
    return [round(float(image[8:-8, 8:-8].mean()) / 10) for _, image in decode(path)]
