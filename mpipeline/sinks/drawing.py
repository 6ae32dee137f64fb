"""Draws predictions into pictures so that they can be read at any resolution."""

from __future__ import annotations

import colorsys
import zlib
from typing import Any

import numpy as np

from mpipeline.frame import Pixels
from mpipeline.prediction import Classification, Detections, Failure, Prediction
from mpipeline.sinks.drawing_shapes import Color, skeleton, tint

_GOLDEN_RATIO = 0.618034  # steps of it around the colour wheel never come close to each other
_RED: Color = (40, 40, 220)
_BLACK: Color = (0, 0, 0)
_WHITE: Color = (255, 255, 255)
_MOST_CLASSES = 5  # of a frame that are written into it


def annotate(image: Pixels, *predictions: Prediction, labels: bool = True) -> Pixels:
    """A copy of a (H, W, 3) uint8 BGR picture with what was found in it, and a note where there was a failure.

    Boxes, tinted masks and key points; with `labels` names of classes, numbers of tracks and scores too, those of the
    frame at its top.
    """
    canvas: Pixels = image.copy()
    top = 0  # of the next line of text
    for prediction in predictions:
        if prediction.detections is not None:
            _draw_detections(canvas, prediction.detections, labels, prediction.model)
    for prediction in predictions:
        if prediction.classification is not None and labels:
            top = _draw_classes(canvas, prediction.classification, top, prediction.model)
        elif prediction.failure is not None:
            top = _draw_failure(canvas, prediction.failure, top)
    return canvas


def class_color(class_id: int, model: str = "") -> Color:
    """The colour (B, G, R) of a class, of a model that may have a name: bright, always the same."""
    begin = 0.36 + zlib.crc32(model.encode()) / 2**32
    red, green, blue = colorsys.hsv_to_rgb((begin + class_id * _GOLDEN_RATIO) % 1.0, 0.78, 1.0)
    return int(blue * 255), int(green * 255), int(red * 255)


def fit(image: Pixels, width: int, height: int) -> Pixels:
    """The picture as exactly (height, width): unchanged, its last row or column repeated for an even size, or, after a
    change of resolution, scaled with its proportions kept and black bars beside it."""
    import cv2

    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    if 0 <= height - rows <= 1 and 0 <= width - columns <= 1:
        return _pixels(cv2.copyMakeBorder(image, 0, height - rows, 0, width - columns, cv2.BORDER_REPLICATE))
    scale = min(width / columns, height / rows)
    size = (max(1, min(width, round(columns * scale))), max(1, min(height, round(rows * scale))))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas: Pixels = np.zeros((height, width, 3), np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = resized
    return canvas


def _draw_detections(canvas: Pixels, detections: Detections, labels: bool, model: str) -> None:
    import cv2

    thickness = _thickness(canvas)
    order = range(len(detections) - 1, -1, -1)  # the surest last, on top
    boxes = [tuple([round(value) for value in row]) for row in detections.xyxy.tolist()]
    colors = [class_color(class_id, model) for class_id in detections.class_id.tolist()]
    if detections.masks is not None:
        tint(canvas, detections.masks, colors)
    for i in order:
        left, top, right, bottom = boxes[i]
        cv2.rectangle(canvas, (left, top), (right, bottom), colors[i], thickness)
        if detections.keypoints is not None:
            skeleton(canvas, detections.keypoints[i], detections.keypoint_name, colors[i], thickness)
    tracks = detections.tracker_id
    for i in order if labels else ():
        number = f"#{tracks[i]} " if tracks is not None and tracks[i] >= 0 else ""
        text = f"{number}{detections.class_name[i]} {detections.score[i]:.2f}"
        draw_label(canvas, text, boxes[i][0], boxes[i][1], colors[i])


def _draw_classes(canvas: Pixels, found: Classification, top: int, model: str) -> int:
    """The likeliest classes, one below the other, from the row `top`; the row under them."""
    shown = [i for i in range(len(found)) if not found.multi_label or found.score[i] > found.threshold][:_MOST_CLASSES]
    for i in shown:
        text = f"{found.class_name[i]} {found.score[i]:.2f}"
        top = draw_label(canvas, text, 0, top, class_color(int(found.class_id[i]), model), under=True)
    return top


def _draw_failure(canvas: Pixels, failure: Failure, top: int) -> int:
    import cv2

    height, width = canvas.shape[:2]
    cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), _RED, 3 * _thickness(canvas))
    return draw_label(canvas, f"not inferred: {failure.reason}", 0, top, _RED, under=True)


def draw_label(canvas: Pixels, text: str, left: int, top: int, color: Color, *, under: bool = False) -> int:
    """A line of text on a background, above the point (left, top) if there is room, always inside the picture.

    `under` puts it below that point. Returns the row under it.
    """
    import cv2

    height, width = canvas.shape[:2]
    font, scale, weight = cv2.FONT_HERSHEY_SIMPLEX, _font_scale(canvas), max(1, _thickness(canvas) // 2)
    text = text.encode("ascii", "replace").decode()  # the font has no other letters
    (text_width, text_height), below = cv2.getTextSize(text, font, scale, weight)
    margin = max(2, text_height // 3)
    box_width, box_height = text_width + 2 * margin, text_height + below // 2 + 2 * margin
    x = max(0, min(left, width - box_width))
    y = top - box_height if top >= box_height and not under else top
    y = max(0, min(y, height - box_height))
    cv2.rectangle(canvas, (x, y), (x + box_width, y + box_height), color, cv2.FILLED)
    ink = _BLACK if _luma(color) > 110 else _WHITE
    cv2.putText(canvas, text, (x + margin, y + margin + text_height), font, scale, ink, weight, cv2.LINE_AA)
    return int(y + box_height)


def _thickness(canvas: Pixels) -> int:
    return max(1, round(int(min(canvas.shape[:2])) / 360))


def _font_scale(canvas: Pixels) -> float:
    """Capital letters of a 60th of the shorter side, but never under 9 pixels: at scale 1 they are 22 pixels high."""
    return max(9.0, int(min(canvas.shape[:2])) / 60) / 22


def _luma(color: Color) -> float:
    return 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2]


def _pixels(image: Any) -> Pixels:
    return np.asarray(image, np.uint8)
