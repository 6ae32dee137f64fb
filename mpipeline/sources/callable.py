"""The source kind `callable`: frames from code of your own, a camera's SDK for instance.

The code is a function that gives a producer, an object like OpenCV's VideoCapture:

    isOpened() -> bool
    grab() -> bool                                  the next frame; False at the end
    retrieve() -> (bool, array)                     its picture: (height, width, 3) BGR or (height, width), uint8
    discover_source_properties() -> properties      with width, height, total_frames, is_file, fps, is_reconnectable
    initialize_source_properties(dict)              settings, before anything is read
    release()
    connection_error_message() -> str               optional: why it could not be opened
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mpipeline import registry
from mpipeline.clock import Clock, SystemClock
from mpipeline.errors import Reason, SourceError
from mpipeline.frame import FrameFormat, PixelFormat, Pixels
from mpipeline.sources.source import GrabbedFrame, StreamInfo

MakeProducer = Callable[[], Any]

_VERBS = ("isOpened", "grab", "retrieve", "discover_source_properties", "release")


class CallableOptions(BaseModel):
    """`target`: "module:function", called at each start; `properties`: what the producer is set to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(default="", pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_][\w.]*)?$")
    properties: dict[str, Any] = Field(default_factory=dict)

    @property
    def pixel_format(self) -> str:
        """How a frame lies in a ring, for the plan's memory."""
        return "bgr24"


@dataclass(frozen=True, slots=True)
class _Known:
    """What a producer says of itself. `ends`: it is not to be opened again after its end."""

    is_file: bool
    rate: float
    width: int
    height: int
    total_frames: int
    ends: bool


class CallableSource:
    """Reads one producer. `make` gives it in place of the options' target, where the source is hosted."""

    Options: ClassVar[type[BaseModel]] = CallableOptions

    def __init__(
        self, name: str, options: CallableOptions, clock: Clock | None = None, make: MakeProducer | None = None
    ) -> None:
        self.decode_errors = 0
        self.connects = False
        self._name = name
        self._options = options
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._make = make
        self._producer: Any = None
        self._rate = 0.0
        self._is_file = False
        self._count = 0
        self._image: Pixels | None = None
        self._first: Pixels | None = None  # read by `open`, because the producer knew no size

    def open(self) -> StreamInfo:
        """Makes the producer, and reads a frame if its size is not known otherwise."""
        make = self._make if self._make is not None else self._target()
        self._producer = self._made(self._call("making it", make))
        if not self._call("isOpened()", self._producer.isOpened):
            raise SourceError(f"{self._name}: the producer is not open{self._why()}", Reason.UNREACHABLE)
        if self._options.properties:
            properties = dict(self._options.properties)
            self._call("initialize_source_properties()", self._producer.initialize_source_properties, properties)
        known = self._call("discover_source_properties()", self._known)
        self._is_file, self._rate = known.is_file, known.rate
        width, height = known.width, known.height
        if not (width and height):
            self._first = self._next()
            if self._first is not None:
                height, width = self._first.shape[:2]
        return StreamInfo(
            live=not self._is_file,
            width=width,
            height=height,
            rate=self._rate if np.isfinite(self._rate) and self._rate > 0 else 0.0,
            frame_count=max(0, known.total_frames) if self._is_file else 0,
            codec="callable",
            ends=known.ends,
        )

    def seek(self, frame_id: int, pts: float) -> bool:
        """Producers cannot."""
        return False

    def grab(self) -> GrabbedFrame | None:
        """The next frame, with its picture: only that tells the format."""
        self._image, self._first = (self._first, None) if self._first is not None else (self._next(), None)
        if self._image is None:
            return None
        height, width = self._image.shape[:2]
        kind = PixelFormat.BGR24 if self._image.ndim == 3 else PixelFormat.GRAY8
        pts = self._count / self._rate if self._is_file and self._rate > 0 else None
        self._count += 1
        format = FrameFormat(kind, width, height)
        return GrabbedFrame(format, pts, self._clock.monotonic_ns(), self._clock.wall_ns(), key_frame=True)

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Copies the picture."""
        if self._image is None:
            raise RuntimeError("retrieve needs a grabbed frame")
        planes[0][:] = self._image.reshape(self._image.shape[0], -1)

    def close(self) -> None:
        """Releases the producer; harmless when repeated."""
        producer, self._producer = self._producer, None
        self._image = self._first = None
        if producer is not None:
            self._call("release()", producer.release)

    def _made(self, producer: Any) -> Any:
        missing = [verb for verb in _VERBS if not callable(getattr(producer, verb, None))]
        if missing:
            what = f"what was made is no producer but {type(producer).__name__}: it lacks {', '.join(missing)}"
            raise SourceError(f"{self._name}: {what}", Reason.NOT_A_VIDEO, retryable=False)
        return producer

    def _known(self) -> _Known:
        found = self._producer.discover_source_properties()
        return _Known(
            bool(found.is_file),
            float(found.fps or 0.0),
            int(found.width or 0),
            int(found.height or 0),
            int(found.total_frames or 0),
            getattr(found, "is_reconnectable", None) is False,
        )

    def _next(self) -> Pixels | None:
        while self._call("grab()", self._producer.grab):
            is_there, image = self._call("retrieve()", self._retrieved)
            if is_there and image is not None:
                return self._checked(image)
            self.decode_errors += 1
        return None

    def _retrieved(self) -> tuple[Any, Any]:
        is_there, image = self._producer.retrieve()
        return is_there, None if image is None else np.asarray(image)

    def _checked(self, array: Pixels) -> Pixels:
        is_picture = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
        if array.dtype != np.uint8 or not is_picture or not array.size:
            what = f"retrieve() gave an array {array.shape} of {array.dtype}; expected (height, width, 3) uint8"
            raise SourceError(f"{self._name}: {what}", Reason.NOT_A_VIDEO, retryable=False)
        return array

    def _why(self) -> str:
        message = getattr(self._producer, "connection_error_message", None)
        text = self._call("connection_error_message()", message) if callable(message) else None
        return f": {text}" if text else ""

    def _target(self) -> MakeProducer:
        if not self._options.target:
            text = f"{self._name}: a callable source needs a target, as 'module:function'"
            raise SourceError(text, Reason.NOT_FOUND, retryable=False)
        found: MakeProducer = registry.resolve(self._options.target)
        return found

    def _call(self, what: str, function: Callable[..., Any], *arguments: Mapping[str, Any]) -> Any:
        """Code of the user's: what it raises ends the source, unless it is an error of ours."""
        try:
            return function(*arguments)
        except SourceError:
            raise
        except Exception as error:
            text = f"{self._name}: {what} of its producer raised {type(error).__name__}: {error}"
            raise SourceError(text, Reason.FAILED, retryable=False) from error
