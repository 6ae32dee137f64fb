"""The `ocsort` tracker: overlap and direction of motion; what was hidden is found again by where it was last seen."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field

from mpipeline.frame import FrameMeta
from mpipeline.prediction import Detections
from mpipeline.trackers.library import LibraryOptions, LibraryTracker
from mpipeline.trackers.tracker import TrackIds


class OcSortOptions(LibraryOptions):
    """Boxes under `high_conf_det_threshold` are not tracked at all.

    `direction_consistency_weight` is how much the direction counts beside the overlap, `delta_t` over how many frames
    it is measured.
    """

    high_conf_det_threshold: float = Field(default=0.6, ge=0, le=1)
    minimum_consecutive_frames: int = Field(default=3, ge=1, le=1000)
    minimum_iou_threshold: float = Field(default=0.3, ge=0, le=1)
    direction_consistency_weight: float = Field(default=0.2, ge=0, le=10)
    delta_t: int = Field(default=3, ge=1, le=100)


class OcSort:
    """See `Tracker`."""

    Options: ClassVar[type[BaseModel]] = OcSortOptions

    def __init__(self, options: OcSortOptions, rate: float) -> None:
        self._tracker = LibraryTracker("OCSORTTracker", options, rate)

    def update(self, detections: Detections, frame: FrameMeta, time_s: float) -> TrackIds:
        """See `Tracker.update`."""
        return self._tracker.update(detections, time_s)
