"""Reads sources in tests: every frame, its number from the bar code, its times and flags."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from support.media import frame_number

from mpipeline.errors import SourceError
from mpipeline.frame import FrameFormat, PixelFormat, Pixels, plane_views
from mpipeline.sources.source import GrabbedFrame, Source, StreamInfo
from mpipeline.sources.video import VideoOptions, VideoSource

DEADLINE_S = 30.0


@dataclass
class Reading:
    """What came out of a source. `error` is what ended it, None after a good end."""

    info: StreamInfo | None = None
    frames: list[GrabbedFrame] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    decode_errors: int = 0
    error: SourceError | None = None

    @property
    def pts(self) -> list[float | None]:
        return [frame.pts for frame in self.frames]


@contextmanager
def opened(uri: str | Path, **options: Any) -> Iterator[tuple[VideoSource, StreamInfo]]:
    """An open `video` source, closed afterwards."""
    source = VideoSource("test", VideoOptions(uri=str(uri), **options))
    try:
        yield source, source.open()
    finally:
        source.close()


def read(uri: str | Path, *, limit: int = 100_000, **options: Any) -> Reading:
    """Reads up to `limit` frames of a `video` source."""
    source = VideoSource("test", VideoOptions(uri=str(uri), **options))
    return drain(source, limit=limit)


def drain(source: Source, *, limit: int = 100_000) -> Reading:
    """Opens a source, reads up to `limit` frames, closes it."""
    reading = Reading()
    try:
        reading.info = source.open()
        while len(reading.frames) < limit and (grabbed := source.grab()) is not None:
            reading.frames.append(grabbed)
            reading.numbers.append(frame_number(luma(grabbed.format, pixels(source, grabbed.format))))
    except SourceError as error:
        reading.error = error
    finally:
        reading.decode_errors = source.decode_errors
        source.close()
    return reading


def pixels(source: Source, format: FrameFormat) -> tuple[Pixels, ...]:
    """The grabbed frame's planes, in memory of their own."""
    planes = plane_views(format, np.zeros(format.payload_bytes(), np.uint8))
    source.retrieve(planes)
    return planes


def luma(format: FrameFormat, planes: tuple[Pixels, ...]) -> Pixels:
    """Something like luma of shape (height, width): the first plane, or green."""
    if format.pixel_format is PixelFormat.BGR24:
        return planes[0].reshape(format.height, format.width, 3)[:, :, 1]
    return planes[0]


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Waits until `condition` holds; fails after `DEADLINE_S`."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"waited {DEADLINE_S:g} s for {what}"
        time.sleep(0.01)
