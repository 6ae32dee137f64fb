"""From a model's numbers to detections: candidates, non-maximum suppression, and boxes in source pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mpipeline import _native
from mpipeline.models.family import ModelOptions
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]


def select_candidates(
    scores: Floats, threshold: float, objectness: Floats | None = None
) -> tuple[npt.NDArray[np.int64], Ids, Floats]:
    """(anchor, class id, score) of each anchor whose best class scores more than `threshold`, in order of the anchors.

    `scores` is (anchors, classes) float32 with any strides; `objectness`, (anchors,) float32, multiplies them. Of equal
    classes the first wins; a score that is not a number never does.
    """
    return _native.select_candidates(scores, threshold, objectness)


def non_maximum_suppression(
    xyxy: Floats, score: Floats, class_id: Ids | None, iou_threshold: float, max_detections: int
) -> npt.NDArray[np.int64]:
    """Indices to keep, highest score first (equal scores in the given order), at most `max_detections`.

    `xyxy` is (N, 4) float32. A box goes when a kept one of the same class has an intersection over union with it that
    is greater than `iou_threshold`; with `class_id` None a kept one of any class.
    """
    return _native.non_maximum_suppression(
        np.ascontiguousarray(xyxy), np.ascontiguousarray(score), class_id, iou_threshold, max_detections
    )


def from_centre_form(xywh: Floats) -> Floats:
    """(N, 4) boxes as left, top, right, bottom from centre x, centre y, width, height."""
    half = xywh[:, 2:] / 2
    return np.concatenate([xywh[:, :2] - half, xywh[:, :2] + half], axis=1)


class Selection:
    """Chooses what is reported, as the options say: the class filter, suppression, the limit, and the names."""

    def __init__(self, options: ModelOptions, names: Sequence[str], classes: frozenset[int] | None) -> None:
        """`classes` are the ids that are kept, None for all; `names` may be shorter than the ids that occur."""
        self._options = options
        self._names = tuple(names)
        self._classes = None if classes is None else np.array(sorted(classes), np.int32)

    def wanted(self, class_id: Ids) -> npt.NDArray[np.bool_]:
        """Which rows pass the class filter."""
        return np.ones(len(class_id), bool) if self._classes is None else np.isin(class_id, self._classes)

    def suppress(self, xyxy: Floats, score: Floats, class_id: Ids, geometry: Geometry) -> Detections:
        """Detections of one frame from boxes in model pixels that may overlap."""
        wanted = self.wanted(class_id)
        xyxy, score, class_id = xyxy[wanted], score[wanted], class_id[wanted]
        options = self._options
        ids = None if options.class_agnostic_nms else class_id
        kept = non_maximum_suppression(xyxy, score, ids, options.iou_threshold, options.max_detections)
        return self._detections(xyxy[kept], score[kept], class_id[kept], geometry)

    def rank(self, xyxy: Floats, score: Floats, class_id: Ids, geometry: Geometry) -> Detections:
        """Detections of one frame from boxes in model pixels that the model itself has suppressed."""
        wanted = self.wanted(class_id) & (score > self._options.confidence)
        xyxy, score, class_id = xyxy[wanted], score[wanted], class_id[wanted]
        order = np.argsort(-score, kind="stable")[: self._options.max_detections]
        return self._detections(xyxy[order], score[order], class_id[order], geometry)

    def _detections(self, xyxy: Floats, score: Floats, class_id: Ids, geometry: Geometry) -> Detections:
        """In source pixels; a box that lies wholly in the padding, or is not made of numbers, has no area and goes."""
        placed = geometry.to_source(xyxy)
        real = (placed[:, 2] > placed[:, 0]) & (placed[:, 3] > placed[:, 1])
        ids = class_id[real]
        return Detections(placed[real], score[real], ids, tuple(self._name(i) for i in ids.tolist()))

    def _name(self, class_id: int) -> str:
        return self._names[class_id] if 0 <= class_id < len(self._names) else str(class_id)
