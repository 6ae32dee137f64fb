"""The `sort` tracker: boxes are matched by overlap in one round; the simplest one."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field

from mpipeline.frame import FrameMeta
from mpipeline.prediction import Detections
from mpipeline.trackers.library import LibraryOptions, LibraryTracker
from mpipeline.trackers.tracker import TrackIds


class SortOptions(LibraryOptions):
    """A track begins with a confidence of `track_activation_threshold`, and is confirmed after so many frames."""

    track_activation_threshold: float = Field(default=0.25, ge=0, le=1)
    minimum_consecutive_frames: int = Field(default=3, ge=1, le=1000)
    minimum_iou_threshold: float = Field(default=0.3, ge=0, le=1)


class Sort:
    """See `Tracker`."""

    Options: ClassVar[type[BaseModel]] = SortOptions

    def __init__(self, options: SortOptions, rate: float) -> None:
        self._tracker = LibraryTracker("SORTTracker", options, rate)

    def update(self, detections: Detections, frame: FrameMeta, time_s: float) -> TrackIds:
        """See `Tracker.update`."""
        return self._tracker.update(detections, time_s)
