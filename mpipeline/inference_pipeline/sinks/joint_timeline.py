"""When a picture made of frames of several sources is shown: as time passes in the sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpipeline.clock import NS_PER_S
from mpipeline.frame import FrameMeta
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.sinks.timeline import DEFAULT_RATE, TICKS_PER_S, Timeline


@dataclass
class _Track:
    """The time of one source, and where its beginning stands in the joint one, in ticks."""

    timeline: Timeline
    offset: int


class JointTimeline:
    """Gives each picture its ticks from the frames in it; they increase strictly.

    Each source has its own clock, which begins where it is seen first; the one that is furthest leads. Times come from
    the container, else from the capture of live frames, else from `frame_timestamp`. With `rate`, in Hz, each picture
    lasts 1 / rate seconds instead.
    """

    def __init__(self, rate: float | None = None) -> None:
        self._rate = rate
        self._tracks: dict[int | None, _Track] = {}
        self._last: int | None = None
        self._step = round(TICKS_PER_S / (rate or DEFAULT_RATE))

    def place(self, frames: Sequence[VideoFrame | None]) -> tuple[int, int]:
        """The ticks at which the picture is shown, and how many it is likely to last."""
        present = [frame for frame in frames if frame is not None] if self._rate is None else []
        positions = [self._position(frame) for frame in present]
        if positions:
            ticks = max(0 if self._last is None else self._last + 1, *positions)
        else:
            ticks = 0 if self._last is None else self._last + self._step
        self._last = ticks
        return ticks, self._step

    def _position(self, frame: VideoFrame) -> int:
        track = self._tracks.get(frame.source_id)
        if track is None:
            begin = 0 if self._last is None else self._last + self._step
            track = self._tracks[frame.source_id] = _Track(Timeline(), begin)
        moment, self._step = track.timeline.place(_meta(frame))
        return track.offset + moment.ticks


def _meta(frame: VideoFrame) -> FrameMeta:
    captured_ns = frame.captured_ns or 0
    return FrameMeta(
        str(frame.source_id), frame.frame_id, _seconds(frame), captured_ns, 0, 0, 0, rate=float(frame.fps or 0.0)
    )


def _seconds(frame: VideoFrame) -> float:
    if frame.pts is not None:
        return frame.pts
    if frame.captured_ns is not None and not frame.comes_from_video_file:
        return frame.captured_ns / NS_PER_S
    return frame.frame_timestamp.timestamp()
