"""When each frame of an annotated video is shown: the source's own times, made to increase strictly."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mpipeline.clock import NS_PER_S
from mpipeline.frame import FrameMeta

TICKS_PER_S = 60_000  # 24, 25, 29.97, 30, 50, 59.94 and 60 Hz are whole numbers of ticks; MPEG-4 allows up to 65535
DEFAULT_RATE = 25.0
_MIN_RATE, _MAX_RATE = 0.01, 1000.0
_JUMP_BACK_S = 1.0  # a pts further back than this is a new clock (a reconnect); less is jitter
_JUMP_AHEAD_S = 600.0  # a gap longer than this must be confirmed by the time of capture


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a frame stands: `ticks` since the file's first frame; `zero_pts` is the pts of tick 0 (nan: unknown)."""

    frame_id: int
    ticks: int
    zero_pts: float


class Timeline:
    """Gives each frame of one source its moment; goes on after `last` if that is given.

    The difference of two moments is that of the pts. Where a source has no pts, frame ids count the time, so that
    dropped frames leave their gap. With `rate` every written frame lasts 1 / rate seconds, whatever its pts.
    """

    def __init__(self, rate: float | None = None, last: Moment | None = None) -> None:
        self._rate = rate
        self._last = last
        self._captured_ns: int | None = None
        self._step = 0

    def place(self, meta: FrameMeta) -> tuple[Moment, int]:
        """The moment of the frame, and how many ticks it is likely to last."""
        step = self._usual_step(meta)
        moment = self._next(meta, step)
        if self._last is not None:
            self._step = moment.ticks - self._last.ticks
        self._last, self._captured_ns = moment, meta.captured_ns
        return moment, step

    def _usual_step(self, meta: FrameMeta) -> int:
        rate = self._rate or believable_rate(meta)
        if rate > 0:
            return max(1, round(TICKS_PER_S / rate))
        return self._step or round(TICKS_PER_S / DEFAULT_RATE)

    def _next(self, meta: FrameMeta, step: int) -> Moment:
        last = self._last
        if last is None:
            return Moment(meta.frame_id, 0, math.nan if meta.pts is None else meta.pts)
        if self._rate is not None:
            return Moment(meta.frame_id, last.ticks + step, last.zero_pts)
        if meta.pts is None:
            return Moment(meta.frame_id, last.ticks + step * max(1, meta.frame_id - last.frame_id), math.nan)
        ticks = last.ticks
        if not math.isnan(last.zero_pts):
            ticks = round((meta.pts - last.zero_pts) * TICKS_PER_S)
            if not self._is_new_clock(ticks - last.ticks, meta):
                return Moment(meta.frame_id, max(ticks, last.ticks + 1), last.zero_pts)
        ticks = last.ticks + step
        return Moment(meta.frame_id, ticks, meta.pts - ticks / TICKS_PER_S)

    def _is_new_clock(self, ahead_ticks: int, meta: FrameMeta) -> bool:
        ahead = ahead_ticks / TICKS_PER_S
        if ahead <= _JUMP_AHEAD_S:
            return ahead < -_JUMP_BACK_S
        return self._captured_ns is None or (meta.captured_ns - self._captured_ns) / NS_PER_S < ahead / 2


def believable_rate(meta: FrameMeta) -> float:
    """The rate that the source declares, Hz; 0.0 if it declares none, or something else than a rate."""
    return meta.rate if _MIN_RATE <= meta.rate <= _MAX_RATE else 0.0
