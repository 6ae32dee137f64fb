"""Both families' postprocessing written once more, in plain numpy and float64, anchor by anchor."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Row = tuple[float, float, float, float, float, int]  # x1, y1, x2, y2 in model pixels, score, class
Numbers = npt.NDArray[np.generic]


def yolox_rows(output: Numbers, size: tuple[int, int], confidence: float) -> list[Row]:
    """Boxes of a YOLOX output (A, 5 + classes) for an input of size (width, height)."""
    rows, anchor = [], 0
    for stride in (8, 16, 32):
        for y in range(size[1] // stride):
            for x in range(size[0] // stride):
                cx, cy, w, h, objectness, *classes = (float(v) for v in output[anchor])
                box = ((cx + x) * stride, (cy + y) * stride, math.exp(w) * stride, math.exp(h) * stride)
                _add(rows, box, [objectness * score for score in classes], confidence)
                anchor += 1
    return rows


def yolo_rows(output: Numbers, confidence: float) -> list[Row]:
    """Boxes of an output (4 + classes, A)."""
    rows: list[Row] = []
    for cx, cy, w, h, *classes in output.T.astype(float).tolist():
        _add(rows, (cx, cy, w, h), classes, confidence)
    return rows


def yolo_objectness_rows(output: Numbers, confidence: float) -> list[Row]:
    """Boxes of an output (A, 5 + classes)."""
    rows: list[Row] = []
    for cx, cy, w, h, objectness, *classes in output.astype(float).tolist():
        _add(rows, (cx, cy, w, h), [objectness * score for score in classes], confidence)
    return rows


def greedy(rows: list[Row], threshold: float, agnostic: bool = False) -> list[Row]:
    """Non-maximum suppression, highest score first."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda each: -each[4]):
        if all(iou(row, other) <= threshold or (row[5] != other[5] and not agnostic) for other in kept):
            kept.append(row)
    return kept


def iou(a: Row, b: Row) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def _add(rows: list[Row], box: tuple[float, float, float, float], scores: list[float], confidence: float) -> None:
    best = max(range(len(scores)), key=lambda c: scores[c])
    if scores[best] > confidence:
        cx, cy, w, h = box
        rows.append((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, scores[best], best))
