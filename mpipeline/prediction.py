"""Predictions: all that a model says about one frame, or the reason why it could not say anything."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpipeline.frame import FrameMeta

_DETECTION_NAMESPACE = uuid.UUID("7a6f1d0e-5f0e-4c55-9c55-6d70697065ff")


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The boxes of one frame as columns of equal length N, highest score first.

    `xyxy` (N, 4) float32: left, top, right, bottom in pixels of the source frame. `score` (N,) float32 in 0..1.
    `class_id` (N,) int32. `class_name`: N names.
    """

    xyxy: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    class_id: npt.NDArray[np.int32]
    class_name: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.score)

    @property
    def is_finite(self) -> bool:
        """Whether every coordinate and score is a number, and none infinite."""
        return bool(np.isfinite(self.xyxy).all() and np.isfinite(self.score).all())

    @staticmethod
    def empty() -> Detections:
        """No boxes: the model has looked and found nothing."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), ())


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a frame has no detections although it was due: a code for machines and a sentence for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says about one frame. Exactly one of `detections` and `failure` is set.

    An empty `detections` means that nothing was found; a frame that could not be inferred has a `failure`.
    """

    frame: FrameMeta
    detections: Detections | None
    failure: Failure | None = None

    def records(self) -> list[dict[str, Any]]:
        """The detections as dictionaries with the keys of `InferencePipeline` predictions.

        x, y is the centre and width, height the size of the box in source pixels. `detection_id` is a UUID derived
        from source, frame id and row, so that the same work done twice gives the same id.
        """
        if self.detections is None:
            return []
        rows = []
        columns = (self.detections.xyxy.tolist(), self.detections.score.tolist(), self.detections.class_id.tolist())
        for i, ((x1, y1, x2, y2), score, class_id) in enumerate(zip(*columns, strict=True)):
            identity = uuid.uuid5(_DETECTION_NAMESPACE, f"{self.frame.source}/{self.frame.frame_id}/{i}")
            rows.append(
                {
                    "x": round((x1 + x2) / 2, 3),
                    "y": round((y1 + y2) / 2, 3),
                    "width": round(x2 - x1, 3),
                    "height": round(y2 - y1, 3),
                    "confidence": round(score, 5),
                    "class": self.detections.class_name[i],
                    "class_id": class_id,
                    "detection_id": str(identity),
                }
            )
        return rows
