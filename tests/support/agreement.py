"""Compares predictions with reference ones, box by box, as test data's expected results are meant to be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Box = Sequence[float]  # x1, y1, x2, y2, score, class
Boxes = Mapping[int, Sequence[Box]]  # frame number, from 1 → boxes


@dataclass(frozen=True)
class Agreement:
    """`recall`: the part of expected boxes that was found. `precision`: the part of found boxes that was expected."""

    judged: int
    recall: float
    precision: float
    absent: tuple[int, ...]  # frames that were expected and are not there

    def good(self, at_least: float = 0.97) -> bool:
        return not self.absent and self.recall >= at_least and self.precision >= at_least


def load_expected(path: Path) -> dict[int, list[Box]]:
    """One JSON line a frame: {"frame": n, "boxes": [[x1, y1, x2, y2, score, class], ...]}."""
    records = (json.loads(line) for line in path.read_text().splitlines())
    return {record["frame"]: record["boxes"] for record in records}


def agreement(expected: Boxes, actual: Boxes, confidence: float = 0.4, min_iou: float = 0.85) -> Agreement:
    """How well both agree on the frames of `expected`.

    Boxes that score at least `confidence` + 0.05 must have a partner of the same class with an IoU of `min_iou`, of any
    score: those near the threshold may be missing on either side.
    """
    present = {frame: actual[frame] for frame in expected if frame in actual}
    sure = confidence + 0.05
    wanted, missed = _unmatched(expected, present, sure, min_iou)
    offered, superfluous = _unmatched(present, expected, sure, min_iou)
    return Agreement(
        wanted,
        1 - missed / max(wanted, 1),
        1 - superfluous / max(offered, 1),
        tuple(sorted(set(expected) - set(present))),
    )


def _unmatched(wanted: Boxes, offered: Boxes, sure: float, min_iou: float) -> tuple[int, int]:
    judged = missed = 0
    for frame, boxes in wanted.items():
        pool = list(offered.get(frame, ()))
        for box in sorted(boxes, key=lambda each: -each[4]):
            partner = _partner(box, pool, min_iou)
            if partner is not None:
                pool.remove(partner)
            if box[4] >= sure:
                judged += 1
                missed += partner is None
    return judged, missed


def _partner(box: Box, pool: Iterable[Box], min_iou: float) -> Box | None:
    same_class = [other for other in pool if other[5] == box[5] and intersection_over_union(box, other) >= min_iou]
    return max(same_class, key=lambda other: intersection_over_union(box, other), default=None)


def intersection_over_union(a: Box, b: Box) -> float:
    """Of two boxes x1, y1, x2, y2, …; 0 if both are empty."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0
