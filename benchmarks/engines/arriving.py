"""The sink of the measured `mpipeline run`: when predictions come. It is imported by this name."""

from __future__ import annotations

import json
import time
from pathlib import Path

from mpipeline.frame import Frame
from mpipeline.prediction import Prediction


class Moments:
    """Writes the monotonic time of each arrival to `path` when the run is over."""

    wants_frames = False

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._moments: list[float] = []

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """One more."""
        self._moments.append(time.monotonic())

    def close(self) -> None:
        """Tells them all."""
        self._path.write_text(json.dumps(self._moments), encoding="ascii")
