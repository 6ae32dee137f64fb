"""Findings of every task made up for tests: masks, key points, classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from support.predictions import found

from mpipeline.masks import Masks
from mpipeline.models.coco import COCO_KEYPOINTS
from mpipeline.prediction import Classification, Detections, Embedding


def disc(width: int, height: int, x: float, y: float, radius: float) -> npt.NDArray[np.bool_]:
    """A mask of the frame's size, bool (height, width)."""
    rows, columns = np.mgrid[:height, :width]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def with_masks(width: int, height: int) -> Detections:
    """Three boxes: a disc, a ring with a piece beside it, and a box whose mask is empty."""
    ring = disc(width, height, width * 0.7, height * 0.5, height * 0.3)
    ring &= ~disc(width, height, width * 0.7, height * 0.5, height * 0.15)
    ring[:2, -2:] = True
    masks = [disc(width, height, width * 0.25, height * 0.5, height * 0.25), ring, np.zeros_like(ring)]
    boxes = found(
        (width * 0.05, height * 0.2, width * 0.45, height * 0.8),
        (width * 0.5, height * 0.1, width * 0.95, height * 0.9),
        (1, 1, 4, 4),
    )
    return replace(boxes, masks=Masks.from_pictures(np.array(masks)))


def with_keypoints() -> Detections:
    """One standing person, 17 points, of which the last was not found."""
    upper = [
        (50, 20),
        (53, 17),
        (47, 17),
        (57, 19),
        (43, 19),
        (62, 35),
        (38, 35),
        (68, 52),
        (32, 52),
        (72, 68),
        (28, 68),
    ]
    lower = [(58, 70), (42, 70), (60, 92), (40, 92), (61.5, 114.25), (39, 114)]
    points = np.array([*upper, *lower], np.float32)
    scores = np.full((17, 1), 0.9, np.float32)
    scores[16] = 0.0
    person = replace(found((25, 10, 75, 120)), class_id=np.zeros(1, np.int32), class_name=("person",))
    return replace(person, keypoints=np.concatenate([points, scores], axis=1)[None], keypoint_name=COCO_KEYPOINTS)


def single_label() -> Classification:
    """A cat, or a dog."""
    return Classification(np.array([0.81236, 0.125], np.float32), np.array([2, 5], np.int32), ("cat", "dog"))


def multi_label() -> Classification:
    """Wet and dark, not cold."""
    scores, ids = np.array([0.9, 0.625, 0.25], np.float32), np.array([2, 0, 1], np.int32)
    return Classification(scores, ids, ("wet", "dark", "cold"), multi_label=True, threshold=0.5)


def embedding() -> Embedding:
    """A vector of length 1."""
    return Embedding(np.array([0.6, 0.0, -0.8], np.float32))
