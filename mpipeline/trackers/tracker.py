"""The contract of a tracker: boxes of one frame after another in, a number for each object out. It sees no pixels."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from mpipeline.frame import FrameMeta
from mpipeline.prediction import Detections

UNTRACKED = -1
"""In place of the number of a detection that belongs to no track, or to one that is not confirmed yet."""

TrackIds = npt.NDArray[np.int64]


class Tracker(Protocol):
    """A tracker of one kind, made as `Kind(options, rate)` for one source and used by one thread.

    `rate` is the nominal frame rate of the source in Hz. Whoever makes one in a process that lacks a library that the
    kind needs gets MissingDependency.
    """

    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any, rate: float) -> None: ...

    def update(self, detections: Detections, frame: FrameMeta, time_s: float) -> TrackIds:
        """The track of each detection: (N,) int64 in the order of the detections, from 0 up, or UNTRACKED.

        No number is ever given to another object. Frames come in the order of their ids, those without detections
        too; some may be missing. `time_s` is when the frame was taken, in seconds since some moment of the source, and
        grows with each call, also while a camera is away. What this raises costs the source its tracks.
        """
