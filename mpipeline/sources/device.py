"""The source kind `device`: cameras of this machine, webcams for instance, read by OpenCV through Video4Linux."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
from pydantic import BaseModel

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.errors import Reason, SourceError
from mpipeline.frame import FrameFormat, PixelFormat, Pixels
from mpipeline.sources.device_errors import device_error, diagnosed
from mpipeline.sources.device_open import MJPG, DeviceOptions, fourcc_of, open_capture, quietly
from mpipeline.sources.source import GrabbedFrame, StreamInfo

_NS_PER_MS = 1_000_000
_OLDEST_NS = 10 * NS_PER_S  # a first stamp older than this is of another clock
_SILENCE_NS = 2 * NS_PER_S  # a first picture that fails later than this was waited for in vain
_END_OF_PICTURE = b"\xff\xd9"
_PADDING = 1024  # bytes behind the end of a picture that some cameras send


class DeviceSource:
    """Reads one camera; see `Source` for the contract.

    Frames are BGR. `captured_ns` is when the driver had the picture, where it stamps its pictures by the monotonic
    clock as most do, else when it was taken from the driver; `pts` is the same in seconds, so that it goes on across
    reconnects. A picture that cannot be decoded is counted in `decode_errors`, one that is cut off is marked corrupt.

    `grab` waits `read_timeout` at most. Only the first two pictures are waited for inside OpenCV, ten seconds each, and
    a driver that hangs is ended with its process.
    """

    Options: ClassVar[type[BaseModel]] = DeviceOptions

    def __init__(self, name: str, options: DeviceOptions, clock: Clock | None = None) -> None:
        self.decode_errors = 0
        self.connects = False
        self._name = name
        self._options = options
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._capture: Any = None
        self._is_jpeg = False
        self._image: Pixels | None = None  # what `retrieve` copies
        self._first: GrabbedFrame | None = None  # read by `open`, not yet grabbed
        self._is_stamped: bool | None = None  # by the monotonic clock; known from the first picture
        self._captured_ns = 0

    def open(self) -> StreamInfo:
        """Opens the camera, sets it up and waits for its first picture. Raises SourceError."""
        import cv2

        self._capture = open_capture(self._name, self._options)
        codec, rate = fourcc_of(self._capture), self._capture.get(cv2.CAP_PROP_FPS)
        # OpenCV shows the picture before in place of one that it cannot decode, and says nothing.
        self._is_jpeg = codec == MJPG and self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        self._begin()
        first = self._first = self._picture() or self._next()
        return StreamInfo(
            live=True,
            width=first.format.width,
            height=first.format.height,
            rate=rate if np.isfinite(rate) and rate > 0 else 0.0,
            codec=codec,
        )

    def seek(self, frame_id: int, pts: float) -> bool:
        """Cameras cannot."""
        return False

    def grab(self) -> GrabbedFrame | None:
        """The next picture. Raises SourceError; a camera has no other end."""
        first, self._first = self._first, None
        return first if first is not None else self._next()

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Copies the picture."""
        if self._image is None:
            raise RuntimeError("retrieve needs a grabbed frame")
        planes[0][:] = self._image.reshape(self._image.shape[0], -1)

    def close(self) -> None:
        """Gives the camera free; harmless when repeated."""
        capture, self._capture = self._capture, None
        self._image = self._first = None
        if capture is not None:
            with quietly():
                capture.release()

    def _begin(self) -> None:
        """Starts the stream and has OpenCV take the first picture, for which it waits as long as it likes."""
        began_ns = self._clock.monotonic_ns()
        with quietly():
            is_there = self._capture.grab()
        if is_there:
            return
        self.close()
        if self._clock.monotonic_ns() - began_ns >= _SILENCE_NS:
            raise device_error(self._name, self._options.path, Reason.TIMEOUT)
        raise device_error(self._name, self._options.path, *(diagnosed(self._options.path) or (Reason.FAILED, "")))

    def _next(self) -> GrabbedFrame:
        deadline_ns = self._clock.monotonic_ns() + int(self._options.read_timeout * NS_PER_S)
        errors = self.decode_errors
        while self._waited(deadline_ns):
            grabbed = self._picture()
            if grabbed is not None:
                return grabbed
        reason = Reason.CORRUPT_DATA if self.decode_errors > errors else Reason.TIMEOUT
        raise device_error(self._name, self._options.path, reason)

    def _waited(self, deadline_ns: int) -> bool:
        """Waits until OpenCV has taken a picture; False if none comes.

        Not by its `grab`, which waits ten seconds for one that never comes.
        """
        import cv2

        if self._capture is None:
            raise RuntimeError("grab needs an open source")
        while (left_ns := deadline_ns - self._clock.monotonic_ns()) > 0:
            try:
                is_over, ready = cv2.VideoCapture.waitAny([self._capture], left_ns)
            except cv2.error as error:
                raise self._lost() from error
            if len(ready):
                return True
            if is_over:  # something has happened, and it is no picture
                raise self._lost()
        return False  # a wait may end before its time, by a signal: hence the loop

    def _lost(self) -> SourceError:
        """The error for a camera that has flowed: it was pulled out, or taken away by its driver."""
        self.close()
        return device_error(self._name, self._options.path, Reason.END_OF_STREAM)

    def _picture(self) -> GrabbedFrame | None:
        """The picture that OpenCV has taken; None if it cannot be decoded."""
        captured_ns = self._stamp()
        wall_ns = self._clock.wall_ns() - max(0, self._clock.monotonic_ns() - captured_ns)
        is_there, data = self._capture.retrieve()
        image, is_whole = self._decoded(data) if is_there and data is not None and data.size else (None, False)
        if image is None:
            self.decode_errors += 1
            return None
        self._image = image
        kind = PixelFormat.BGR24 if image.ndim == 3 else PixelFormat.GRAY8
        return GrabbedFrame(
            FrameFormat(kind, image.shape[1], image.shape[0]),
            pts=captured_ns / NS_PER_S,
            captured_ns=captured_ns,
            wall_ns=wall_ns,
            key_frame=True,
            corrupt=not is_whole,
        )

    def _decoded(self, data: Pixels) -> tuple[Pixels | None, bool]:
        """The picture, None if there is none in `data`, and whether it is whole."""
        import cv2

        if self._is_jpeg:
            data = data.reshape(-1)
            is_whole = _END_OF_PICTURE in data[-_PADDING:].tobytes()
            if not is_whole:  # OpenCV 5 decodes nothing of it then
                data = np.append(data, np.frombuffer(_END_OF_PICTURE, np.uint8))
            return cast("Pixels | None", cv2.imdecode(data, cv2.IMREAD_COLOR)), is_whole
        is_picture = data.dtype == np.uint8 and (data.ndim == 2 or data.shape[2] == 3)
        return (data if is_picture else None), is_picture

    def _stamp(self) -> int:
        """When the picture was captured, by the monotonic clock; later than the one before."""
        import cv2

        now_ns = self._clock.monotonic_ns()
        stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * _NS_PER_MS)
        if self._is_stamped is None:  # later ones may be old: those that the driver has kept during a pause
            self._is_stamped = 0 <= now_ns - stamp_ns <= _OLDEST_NS
        self._captured_ns = max(min(stamp_ns, now_ns) if self._is_stamped else now_ns, self._captured_ns + 1)
        return self._captured_ns
