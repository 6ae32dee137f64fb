"""What the outputs of many makers' exports mean, written once more in plain numpy and float64, box by box.

Nothing of the product is used. Frames are (H, W, 3) uint8 BGR; sizes are (width, height).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from support.reference_families import Row, greedy
from support.reference_tasks import Array, Instance, Placed, in_frame

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def fed(
    frame: Array,
    size: tuple[int, int],
    fit: str,
    order: str = "rgb",
    divisor: float = 255.0,
    normal: tuple[Sequence[float], Sequence[float]] = PLAIN,
    pad: int = 114,
    dtype: Any = np.float32,
) -> Placed:
    """A picture as a model is fed: `fit` is "stretch", or where the letterboxed picture lies, "corner" or "centre"."""
    height, width = frame.shape[:2]
    if fit == "stretch":
        canvas, left, top, new = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR), 0, 0, size
        scale = size[0] / width, size[1] / height
    else:
        ratio = min(size[0] / width, size[1] / height)
        new = max(1, round(width * ratio)), max(1, round(height * ratio))
        left, top = ((size[0] - new[0]) // 2, (size[1] - new[1]) // 2) if fit == "centre" else (0, 0)
        canvas = np.full((size[1], size[0], 3), pad, np.uint8)
        canvas[top : top + new[1], left : left + new[0]] = cv2.resize(frame, new, interpolation=cv2.INTER_LINEAR)
        scale = new[0] / width, new[1] / height
    levels = (canvas if order == "bgr" else canvas[:, :, ::-1]).astype(float)
    numbers = (levels / divisor - np.array(normal[0])) / np.array(normal[1])
    return Placed(np.ascontiguousarray(numbers.transpose(2, 0, 1)).astype(dtype), left, top, *new, scale)


def fed_as(*form: Any, **more: Any) -> Callable[[Any, tuple[int, int]], Placed]:
    """`fed` with all but the frame and the size."""
    return functools.partial(_fed, form=form, more=more)


def faces(
    outputs: Mapping[str, Array],
    size: tuple[int, int],
    placed: Placed,
    frame: tuple[int, int],
    above: float,
    iou: float,
) -> list[Instance]:
    """Of a YuNet."""
    rows: list[Row] = []
    points: dict[Row, list[tuple[float, float, float]]] = {}
    for stride in (8, 16, 32):
        kind, sure, box, marks = (outputs[f"{name}_{stride}"].astype(float) for name in ("cls", "obj", "bbox", "kps"))
        for cell in range(len(kind)):
            y, x = divmod(cell, size[0] // stride)
            score = math.sqrt(min(max(kind[cell, 0], 0), 1) * min(max(sure[cell, 0], 0), 1))
            if score <= above:
                continue
            cx, cy = (box[cell, 0] + x) * stride, (box[cell, 1] + y) * stride
            w, h = math.exp(box[cell, 2]) * stride, math.exp(box[cell, 3]) * stride
            row = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, score, 0)
            rows.append(row)
            places = [((marks[cell, 2 * i] + x) * stride, (marks[cell, 2 * i + 1] + y) * stride) for i in range(5)]
            points[row] = [(px / placed.scale[0], py / placed.scale[1], 1.0) for px, py in places]
    return [Instance(in_frame(row, placed, frame), row[4], 0, points=points[row]) for row in greedy(rows, iou)]


def nanodet(
    output: Array, size: tuple[int, int], placed: Placed, frame: tuple[int, int], above: float, iou: float
) -> list[Instance]:
    """Of a NanoDet-Plus."""
    rows: list[Row] = []
    cells = [
        (x * stride, y * stride, stride)
        for stride in (8, 16, 32, 64)
        for y in range(size[1] // stride)
        for x in range(size[0] // stride)
    ]
    for (x, y, stride), numbers in zip(cells, output.astype(float), strict=True):
        scores, sides = numbers[:-32], numbers[-32:].reshape(4, 8)
        which = int(scores.argmax())
        if scores[which] <= above:
            continue
        left, top, right, bottom = (
            stride * sum(i * math.exp(v) for i, v in enumerate(side)) / sum(math.exp(v) for v in side) for side in sides
        )
        corners = (max(x - left, 0), max(y - top, 0), min(x + right, size[0]), min(y + bottom, size[1]))
        rows.append((*corners, float(scores[which]), which))
    return [Instance(in_frame(row, placed, frame), row[4], row[5]) for row in greedy(rows, iou)]


def detr_softmax(
    boxes: Array, logits: Array, placed: Placed, frame: tuple[int, int], named: Sequence[int], above: float
) -> list[Instance]:
    """Of a DETR whose last column is no object; `named` are the columns that are classes, in the order of their ids."""
    found = []
    for box, numbers in zip(boxes.astype(float), logits.astype(float), strict=True):
        scores = np.exp(numbers) / np.exp(numbers).sum()
        which = int(scores[:-1].argmax())
        if scores[which] > above and which in named:
            cx, cy, w, h = box * np.array([placed.width, placed.height] * 2)
            row = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, float(scores[which]), which)
            found.append(Instance(in_frame(row, placed, frame), row[4], list(named).index(which)))
    return sorted(found, key=lambda each: -each.score)


def finished(
    boxes: Array, scores: Array, classes: Array, placed: Placed, frame: tuple[int, int], above: float
) -> list[Instance]:
    """Of a model that gives boxes in pixels of its input."""
    rows = [
        (*(float(v) for v in box), float(score), int(which))
        for box, score, which in zip(boxes, scores, classes, strict=True)
    ]
    chosen = sorted((row for row in rows if row[4] > above), key=lambda row: -row[4])
    return [Instance(in_frame(row, placed, frame), row[4], row[5]) for row in chosen]


def classes_of_pixels(numbers: Array, frame: tuple[int, int]) -> Array:
    """The class of every pixel of a frame, of numbers (C, h, w) for a picture that fills the input."""
    large = [cv2.resize(grid.astype(np.float32), frame, interpolation=cv2.INTER_LINEAR) for grid in numbers]
    return np.argmax(np.stack(large), axis=0)


def _fed(frame: Array, size: tuple[int, int], form: tuple[Any, ...], more: Mapping[str, Any]) -> Placed:
    return fed(frame, size, *form, **more)
