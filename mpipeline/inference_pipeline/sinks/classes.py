"""Draws what was said of a whole picture (classification), or of each of its pixels (semantic segmentation)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np

from mpipeline.frame import Pixels
from mpipeline.sinks.drawing import class_color, draw_label

_MOST_LINES = 5
_OPACITY = 0.5
_NOTHING = "no class above the threshold"


def draw_classes(canvas: Pixels, prediction: Mapping[str, Any]) -> Pixels:
    """Writes the classes with their confidence into the upper left corner, the surest first."""
    found = prediction["predictions"]
    if isinstance(found, Mapping):  # several can apply: those above the threshold are named beside the rest
        rows = [(name, found[name]["confidence"], found[name]["class_id"]) for name in prediction["predicted_classes"]]
    else:
        rows = [(row["class"], row["confidence"], row["class_id"]) for row in found]
    rows.sort(key=lambda row: -row[1])
    top = 0
    for name, confidence, class_id in rows[:_MOST_LINES]:
        top = draw_label(canvas, f"{name} {confidence:.2f}", 0, top, class_color(class_id), under=True)
    if not rows:
        draw_label(canvas, _NOTHING, 0, top, (128, 128, 128))
    return canvas


def draw_regions(canvas: Pixels, found: Mapping[str, Any]) -> Pixels:
    """Tints each pixel in the colour of its class, 0 being the background, and writes the names of the classes."""
    import cv2

    try:
        data = np.frombuffer(base64.b64decode(found["segmentation_mask"]), np.uint8)
    except binascii.Error as error:
        raise ValueError(f"segmentation_mask is not base64: {error}") from error
    classes = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    if classes is None:
        raise ValueError("segmentation_mask is not a PNG")
    classes = cv2.resize(classes, (canvas.shape[1], canvas.shape[0]), interpolation=cv2.INTER_NEAREST)
    palette = np.array([class_color(number) for number in range(256)], np.uint8)
    tinted = cv2.addWeighted(palette[classes], _OPACITY, canvas, 1 - _OPACITY, 0)
    canvas[classes > 0] = tinted[classes > 0]
    top = 0
    for number in np.unique(classes[classes > 0])[:_MOST_LINES].tolist():
        name = found.get("class_map", {}).get(str(number), f"class {number}")
        top = draw_label(canvas, name, 0, top, class_color(number), under=True)
    return canvas
