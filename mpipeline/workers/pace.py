"""Thins a stream to at most `max_fps`, by the frames' own timestamps where they have any."""

from __future__ import annotations

from mpipeline.clock import NS_PER_S
from mpipeline.sources.source import GrabbedFrame, StreamInfo

_ASSUMED_RATE = 25.0  # Hz, of a file that states neither times nor a rate


class Pace:
    """Accepts a frame when its time has come.

    A finite source is measured by pts, or by counting frames of its nominal rate where it has none; a live one by the
    capture clock.

    Due times advance in steps of 1/max_fps, so that the average is right even when it does not divide the stream's
    rate; a gap or a jump of the timestamps starts a new count.
    """

    def __init__(self, max_fps: float | None) -> None:
        self._period = 1.0 / max_fps if max_fps else 0.0
        self._due: float | None = None

    def restart(self) -> None:
        """The stream begins anew: the next frame is accepted."""
        self._due = None

    def accepts(self, grabbed: GrabbedFrame, frame_id: int, info: StreamInfo) -> bool:
        """Whether this frame is wanted."""
        if not self._period:
            return True
        if info.live:
            time = grabbed.captured_ns / NS_PER_S
        else:
            time = grabbed.pts if grabbed.pts is not None else frame_id / (info.rate or _ASSUMED_RATE)
        slack = 0.001  # timestamps are rounded to the container's time base
        if self._due is None or abs(time - self._due) > 10 * self._period + 1.0:
            self._due = time + self._period
            return True
        if time + slack < self._due:
            return False
        self._due += self._period
        return True
