"""Scales a picture into a frame with its proportions kept."""

from __future__ import annotations

import numpy as np

from mpipeline.frame import Pixels

Color = tuple[int, int, int]
BLACK: Color = (0, 0, 0)


def letterbox(image: Pixels, size: tuple[int, int], color: Color = BLACK) -> Pixels:
    """The (H, W, 3) picture in the middle of a new one of `size` (width, height); bars of `color` (B, G, R) beside it.

    The picture itself is returned if it has that size already.
    """
    import cv2

    width, height = size
    rows, columns = image.shape[:2]
    if (columns, rows) == (width, height):
        return image
    scale = min(width / columns, height / rows)
    inner = max(1, min(width, round(columns * scale))), max(1, min(height, round(rows * scale)))
    resized = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)  # a tenth of the time of INTER_AREA
    canvas: Pixels = np.empty((height, width, 3), np.uint8)
    canvas[:] = color
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = resized
    return canvas
