"""Draws what models find besides boxes: masks as a tint, key points as dots and, of a person, the limbs too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mpipeline.frame import Pixels
from mpipeline.masks import Masks

Color = tuple[int, int, int]

_TINT = 0.45  # of the mask's colour; the rest is the picture
_VISIBLE = 0.5  # key points that are less sure are not drawn
_OF_ONE_SIDE = (
    ("ear", "eye"),
    ("shoulder", "elbow"),
    ("elbow", "wrist"),
    ("shoulder", "hip"),
    ("hip", "knee"),
    ("knee", "ankle"),
)
_LIMBS = (
    *((f"{side}_{one}", f"{side}_{other}") for side in ("left", "right") for one, other in _OF_ONE_SIDE),
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
)


def tint(canvas: Pixels, masks: Masks, colors: Sequence[Color]) -> None:
    """Colours what each mask covers, the last first, so that the surest lies on top."""
    rows, columns = canvas.shape[:2]
    for i in range(len(masks) - 1, -1, -1):
        left, top, width, height = masks.window[i].tolist()
        cover = masks.cover(i)[: max(0, rows - top), : max(0, columns - left)]
        part = canvas[top : top + height, left : left + width]
        part[cover] = np.rint(part[cover] * (1 - _TINT) + np.array(colors[i]) * _TINT).astype(np.uint8)


def skeleton(
    canvas: Pixels, points: npt.NDArray[np.float32], names: Sequence[str], color: Color, thickness: int
) -> None:
    """The key points (K, 3) of one detection, and lines between those that are limbs by their names.

    A point far outside the picture is left out: OpenCV counts in few bits.
    """
    import cv2

    height, width = canvas.shape[:2]
    places = {
        name: (round(x), round(y))
        for name, (x, y, score) in zip(names, points.tolist(), strict=True)
        if score >= _VISIBLE and abs(x) < 2 * width and abs(y) < 2 * height
    }
    for a, b in _LIMBS:
        if a in places and b in places:
            cv2.line(canvas, places[a], places[b], color, thickness + 1, cv2.LINE_AA)
    for place in places.values():
        cv2.circle(canvas, place, 2 * thickness + 1, color, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(canvas, place, 2 * thickness + 1, (255, 255, 255), max(1, thickness // 2), cv2.LINE_AA)
