"""`VideoFrame`: one frame as this interface's users get it. Its picture is made when it is first looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mpipeline.clock import NS_PER_S
from mpipeline.errors import FrameReleased
from mpipeline.frame import Pixels

PixelLoader = Callable[[], Pixels]


class _Picture:
    """Pixels that are there, or can be had from `loader` until they are released."""

    __slots__ = ("_loader", "_lock", "_pixels")

    def __init__(self, image: Pixels | PixelLoader) -> None:
        self._lock = threading.Lock()
        self._loader = image if callable(image) else None
        self._pixels = None if callable(image) else image

    def load(self) -> Pixels:
        with self._lock:
            if self._loader is not None:
                pixels = self._loader()
                self._pixels = pixels if pixels.flags.writeable else pixels.copy()
                self._loader = None
            if self._pixels is None:
                raise FrameReleased("the pixels are gone")
            return self._pixels

    def release(self) -> None:
        with self._lock:  # waits for a conversion that is going on: the loader's memory is free when this returns
            self._loader = None

    @property
    def is_loaded(self) -> bool:
        return self._pixels is not None


class _Image:
    """The field `image`: takes pixels or a loader of pixels, gives pixels.

    A data descriptor as the default of a dataclass field is how `dataclasses` lets a class look after a field itself.
    """

    def __get__(self, frame: VideoFrame | None, owner: type) -> Pixels:
        if frame is None:
            raise AttributeError("image")  # says to `dataclass`: no default, the argument is required
        try:
            return _picture_of(frame).load()
        except FrameReleased:
            raise FrameReleased(
                f"the pixels of frame {frame.frame_id} of source {frame.source_id} are gone: `image` was looked at for "
                "the first time after on_prediction had returned. Look at it there, or call frame.materialise() on a "
                "frame that is kept for later"
            ) from None

    def __set__(self, frame: VideoFrame, image: Pixels | PixelLoader) -> None:
        vars(frame)["image"] = _Picture(image)


@dataclass(frozen=True, eq=False, repr=False)
class VideoFrame:
    """A frame of a video, with what is known about it.

    `image` is a (height, width, 3) uint8 array in BGR order. It may be given as such, or as a function without
    arguments that makes it: then it is made at the first look, once. In both cases it belongs to this frame: it may be
    kept, and written to. Look at it while `on_prediction` (or `on_video_frame`) runs, or call `materialise` there.

    `frame_id` counts the frames of the source from 1, dropped ones included. `frame_timestamp` is local time without a
    time zone: for a live source when the frame had arrived, for a file when it was recorded. `fps` is what the source
    declares, `measured_fps` what it delivers. `source_id` is the place in `video_reference`. `total_frames` is known
    for files only. `pts` is the presentation time in the container, in seconds, `captured_ns` the monotonic clock when
    the frame's data had arrived: the difference to `time.monotonic_ns()` is the latency.
    """

    image: _Image = _Image()  # no default, and nothing shared: it keeps the pixels in the frame
    frame_id: int  # type: ignore[misc]  # mypy takes a descriptor for a default
    frame_timestamp: datetime  # type: ignore[misc]
    fps: float | None = None
    measured_fps: float | None = None
    source_id: int | None = None
    comes_from_video_file: bool | None = None
    total_frames: int | None = None
    pts: float | None = None
    captured_ns: int | None = None

    def materialise(self) -> VideoFrame:
        """Makes sure that `image` stays when the pixels are taken back; returns the frame itself."""
        self.image  # noqa: B018  # looking at it is what makes it
        return self

    def release(self) -> None:
        """For the pipeline: takes the loader away. An image that was looked at stays; the first look now raises
        FrameReleased. Returns when no conversion is going on. Harmless when repeated."""
        _picture_of(self).release()

    @property
    def is_materialised(self) -> bool:
        """Whether `image` is there already, so that looking at it costs nothing."""
        return _picture_of(self).is_loaded

    def __repr__(self) -> str:
        where = f"frame_id={self.frame_id}, source_id={self.source_id}"
        return f"VideoFrame({where}, frame_timestamp={self.frame_timestamp.isoformat()})"

    def __getstate__(self) -> dict[str, Any]:
        """For `pickle` and `copy`: with the pixels, since a loader leads to memory of this process."""
        return {**vars(self), "image": self.image}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, image=_Picture(state["image"]))


def _picture_of(frame: VideoFrame) -> _Picture:
    picture: _Picture = vars(frame)["image"]
    return picture


def local_time(wall_ns: int) -> datetime:
    """Nanoseconds since 1970 UTC as this interface tells time: local, without a time zone."""
    return datetime.fromtimestamp(wall_ns // 1000 / 1_000_000)


def age_s(frame: VideoFrame, monotonic_ns: int, wall_ns: int) -> float | None:
    """Seconds since the frame was captured; None if nobody knows: the time stamp of a file tells when it was recorded.

    By the monotonic clock where the frame carries it, since the wall clock may be set.
    """
    if frame.captured_ns is not None:
        return (monotonic_ns - frame.captured_ns) / NS_PER_S
    if frame.comes_from_video_file:
        return None
    now = datetime.fromtimestamp(wall_ns / NS_PER_S, frame.frame_timestamp.tzinfo)
    return (now - frame.frame_timestamp).total_seconds()
