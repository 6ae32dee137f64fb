"""An MP4 that grows picture by picture, and can be played whatever happens to the process."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mpipeline.errors import SinkError
from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.sinks.joint_timeline import JointTimeline
from mpipeline.inference_pipeline.sinks.letterbox import letterbox
from mpipeline.sinks.appending import AppendingFile
from mpipeline.sinks.drawing import fit
from mpipeline.sinks.encoder import Encoder
from mpipeline.sinks.finishing import finish
from mpipeline.sinks.fragments import fragment
from mpipeline.sinks.timeline import DEFAULT_RATE, Moment

_QUALITY, _PRESET = 23, "veryfast"  # of x264


@dataclass
class _Growing:
    """What is open once the first picture has said how big it is. `size` is (width, height), both even."""

    size: tuple[int, int]
    encoder: Encoder
    file: AppendingFile
    unwritten: bytes = b""  # encoded, but not in the file yet: the encoder cannot go back

    def append(self, data: bytes = b"") -> None:
        """Brings `data` into the file, what could not be written before first."""
        self.unwritten += data
        if self.unwritten:
            self.file.append(self.unwritten)
            self.unwritten = b""

    def close(self) -> None:
        self.encoder.close()
        self.file.close()


class Recording:
    """H.264 in fragments, one for each picture; `finish` makes an ordinary MP4 of them.

    The file is made with the first picture, whose size it has unless `size` (width, height) is given; what lay there is
    replaced. `rate`, in Hz, gives each picture the same duration. May be used from several threads. In a fork of the
    program it does nothing: the file is the parent's.
    """

    def __init__(self, path: Path, size: tuple[int, int] | None, rate: float | None) -> None:
        self.path = path
        self.pictures = 0
        self._size = size
        self._rate = rate
        self._timeline = JointTimeline(rate)
        self._process = os.getpid()
        self._lock = threading.RLock()  # a signal handler may finish it in the midst of `add`
        self._is_adding = False
        self._finished = False
        self._growing: _Growing | None = None
        self._ticks = 0

    def add(self, picture: Pixels, frames: Sequence[VideoFrame | None]) -> None:
        """Adds a (H, W, 3) uint8 BGR picture, shown when `frames` say. SinkError if it cannot be written."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if self._finished:
                raise SinkError(f"{self.path} was finished by release(): no picture can be added to it")
            self._is_adding = True
            try:
                self._add(picture, frames)
            finally:
                self._added()

    def finish(self) -> None:
        """Completes the file, if there is one; harmless when repeated."""
        if os.getpid() != self._process:
            return
        with self._lock:
            self._finished = True
            if not self._is_adding:
                self._complete()

    def _add(self, picture: Pixels, frames: Sequence[VideoFrame | None]) -> None:
        if self._growing is None:
            self._growing = self._begin(picture, frames)
        growing = self._growing
        growing.append()
        self._ticks, duration = self._timeline.place(frames)
        picture = fit(letterbox(picture, self._size or growing.size), *growing.size)
        data, key = growing.encoder.encode(picture, self._ticks)
        self.pictures += 1
        growing.append(fragment(self.pictures, data, self._ticks, duration, key))

    def _added(self) -> None:
        self._is_adding = False
        if self._finished:  # meanwhile, by a signal handler
            self._complete()

    def _complete(self) -> None:
        growing, self._growing = self._growing, None
        if growing is None:
            return
        logger = logging.getLogger(__name__)
        try:
            growing.append()
        except SinkError as error:
            logger.error("the last picture of %s is lost: %s", self.path, error, extra={"event": "picture_lost"})
        growing.close()
        try:
            finish(self.path, "", Moment(self.pictures, self._ticks, math.nan), lambda: None)
        except SinkError as error:
            text = "%s stays a fragmented MP4, slow to seek in: %s"
            logger.warning(text, self.path, error, extra={"event": "not_rewritten"})

    def _begin(self, picture: Pixels, frames: Sequence[VideoFrame | None]) -> _Growing:
        width, height = self._size or (picture.shape[1], picture.shape[0])
        size = (width + width % 2, height + height % 2)
        declared = next((frame.fps for frame in frames if frame is not None and frame.fps), None)
        encoder = Encoder(*size, self._rate or declared or DEFAULT_RATE, _QUALITY, _PRESET)
        try:
            return _Growing(size, encoder, AppendingFile(self.path), encoder.head)
        except SinkError:
            encoder.close()
            raise
