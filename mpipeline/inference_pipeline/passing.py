"""In place of a model where the caller's own code is the model: says nothing of any frame, so that all pass."""

from __future__ import annotations

from collections.abc import Sequence

from mpipeline.frame import Frame
from mpipeline.prediction import Detections


class Passing:
    """A target of the `python` backend."""

    def infer(self, frames: Sequence[Frame]) -> list[Detections]:
        """No detections."""
        return [Detections.empty() for _ in frames]
