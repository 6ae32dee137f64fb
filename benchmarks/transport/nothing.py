"""What the measured `mpipeline run` is given: a model that does nothing, and sinks that count.

It stands in a folder of `PYTHONPATH`: the command imports it by this name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mpipeline.frame import Frame
from mpipeline.prediction import Prediction


def infer(frames: Sequence[Frame]) -> list[list[object]]:
    """Finds nothing in any frame."""
    return [[] for _ in frames]


class Count:
    """Counts predictions; the number stands in `path` when the run is over."""

    wants_frames = False

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.frames = 0

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """One more."""
        self.frames += 1

    def close(self) -> None:
        """Tells how many."""
        self._path.write_text(str(self.frames), encoding="ascii")


class Look(Count):
    """Counts frames whose pixels it can see."""

    wants_frames = True

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """One more, if a pixel of it can be read."""
        self.frames += frame is not None and int(frame.planes[0][0, 0]) >= 0
