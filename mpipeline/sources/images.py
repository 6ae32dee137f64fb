"""The source kind `images`: the pictures of a folder, or of a glob pattern, one frame each, in natural order."""

from __future__ import annotations

import glob
import logging
import os
import re
import stat
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mpipeline.clock import Clock, SystemClock
from mpipeline.errors import Reason, SourceError
from mpipeline.frame import FrameFormat, PixelFormat, Pixels
from mpipeline.sources.selection import PICTURES
from mpipeline.sources.source import GrabbedFrame, StreamInfo

logger = logging.getLogger("mpipeline.source")

_DIGITS = re.compile(r"([0-9]+)")
_NAMED = 3  # how many names a sentence holds


class ImagesOptions(BaseModel):
    """Options of an `images` source."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    reads_files: ClassVar[bool] = False  # a pattern is no path that could be looked for

    uri: str = Field(
        min_length=1, description="a folder, a pattern such as shots/*.png or shots/**/*.jpg, or a picture"
    )
    rate: float = Field(1.0, gt=0, le=1000, description="frames a second, for the presentation times")

    @field_validator("uri")
    @classmethod
    def _without_home(cls, uri: str) -> str:
        return os.path.expanduser(uri)

    @property
    def pixel_format(self) -> str:
        """How a frame lies in a ring, for the plan's memory."""
        return "bgr24"

    @property
    def is_on_disk(self) -> bool:
        """Whether a look before the start costs nothing."""
        return True


def natural_order(path: str) -> tuple[object, ...]:
    """A key by which shot2 comes before shot10, whatever the case of the letters; the path itself parts equals."""
    parts = [int(part) if part.isdecimal() else part.casefold() for part in _DIGITS.split(path)]
    return (parts, path)


def pictures_of(uri: str) -> list[str]:
    """The paths of all pictures in a folder, or of all files that a pattern fits, in natural order.

    Of a folder those files count whose names end as pictures do and do not begin with a dot. Raises OSError.
    """
    if os.path.isdir(uri):
        with os.scandir(uri) as entries:
            found = [
                entry.path
                for entry in entries
                if entry.name.lower().endswith(PICTURES) and not entry.name.startswith(".") and _may_be_read(entry.path)
            ]
    elif os.path.lexists(uri):  # also one whose name looks like a pattern
        found = [uri]
    else:
        found = [path for path in glob.glob(uri, recursive=True) if os.path.isfile(path)]
    return sorted(found, key=natural_order)


def _may_be_read(path: str) -> bool:
    """Whether it is a file, or a link that leads nowhere, which is to be told."""
    return os.path.isfile(path) or not os.path.exists(path)


class ImagesSource:
    """Reads pictures; see `Source` for the contract.

    Frames are BGR, each as large as its picture, upright where the file says how it was held. The pts of a frame is the
    place of its picture in the order, from 0, by `rate`. A picture that cannot be read is no frame: it is told in the
    log and counted in `decode_errors`, the rest goes on, and at the end `grab` raises SourceError CORRUPT_DATA.
    """

    Options: ClassVar[type[BaseModel]] = ImagesOptions

    def __init__(self, name: str, options: ImagesOptions, clock: Clock | None = None) -> None:
        self.decode_errors = 0
        self.connects = False
        self._name = name
        self._options = options
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._paths: list[str] = []
        self._place = 0  # of the next picture
        self._unreadable: list[tuple[str, str]] = []  # path and why
        self._told = 0  # of these, in the log
        self._image: Pixels | None = None  # what `retrieve` copies
        self._first: Pixels | None = None  # read by `open`, not yet grabbed

    def open(self) -> StreamInfo:
        """Lists the pictures and reads the first one. Raises SourceError."""
        self._paths = self._listed()
        self._first = self._next()
        if self._first is None:
            raise self._error(Reason.CORRUPT_DATA, f"cannot read {self._options.uri}: {self._sentence()}")
        height, width = self._first.shape[:2]
        return StreamInfo(
            live=False,
            width=width,
            height=height,
            rate=self._options.rate,
            frame_count=len(self._paths),
            codec="images",
        )

    def seek(self, frame_id: int, pts: float) -> bool:
        """Goes on behind the picture of frame `frame_id`.

        Not if pictures before it could not be read: then ids and places differ, and only reading tells how.
        """
        if not 1 <= frame_id <= len(self._paths) or pts != (frame_id - 1) / self._options.rate:
            return False
        self._place = frame_id
        self._first = None
        return True

    def grab(self) -> GrabbedFrame | None:
        """The next picture that can be read; None at the end. Raises SourceError at the end if some could not."""
        self._image, self._first = (self._first, None) if self._first is not None else (self._next(), None)
        self._tell()
        if self._image is None:
            if self._unreadable:
                raise self._error(Reason.CORRUPT_DATA, self._sentence())
            return None
        height, width = self._image.shape[:2]
        pts = (self._place - 1) / self._options.rate
        format = FrameFormat(PixelFormat.BGR24, width, height)
        return GrabbedFrame(format, pts, self._clock.monotonic_ns(), self._clock.wall_ns(), key_frame=True)

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Copies the picture."""
        if self._image is None:
            raise RuntimeError("retrieve needs a grabbed frame")
        planes[0][:] = self._image.reshape(self._image.shape[0], -1)

    def close(self) -> None:
        """Lets the pictures go; harmless when repeated."""
        self._paths = []
        self._image = self._first = None

    def _listed(self) -> list[str]:
        uri = self._options.uri
        try:
            found = pictures_of(uri)
        except OSError as error:
            reason = Reason.PERMISSION_DENIED if isinstance(error, PermissionError) else Reason.NOT_FOUND
            raise self._error(reason, f"cannot open {uri}: {error.strerror}") from error
        if not found:
            what = (
                f"the folder holds no picture ({' '.join(PICTURES)})" if os.path.isdir(uri) else "there is no such file"
            )
            raise self._error(Reason.NOT_FOUND, f"cannot open {uri}: {what}")
        return found

    def _next(self) -> Pixels | None:
        while self._place < len(self._paths):
            path = self._paths[self._place]
            self._place += 1
            try:
                return _read(path)
            except _Unreadable as error:
                self.decode_errors += 1
                self._unreadable.append((path, str(error)))
        return None

    def _tell(self) -> None:
        """Not before a frame is asked for: a look at a source only opens it."""
        for path, why in self._unreadable[self._told :]:
            fields = {"event": "picture_unreadable", "source": self._name, "file": path}
            logger.error("%s: cannot read %s: %s", self._name, path, why, extra=fields)
        self._told = len(self._unreadable)

    def _sentence(self) -> str:
        names = ", ".join(os.path.basename(path) for path, _ in self._unreadable[:_NAMED])
        names += ", …" if len(self._unreadable) > _NAMED else ""
        return f"{len(self._unreadable)} of {len(self._paths)} pictures could not be read: {names}"

    def _error(self, reason: Reason, text: str) -> SourceError:
        return SourceError(f"source {self._name!r}: {text}", reason, retryable=False)


class _Unreadable(Exception):
    """A picture that gives no pixels, and why."""


def _read(path: str) -> Pixels:
    """The picture as (height, width, 3) uint8 BGR. Raises _Unreadable."""
    import cv2

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            raise _Unreadable("it is no file")
        with open(path, "rb") as file:
            data = np.frombuffer(file.read(), np.uint8)
    except OSError as error:
        raise _Unreadable(error.strerror or str(error)) from error
    if not data.size:
        raise _Unreadable("the file is empty")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise _Unreadable(f"OpenCV says: {error.err}") from error
    if image is None:
        raise _Unreadable("it is no picture that OpenCV knows, or a part of it is missing")
    return np.asarray(image, np.uint8)
