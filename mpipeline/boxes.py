"""How much boxes overlap, and which of two sets belong together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
"""(N, 4) as xyxy: left, top, right, bottom in pixels."""
Table = npt.NDArray[np.float64]


def iou_table(first: Boxes, second: Boxes) -> Table:
    """The IoU (N, M) of every box of `first` with every box of `second`."""
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None, :]
    overlap = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    table: Table = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return table


def pairs(table: Table, at_least: float) -> list[tuple[int, int]]:
    """Rows and columns of an IoU table that belong together, each in one pair at most: greedily, the largest first."""
    left, found = table.copy(), []
    while left.size and float(left.max()) >= at_least:
        row, column = np.unravel_index(left.argmax(), left.shape)
        found.append((int(row), int(column)))
        left[row, :] = left[:, column] = -1.0
    return found
