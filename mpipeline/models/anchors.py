"""Where a detector without anchor boxes looks: the cells of its grids, of the finest stride first, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def anchor_count(size: tuple[int, int], strides: Sequence[int] = (8, 16, 32)) -> int:
    """How many places there are in an input of size (width, height); a cell that is cut off counts."""
    return sum(columns * rows for columns, rows, _ in _grids(size, strides))


def anchor_grid(size: tuple[int, int], strides: Sequence[int]) -> tuple[Floats, Floats]:
    """For each place its cell (x, y), shape (A, 2), and its stride, shape (A, 1)."""
    cells, steps = [], []
    for columns, rows, stride in _grids(size, strides):
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x, y], axis=2).reshape(-1, 2))
        steps.append(np.full((columns * rows, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32)


def _grids(size: tuple[int, int], strides: Sequence[int]) -> list[tuple[int, int, int]]:
    """(columns, rows, stride) of each grid."""
    return [(-(-size[0] // stride), -(-size[1] // stride), stride) for stride in strides]
