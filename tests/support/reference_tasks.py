"""What the exports of every task mean, written once more with OpenCV, Pillow and plain numpy, slowly and in full size.

Nothing of the product is used. Frames are (H, W, 3) uint8 BGR; sizes are (width, height).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from support.reference_families import Row, greedy

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Placed:
    """A model's input (3, H, W) of one frame, and where the picture lies in it, in pixels."""

    tensor: npt.NDArray[np.float32]
    left: int
    top: int
    width: int
    height: int
    scale: tuple[float, float]


@dataclass
class Instance:
    """One detection in the pixels of the frame; `mask` is of the frame's size."""

    box: tuple[float, float, float, float]
    score: float
    class_id: int
    mask: Array | None = None
    points: list[tuple[float, float, float]] = field(default_factory=list)


def letterboxed(frame: Array, size: tuple[int, int]) -> Placed:
    """As Ultralytics feeds its detectors."""
    height, width = frame.shape[:2]
    ratio = min(size[0] / width, size[1] / height)
    new = max(1, round(width * ratio)), max(1, round(height * ratio))
    left, top = (size[0] - new[0]) // 2, (size[1] - new[1]) // 2
    canvas = np.full((size[1], size[0], 3), 114, np.uint8)
    canvas[top : top + new[1], left : left + new[0]] = cv2.resize(frame, new, interpolation=cv2.INTER_LINEAR)
    tensor = canvas[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) / 255
    return Placed(tensor, left, top, *new, (new[0] / width, new[1] / height))


def stretched(frame: Array, size: tuple[int, int]) -> Placed:
    """As RF-DETR is fed."""
    height, width = frame.shape[:2]
    picture = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)[:, :, ::-1].astype(np.float32) / 255
    picture = (picture - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    tensor = picture.transpose(2, 0, 1).astype(np.float32)
    return Placed(tensor, 0, 0, *size, (size[0] / width, size[1] / height))


def cropped(frame: Array, side: int) -> Array:
    """As Ultralytics feeds its classifiers: (3, side, side)."""
    height, width = frame.shape[:2]
    short = min(width, height)
    new = tuple(side if each == short else int(side * each / short) for each in (width, height))
    picture = Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1])).resize(new, Image.Resampling.BILINEAR)
    left, top = round((new[0] - side) / 2.0), round((new[1] - side) / 2.0)
    middle = picture.crop((left, top, left + side, top + side))
    return np.asarray(middle, np.float32).transpose(2, 0, 1) / 255


def yolo_instances(
    output: Array,
    prototypes: Array | None,
    placed: Placed,
    frame_size: tuple[int, int],
    classes: int,
    confidence: float,
    overlap: float,
    points: int = 0,
    end_to_end: bool = False,
) -> list[Instance]:
    """Of one row of the batch, (4 + classes + more, A) or (N, 6 + more)."""
    rows: list[Row] = []
    more: dict[Row, Array] = {}
    for numbers in (output if end_to_end else output.T).astype(float):
        if end_to_end:
            corners, score, which, rest = numbers[:4], numbers[4], round(numbers[5]), numbers[6:]
        else:
            scores = numbers[4 : 4 + classes]
            which = int(scores.argmax())
            score, rest = scores[which], numbers[4 + classes :]
            corners = np.concatenate([numbers[:2] - numbers[2:4] / 2, numbers[:2] + numbers[2:4] / 2])
        if score > confidence:
            row = (*corners.tolist(), float(score), which)
            rows.append(row)
            more[row] = rest
    kept = sorted(rows, key=lambda row: -row[4]) if end_to_end else greedy(rows, overlap)
    found = []
    for row in kept:
        instance = Instance(in_frame(row, placed, frame_size), row[4], row[5])
        if prototypes is not None:
            instance.mask = _yolo_mask(more[row], prototypes, row, placed, frame_size)
        for x, y, visible in more[row].reshape(-1, 3) if points else ():
            place = in_frame((x, y, x, y, 0.0, 0), placed, frame_size)[:2]
            instance.points.append((*place, visible))
        found.append(instance)
    return found


def detr_instances(
    boxes: Array,
    logits: Array,
    masks: Array | None,
    placed: Placed,
    frame_size: tuple[int, int],
    named: list[int],
    confidence: float,
) -> list[Instance]:
    """Of one row of the batch; `named` are the columns that are classes, in the order of their ids."""
    scores = 1 / (1 + np.exp(-logits.astype(float)))
    pairs = sorted(((float(s), q, c) for (q, c), s in np.ndenumerate(scores)), key=lambda pair: -pair[0])
    side = np.array([placed.width, placed.height] * 2, float)
    found = []
    for score, query, column in pairs[: len(boxes)]:
        if score <= confidence or column not in named:
            continue
        cx, cy, w, h = boxes[query].astype(float) * side
        row = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, score, 0)
        instance = Instance(in_frame(row, placed, frame_size), score, named.index(column))
        if masks is not None:
            instance.mask = cv2.resize(masks[query].astype(np.float32), frame_size, interpolation=cv2.INTER_LINEAR) > 0
        found.append(instance)
    return found


def outline(mask: Array) -> list[tuple[float, float]]:
    """The outer contour with the most points."""
    contours = cv2.findContours(mask.astype(np.uint8) * 255, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    if not contours:
        return []
    longest = contours[int(np.argmax([len(contour) for contour in contours]))]
    return [(float(x), float(y)) for x, y in longest.reshape(-1, 2)]


def in_frame(row: Row, placed: Placed, frame_size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The corners in the frame, cut at its edges."""
    x1, x2 = (min(max((x - placed.left) / placed.scale[0], 0.0), frame_size[0]) for x in (row[0], row[2]))
    y1, y2 = (min(max((y - placed.top) / placed.scale[1], 0.0), frame_size[1]) for y in (row[1], row[3]))
    return x1, y1, x2, y2


def _yolo_mask(weights: Array, prototypes: Array, row: Row, placed: Placed, frame_size: tuple[int, int]) -> Array:
    """Summed up, cut to the box and to the picture in the grid, enlarged to the frame."""
    count, high, wide = prototypes.shape
    grid = (weights.reshape(-1) @ prototypes.reshape(count, -1).astype(float)).reshape(high, wide)
    size = placed.tensor.shape[2], placed.tensor.shape[1]
    x1, x2 = (round(x * wide / size[0]) for x in (row[0], row[2]))
    y1, y2 = (round(y * high / size[1]) for y in (row[1], row[3]))
    inside = np.zeros_like(grid)
    inside[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = grid[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
    left, top = round(placed.left * wide / size[0]), round(placed.top * high / size[1])
    right = wide - round((size[0] - placed.left - placed.width) * wide / size[0])
    bottom = high - round((size[1] - placed.top - placed.height) * high / size[1])
    area = inside[top:bottom, left:right].astype(np.float32)
    if not area.size:
        return np.zeros(frame_size[::-1], bool)
    return cv2.resize(area, frame_size, interpolation=cv2.INTER_LINEAR) > 0
