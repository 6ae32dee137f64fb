"""Counts how the findings of one way to run a model differ from those of another, over the same frames."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mpipeline.boxes import iou_table, pairs
from mpipeline.prediction import Classification, Detections, Embedding, Findings

SAME_IOU = 0.5  # from which overlap on two boxes are of one object
NEAR = 0.05  # a detection that scores so little more than the threshold may well be missing


@dataclass
class Differences:
    """Sums over frames; `as_dict` gives what they say. `threshold` is the confidence of the model."""

    threshold: float
    frames: int = 0
    detections: int = 0  # of the first
    same: int = 0  # of the first: found by the second, too, with the same class
    flipped: int = 0  # found by both, with another class
    lost: int = 0
    lost_near: int = 0  # of those lost: near the threshold
    new: int = 0
    new_near: int = 0
    classified: int = 0  # frames of which a class is told instead of boxes
    same_top: int = 0  # of those: both tell the same as the likeliest
    score_changes: list[float] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)  # of the angles between the vectors of embeddings

    def add(self, first: Findings, second: Findings) -> None:
        """One frame."""
        self.frames += 1
        if isinstance(first, Detections) and isinstance(second, Detections):
            self._add_boxes(first, second)
        elif isinstance(first, Classification) and isinstance(second, Classification):
            self._add_classes(first, second)
        elif isinstance(first, Embedding) and isinstance(second, Embedding):
            self.cosines.append(_cosine(first.vector, second.vector))

    @property
    def changed(self) -> float:
        """What part differs, 0 to 1 and more: of the detections lost, new or of another class, less those near the
        threshold; of the frames those of another class; what the cosine between vectors lacks. 1 if nothing was
        found, for then nothing is known.
        """
        if self.cosines:
            return 1 - statistics.median(self.cosines)
        if self.classified:
            return 1 - self.same_top / self.classified
        far = self.lost - self.lost_near + self.new - self.new_near + self.flipped
        return far / self.detections if self.detections else 1.0

    def as_dict(self) -> dict[str, Any]:
        """The counts; median and largest change of a score, and median overlap of boxes, None where there is none."""
        if self.cosines:
            return {
                "frames": self.frames,
                "cosine_median": _median(self.cosines),
                "cosine_min": min(self.cosines),
                "score_change_median": None,
                "score_change_max": None,
            }
        sums = {"frames": self.frames}
        if self.classified:
            sums |= {"classified": self.classified, "same_top": self.same_top}
        else:
            names = ("detections", "same", "flipped", "lost", "lost_near", "new", "new_near")
            sums |= {name: getattr(self, name) for name in names}
        return {
            **sums,
            "score_change_median": _median(self.score_changes),
            "score_change_max": max(self.score_changes, default=None),
            **({} if self.classified else {"iou_median": _median(self.overlaps)}),
        }

    def _add_boxes(self, first: Detections, second: Detections) -> None:
        table = iou_table(first.xyxy, second.xyxy)
        same_class = first.class_id[:, None] == second.class_id[None, :]
        same = pairs(np.where(same_class, table, 0.0), SAME_IOU)
        left = table.copy()  # what is still without a partner may have one of another class
        for row, column in same:
            left[row, :] = left[:, column] = 0.0
        flipped = pairs(left, SAME_IOU)
        for row, column in same + flipped:
            self.score_changes.append(abs(float(first.score[row]) - float(second.score[column])))
            self.overlaps.append(float(table[row, column]))
        rows, columns = ({pair[side] for pair in same + flipped} for side in (0, 1))
        lost = [float(score) for row, score in enumerate(first.score) if row not in rows]
        new = [float(score) for column, score in enumerate(second.score) if column not in columns]
        self.detections += len(first)
        self.same += len(same)
        self.flipped += len(flipped)
        self.lost += len(lost)
        self.lost_near += self._near(lost)
        self.new += len(new)
        self.new_near += self._near(new)

    def _add_classes(self, first: Classification, second: Classification) -> None:
        self.classified += 1
        self.same_top += first.class_id[:1].tolist() == second.class_id[:1].tolist()
        scores = dict(zip(second.class_id.tolist(), second.score.tolist(), strict=True))
        for class_id, score in zip(first.class_id[:1].tolist(), first.score[:1].tolist(), strict=True):
            if class_id in scores:
                self.score_changes.append(abs(score - scores[class_id]))

    def _near(self, scores: list[float]) -> int:
        return sum(score < self.threshold + NEAR for score in scores)


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _cosine(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    a, b = first.astype(np.float64), second.astype(np.float64)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else float(not a.any() and not b.any())
