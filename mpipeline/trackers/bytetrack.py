"""The `bytetrack` tracker: boxes are matched by overlap in two rounds, sure ones first; faint ones continue tracks."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field

from mpipeline.frame import FrameMeta
from mpipeline.prediction import Detections
from mpipeline.trackers.library import LibraryOptions, LibraryTracker
from mpipeline.trackers.tracker import TrackIds


class ByteTrackOptions(LibraryOptions):
    """A track begins with a confidence of `track_activation_threshold`, and is confirmed after so many frames in a row.

    Boxes of `high_conf_det_threshold` are matched first; the others can only continue a track.
    """

    track_activation_threshold: float = Field(default=0.7, ge=0, le=1)
    high_conf_det_threshold: float = Field(default=0.6, ge=0, le=1)
    minimum_consecutive_frames: int = Field(default=2, ge=1, le=1000)
    minimum_iou_threshold: float = Field(default=0.1, ge=0, le=1)


class ByteTrack:
    """See `Tracker`."""

    Options: ClassVar[type[BaseModel]] = ByteTrackOptions

    def __init__(self, options: ByteTrackOptions, rate: float) -> None:
        self._tracker = LibraryTracker("ByteTrackTracker", options, rate)

    def update(self, detections: Detections, frame: FrameMeta, time_s: float) -> TrackIds:
        """See `Tracker.update`."""
        return self._tracker.update(detections, time_s)
