"""Ways from a detector's numbers to its boxes: candidates and non-maximum suppression, ours, NumPy's and OpenCV's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mpipeline import _native

Floats = npt.NDArray[np.float32]
IOU = 0.5


@dataclass(frozen=True)
class Boxes:
    """`xyxy` is (count, 4), `score` (count,)."""

    xyxy: Floats
    score: Floats


def boxes(count: int, seed: int = 0) -> Boxes:
    """As a detector gives them: some thirty around each object, the better the nearer, and none equal to another."""
    rng = np.random.default_rng(seed)
    objects = max(4, count // 30)
    centre, size = rng.uniform(0, 600, (objects, 2)), rng.lognormal(3.8, 0.6, (objects, 2))
    which = rng.integers(0, objects, count)
    away = rng.normal(0, 0.12, (count, 4))
    middle = centre[which] + away[:, :2] * size[which]
    half = size[which] * np.exp(away[:, 2:]) / 2
    score = rng.uniform(0.3, 1, objects)[which] * np.exp(-4 * np.abs(away).mean(axis=1))
    return Boxes(np.concatenate([middle - half, middle + half], axis=1).astype(np.float32), score.astype(np.float32))


def suppress_ours(given: Boxes) -> npt.NDArray[np.int64]:
    """Indices of what stays."""
    return _native.non_maximum_suppression(given.xyxy, given.score, None, IOU, len(given.score))


def suppress_numpy(given: Boxes) -> npt.NDArray[np.int64]:
    """The usual loop over what is left, each turn vectorised."""
    x1, y1, x2, y2 = given.xyxy.T
    area = (x2 - x1) * (y2 - y1)
    order = np.argsort(-given.score, kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        width = np.maximum(0, np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]))
        height = np.maximum(0, np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]))
        shared = width * height
        order = rest[shared <= IOU * (area[best] + area[rest] - shared)]
    return np.array(kept, np.int64)


def suppress_opencv(given: Boxes) -> Callable[[], npt.NDArray[np.int64]]:
    """OpenCV's, with its kind of boxes (x, y, width, height) made before."""
    xywh = np.concatenate([given.xyxy[:, :2], given.xyxy[:, 2:] - given.xyxy[:, :2]], axis=1).astype(np.float64)
    return lambda: np.asarray(cv2.dnn.NMSBoxes(xywh, given.score, 0.0, IOU), np.int64).reshape(-1)


def scores(seed: int = 0) -> Floats:
    """(8400 anchors, 80 classes), classes apart in memory as YOLOv8 and later have them; some 300 are above 0.4."""
    rng = np.random.default_rng(seed)
    table = rng.beta(0.3, 40, (80, 8400)).astype(np.float32)
    found = rng.choice(8400, 300, replace=False)
    table[rng.integers(0, 80, 300), found] = rng.uniform(0.4, 0.95, 300)
    return table.T


def candidates_ours(table: Floats) -> int:
    """How many anchors have a score above 0.4."""
    return len(_native.select_candidates(table, 0.4)[0])


def candidates_numpy(table: Floats) -> int:
    """The same: the best of each anchor, and the class of those that are good enough."""
    best = table.max(axis=1)
    anchors = np.flatnonzero(best > 0.4)
    table[anchors].argmax(axis=1)
    return len(anchors)
