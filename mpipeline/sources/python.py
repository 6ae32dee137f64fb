"""The source kind `python`: frames from a class of the user's own, for cameras that no other kind reads.

class Camera:
    def __init__(self, **options)    what the config has under `options`
    def open(self)                   optional: connects; may return a mapping, see `Told`
    def grab(self)                   waits for the next frame: True, or its time in seconds; False or None at the end
    def retrieve(self)               its picture: (height, width, 3) BGR or (height, width) grey, uint8; None: spoilt
    def close(self)                  optional: gives everything back
"""

from __future__ import annotations

import inspect
import logging
import math
import re
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mpipeline.clock import Clock, SystemClock
from mpipeline.errors import ConfigError, Reason, SourceError
from mpipeline.frame import FrameFormat, PixelFormat, Pixels
from mpipeline.sources.source import GrabbedFrame, StreamInfo
from mpipeline.user_code import imported, place_of

logger = logging.getLogger("mpipeline.source")

_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_VERBS = ("grab", "retrieve")
_MOST_SPOILT = 100  # in a row: a frame may be spoilt, but a camera of nothing else is broken
_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (TimeoutError, Reason.TIMEOUT),
    (ConnectionError, Reason.UNREACHABLE),
    (PermissionError, Reason.PERMISSION_DENIED),
    (FileNotFoundError, Reason.NOT_FOUND),
)


class PythonOptions(BaseModel):
    """`target`: "module:Class"; `options`: keyword arguments for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("target")
    @classmethod
    def _checked_target(cls, target: str) -> str:
        if not _TARGET.fullmatch(target):
            raise ValueError("expected 'module:Class'")
        return target

    @property
    def realtime(self) -> bool:
        """Cameras are live; what `open` returns counts more."""
        return True

    @property
    def pixel_format(self) -> str:
        """How a frame lies in a ring, for the plan's memory."""
        return "bgr24"


class Told(BaseModel):
    """What `open` of the user's class may tell, in a mapping. Fields as in `StreamInfo`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    live: bool = True
    ends: bool = False
    width: int = Field(default=0, ge=0)
    height: int = Field(default=0, ge=0)
    rate: float = Field(default=0.0, ge=0)
    frame_count: int = Field(default=0, ge=0)


class PythonSource:
    """Calls one object of the user's; see `Source` for the contract, and above for that of the object.

    It is made from `target(**options)` when the source is opened, anew for each attempt; modules in the current folder
    can be imported. What its code raises becomes a SourceError that names the line and may be tried again; a
    SourceError of its own keeps reason and `retryable`. What cannot become right is not tried again: no such class,
    options that it does not take, methods that it lacks. A call that never returns is ended with its process.
    """

    Options: ClassVar[type[BaseModel]] = PythonOptions

    def __init__(self, name: str, options: PythonOptions, clock: Clock | None = None) -> None:
        self.decode_errors = 0
        self.connects = False
        self._name = name
        self._options = options
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._user: Any = None
        self._told = Told()
        self._count = 0
        self._grabbed: tuple[float | None, Pixels] | None = None  # what `retrieve` copies
        self._first: tuple[float | None, Pixels] | None = None  # read by `open`, because the size was not told

    def open(self) -> StreamInfo:
        """Makes and opens the object, and reads a frame if it has not told its size. Raises SourceError."""
        self._user = self._made()
        if callable(getattr(self._user, "open", None)):
            self._told = self._understood(self._call("open", self._user.open))
        told = self._told
        width, height = told.width, told.height
        if not (width and height):
            self._first = self._next()
            if self._first is not None:
                height, width = self._first[1].shape[:2]
        return StreamInfo(told.live, width, height, told.rate, told.frame_count, codec="python", ends=told.ends)

    def seek(self, frame_id: int, pts: float) -> bool:
        """Not asked of the user's class."""
        return False

    def grab(self) -> GrabbedFrame | None:
        """The next frame, with its picture: only that tells the format."""
        self._grabbed, self._first = (self._first, None) if self._first is not None else (self._next(), None)
        if self._grabbed is None:
            return None
        pts, image = self._grabbed
        if pts is None and not self._told.live and self._told.rate:
            pts = self._count / self._told.rate
        self._count += 1
        kind = PixelFormat.BGR24 if image.ndim == 3 else PixelFormat.GRAY8
        format = FrameFormat(kind, image.shape[1], image.shape[0])
        return GrabbedFrame(format, pts, self._clock.monotonic_ns(), self._clock.wall_ns(), key_frame=True)

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Copies the picture."""
        if self._grabbed is None:
            raise RuntimeError("retrieve needs a grabbed frame")
        image = self._grabbed[1]
        planes[0][:] = image.reshape(image.shape[0], -1)

    def close(self) -> None:
        """Closes the object; harmless when repeated. What that raises is told in the log: nothing depends on it."""
        user, self._user = self._user, None
        self._grabbed = self._first = None
        if callable(getattr(user, "close", None)):
            try:
                self._call("close", user.close)
            except SourceError as error:
                logger.warning("%s", error, extra={"event": "close_failed", "source": self._name})

    def _made(self) -> Any:
        target = self._options.target
        try:
            found = imported(target)
        except ConfigError as error:
            cause = error.__cause__ or error
            raise self._error(f"{error}{place_of(cause, target, __file__)}", Reason.NOT_FOUND) from error
        if not callable(found):
            raise self._error(f"{target} is {type(found).__name__}, expected a class", Reason.NOT_FOUND)
        self._check_options(found)
        made = self._call("__init__", found, **self._options.options)
        lacks = [verb for verb in _VERBS if not callable(getattr(made, verb, None))]
        if lacks:
            raise self._error(f"{target} has no method {' and no method '.join(lacks)}", Reason.NOT_A_VIDEO)
        return made

    def _check_options(self, found: Any) -> None:
        try:
            signature = inspect.signature(found)
        except ValueError:  # of a class that is no Python and tells nothing
            return
        try:
            signature.bind(**self._options.options)
        except TypeError as error:
            text = f"its options do not fit {self._options.target}{signature}: {error}"
            raise self._error(text, Reason.FAILED) from error

    def _understood(self, told: Any) -> Told:
        try:
            return Told.model_validate({} if told is None else told)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            keys = ", ".join(Told.model_fields)
            text = f"open of {self._options.target} returned {told!r:.200}: {where or 'it'}: {first['msg']}"
            raise self._error(f"{text}; expected nothing, or a mapping of {keys}", Reason.NOT_A_VIDEO) from error

    def _next(self) -> tuple[float | None, Pixels] | None:
        for _ in range(_MOST_SPOILT):
            grabbed = self._call("grab", self._user.grab)
            if grabbed is None or (isinstance(grabbed, (bool, np.bool_)) and not grabbed):
                return None
            image = self._call("retrieve", self._retrieved)
            if image is not None:
                return self._time(grabbed), self._checked(image)
            self.decode_errors += 1
        raise self._error(f"{_MOST_SPOILT} frames in a row were spoilt", Reason.CORRUPT_DATA, retryable=True)

    def _retrieved(self) -> Pixels | None:
        image = self._user.retrieve()
        return None if image is None else np.asarray(image)

    def _time(self, grabbed: Any) -> float | None:
        if isinstance(grabbed, (bool, np.bool_)):
            return None
        if isinstance(grabbed, (int, float, np.integer, np.floating)) and math.isfinite(grabbed):
            return float(grabbed)
        text = f"grab of {self._options.target} returned {grabbed!r:.200}; expected True, a time in seconds, or False"
        raise self._error(text, Reason.NOT_A_VIDEO, retryable=True)

    def _checked(self, array: Pixels) -> Pixels:
        is_picture = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
        if array.dtype == np.uint8 and is_picture and array.size:
            return array
        text = f"retrieve of {self._options.target} returned an array {array.shape} of {array.dtype}"
        expected = "expected (height, width, 3) in BGR or (height, width), of uint8"
        raise self._error(f"{text}; {expected}", Reason.NOT_A_VIDEO, retryable=True)

    def _call(self, verb: str, function: Callable[..., Any], **options: Any) -> Any:
        """Code of the user's, and what it raises as a SourceError."""
        try:
            return function(**options)
        except Exception as error:
            target = self._options.target
            what = str(error) if isinstance(error, SourceError) else f"{type(error).__name__}: {error}"
            text = f"{target} failed in {verb}: {what}{place_of(error, target, __file__)}"
            if isinstance(error, SourceError):
                raise self._error(text, error.reason, retryable=error.retryable) from error
            reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason.FAILED)
            raise self._error(text, reason, retryable=True) from error

    def _error(self, text: str, reason: Reason, *, retryable: bool = False) -> SourceError:
        return SourceError(f"source {self._name!r}: {text}", reason, retryable=retryable)
