"""Between model and sinks: which detections are the same object as in the frames before, for each source by itself.

Called where every frame of a source passes once and in order. It knows predictions and nothing of where they come from
or go to, so a process of its own could call it as well.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from mpipeline import registry
from mpipeline.clock import NS_PER_S, Clock
from mpipeline.config.tracker import TrackerSpec
from mpipeline.frame import FrameMeta
from mpipeline.log import Summariser
from mpipeline.prediction import Detections, Prediction
from mpipeline.trackers.tracker import UNTRACKED, Tracker, TrackIds

logger = logging.getLogger("mpipeline.tracking")

_IDS_A_FRAME = 1000  # more objects than ever begin in a frame on average: bounds the ids that a predecessor has given
_LEAST_STEP_S = 1e-3
_AGREEMENT_S = 1.0  # a live stream's pts that differ more from the clock have begun anew, or jumped


@dataclass(slots=True)
class _Followed:
    """What is known of a source: all ids above `base` are of this tracker, `highest` the last one that was given."""

    tracker: Tracker
    last: FrameMeta
    time_s: float
    base: int
    highest: int


class Tracking:
    """Adds `tracker_id` to predictions. Ids count from 1 for each source and are never given twice in a run.

    `continues`: this process goes on with a run in which others have given ids. What they were is not known; those of
    this one begin above a thousand times the number of its first frame.

    Raises, when it is made, whatever a tracker of this kind raises when it is made: MissingDependency or ConfigError.
    """

    def __init__(self, spec: TrackerSpec, clock: Clock, *, continues: bool = False) -> None:
        self._kind = registry.load("trackers", spec.kind)
        self._spec = spec
        self._continues = continues
        self._summary = Summariser(logger, clock)
        self._followed: dict[str, _Followed] = {}
        self._made(1.0)

    def tracked(self, prediction: Prediction, *, every_frame: bool) -> Prediction:
        """The same prediction, its detections with the ids of their tracks; one without detections as it is.

        A frame that comes again (its ring was damaged) has no ids: its objects have been counted.
        """
        self._summary.flush()
        found, frame = prediction.detections, prediction.frame
        if found is None:
            return prediction
        ids = self._ids(found, frame, every_frame)
        return replace(prediction, detections=replace(found, tracker_id=ids))

    def end(self, source: str) -> None:
        """No more frames of this source will come."""
        self._followed.pop(source, None)

    def close(self) -> None:
        """Lets the log summary out."""
        self._summary.flush(everything=True)

    def _ids(self, found: Detections, frame: FrameMeta, every_frame: bool) -> TrackIds:
        followed = self._followed.get(frame.source)
        if followed is not None and frame.frame_id <= followed.last.frame_id:
            return _none(found)
        if followed is None:
            base = _IDS_A_FRAME * (frame.frame_id - 1) if self._continues else 0
            followed = self._begin(frame, base)
        elif (frame.width, frame.height) != (followed.last.width, followed.last.height):
            followed = self._begin(frame, followed.highest)
        else:
            followed.time_s += max(_LEAST_STEP_S, seconds_between(followed.last, frame, every_frame))
            followed.last = frame
        try:
            ids = np.asarray(followed.tracker.update(found, frame, followed.time_s), np.int64)
            if ids.shape != (len(found),):
                raise ValueError(f"it gave ids of shape {ids.shape} for {len(found)} detections")
        except Exception as error:  # noqa: BLE001 - a tracker of other people may raise anything
            text = f"{frame.source}: tracker {self._spec.kind!r} failed, its tracks are lost: {error!r}"
            self._summary.add("failed tracker updates", text, source=frame.source)
            self._begin(frame, followed.highest)
            return _none(found)
        ids = np.where(ids >= 0, ids + (followed.base + 1), UNTRACKED)
        followed.highest = max(followed.highest, int(ids.max(initial=UNTRACKED)))
        return ids

    def _begin(self, frame: FrameMeta, base: int) -> _Followed:
        made = self._followed[frame.source] = _Followed(self._made(frame.rate), frame, 0.0, base, base)
        return made

    def _made(self, rate: float) -> Tracker:
        tracker: Tracker = self._kind(self._spec.options, rate)
        return tracker


def seconds_between(before: FrameMeta, frame: FrameMeta, every_frame: bool) -> float:
    """How much later a frame of the same source was taken, in seconds of the scene; may be 0 or less.

    By the stream's own times; where it has none by the number of frames if they are read one after another
    (`every_frame`), else by the clock. Times that go back, or of a live stream disagree with the clock, are those of a
    new connection.
    """
    arrived = (frame.captured_ns - before.captured_ns) / NS_PER_S
    if frame.pts is not None and before.pts is not None:
        step = frame.pts - before.pts
        return step if step > 0 and (every_frame or abs(step - arrived) < _AGREEMENT_S) else arrived
    if every_frame and frame.rate > 0:
        return (frame.frame_id - before.frame_id) / frame.rate
    return arrived


def _none(found: Detections) -> TrackIds:
    return np.full(len(found), UNTRACKED, np.int64)
