"""From a model's numbers to detections: candidates, non-maximum suppression, and boxes in source pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpipeline import _native
from mpipeline.cuda.detect import Rules
from mpipeline.models.family import ModelOptions
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]


def select_candidates(scores: Floats, threshold: float, objectness: Floats | None = None) -> tuple[Rows, Ids, Floats]:
    """(anchor, class id, score) of each anchor whose best class scores more than `threshold`, in order of the anchors.

    `scores` is (anchors, classes) float32 with any strides; `objectness`, (anchors,) float32, multiplies them. Of equal
    classes the first wins; a score that is not a number never does.
    """
    return _native.select_candidates(scores, threshold, objectness)


def non_maximum_suppression(
    xyxy: Floats, score: Floats, class_id: Ids | None, iou_threshold: float, max_detections: int
) -> Rows:
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


@dataclass(frozen=True, slots=True)
class Reading:
    """The detections of one row of the batch, their boxes in input pixels, and what stands beside each, (N, more)."""

    found: Detections
    boxes: Floats
    more: Floats


class Selection:
    """Chooses what is reported, as the options say: the class filter, suppression, the limit, and the names."""

    def __init__(self, options: ModelOptions, names: Sequence[str], classes: frozenset[int] | None) -> None:
        """`classes` are the ids that are kept, None for all; `names` may be shorter than the ids that occur."""
        self._options = options
        self._names = tuple(names)
        self._classes = None if classes is None else np.array(sorted(classes), np.int32)

    @property
    def rules(self) -> Rules:
        """The same for the kernels of a GPU."""
        options, classes = self._options, self._classes
        wanted = None if classes is None else frozenset(classes.tolist())
        agnostic = options.class_agnostic_nms
        return Rules(options.confidence, options.iou_threshold, options.max_detections, agnostic, wanted)

    def wanted(self, class_id: Ids) -> npt.NDArray[np.bool_]:
        """Which rows pass the class filter."""
        return np.ones(len(class_id), bool) if self._classes is None else np.isin(class_id, self._classes)

    def suppress(self, xyxy: Floats, score: Floats, class_id: Ids, geometry: Geometry) -> Detections:
        """Detections of one frame from boxes in model pixels that may overlap."""
        kept = self.suppressed(xyxy, score, class_id)
        return self.placed(xyxy[kept], score[kept], class_id[kept], geometry)[0]

    def rank(self, xyxy: Floats, score: Floats, class_id: Ids, geometry: Geometry) -> Detections:
        """Detections of one frame from boxes in model pixels that the model itself has suppressed."""
        kept = self.ranked(score, class_id)
        return self.placed(xyxy[kept], score[kept], class_id[kept], geometry)[0]

    def suppressed(self, xyxy: Floats, score: Floats, class_id: Ids) -> Rows:
        """The rows to report of boxes that may overlap, highest score first."""
        options = self._options
        if self._classes is None:
            ids = None if options.class_agnostic_nms else class_id
            return non_maximum_suppression(xyxy, score, ids, options.iou_threshold, options.max_detections)
        wanted = np.flatnonzero(self.wanted(class_id))
        ids = None if options.class_agnostic_nms else class_id[wanted]
        kept = non_maximum_suppression(xyxy[wanted], score[wanted], ids, options.iou_threshold, options.max_detections)
        return wanted[kept]

    def ranked(self, score: Floats, class_id: Ids) -> Rows:
        """The rows to report of boxes that do not, highest score first."""
        wanted = np.flatnonzero(self.wanted(class_id) & (score > self._options.confidence))
        return wanted[np.argsort(-score[wanted], kind="stable")[: self._options.max_detections]]

    def placed(
        self, xyxy: Floats, score: Floats, class_id: Ids, geometry: Geometry
    ) -> tuple[Detections, npt.NDArray[np.bool_]]:
        """Chosen boxes in source pixels, and which of the rows they are.

        A box that lies wholly in the padding, or is not made of numbers, has no area and goes.
        """
        boxes = geometry.to_source(xyxy)
        real = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        if not real.all():
            boxes, score, class_id = boxes[real], score[real], class_id[real]
        return Detections(boxes, score, class_id, self.names_of(class_id)), real

    def reading(self, xyxy: Floats, score: Floats, class_id: Ids, more: Floats, geometry: Geometry) -> Reading:
        """The same for boxes with numbers beside them."""
        found, real = self.placed(xyxy, score, class_id, geometry)
        if len(found) == len(xyxy):  # as nearly always
            return Reading(found, xyxy, more)
        return Reading(found, xyxy[real], more[real])

    def names_of(self, class_id: Ids) -> tuple[str, ...]:
        """The name of each class."""
        return tuple([self._name(i) for i in class_id.tolist()])

    def _name(self, class_id: int) -> str:
        return self._names[class_id] if 0 <= class_id < len(self._names) else str(class_id)
