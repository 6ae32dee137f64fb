"""What the kinds of the library `trackers` (PyPI) have in common: loading it, and its words for detections and time."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mpipeline.errors import ConfigError, MissingDependency
from mpipeline.prediction import Detections
from mpipeline.trackers.tracker import UNTRACKED, TrackIds

INSTALL = "pip install --no-deps 'trackers>=2.6,<3'"
_ROW = "row"
_USUAL_RATE = 30.0  # of a source that tells none
_BUFFER_RATE = 30.0  # the library counts its buffer of lost tracks in frames of such a video, whatever the rate


class LibraryOptions(BaseModel):
    """The keys that all these kinds have. `lost_after`: seconds that a track is kept while nothing is found of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lost_after: float = Field(default=1.0, ge=0, le=3600)


class LibraryTracker:
    """A tracker of the library, by the name of its class there; `options` are the arguments of that class.

    Raises MissingDependency, or ConfigError if the library does not load or is too old.
    """

    def __init__(self, name: str, options: LibraryOptions, rate: float) -> None:
        settings = options.model_dump(exclude={"lost_after"})
        buffer = round(options.lost_after * _BUFFER_RATE)
        made = _class(name)
        self._detections = importlib.import_module("supervision").Detections
        self._tracker = made(lost_track_buffer=buffer, frame_rate=rate if rate > 0 else _USUAL_RATE, **settings)

    def update(self, detections: Detections, time_s: float) -> TrackIds:
        """See `Tracker.update`. A box without an area has no track."""
        xyxy = detections.xyxy
        rows = np.flatnonzero((xyxy[:, 2:] > xyxy[:, :2]).all(axis=1))
        given = self._detections(xyxy=xyxy[rows], confidence=detections.score[rows], data={_ROW: rows})
        found = self._tracker.update(given, timestamp=time_s)
        ids: TrackIds = np.full(len(detections), UNTRACKED, np.int64)
        if len(found):  # in an order of its own
            ids[found.data[_ROW]] = found.tracker_id
        return ids


def _class(name: str) -> Any:
    try:
        library = importlib.import_module("trackers")
    except ModuleNotFoundError as error:
        lacking = (error.name or "trackers").partition(".")[0]
        raise MissingDependency(lacking, "tracking", "tracking", also=INSTALL) from error
    except ImportError as error:
        raise ConfigError(
            f"the library 'trackers' cannot be imported: {error}. If an OpenCV with windows has overwritten the one "
            "without: pip uninstall -y opencv-python && pip install --force-reinstall --no-deps opencv-python-headless"
        ) from error
    found = getattr(library, name, None)
    if found is None or "timestamp" not in inspect.signature(found.update).parameters:
        raise ConfigError(f"the library 'trackers' that is installed is too old: {INSTALL}")
    return found
