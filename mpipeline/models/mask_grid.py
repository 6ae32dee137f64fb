"""From a model's coarse grid of mask numbers to the pixels of the source frame that are covered.

A number belongs to the middle of its cell. The part of the grid that the picture covers (its edges rounded to cells) is
stretched over the frame, bilinear, its border repeated, and pixels above 0 are covered, as `F.interpolate(...,
mode="bilinear") > 0` would have it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpipeline import _native
from mpipeline.masks import Window
from mpipeline.tensor import Geometry

Floats = npt.NDArray[np.float32]
MaskPart = tuple[Window, npt.NDArray[np.uint16]]


@dataclass(frozen=True, slots=True)
class GridArea:
    """The cells of a grid that the picture covers, `left` up to but without `right`; `frame` is (width, height)."""

    left: int
    top: int
    right: int
    bottom: int
    frame: tuple[int, int]


def grid_area(cells: tuple[int, int], size: tuple[int, int], geometry: Geometry) -> GridArea:
    """Where the picture lies in a grid of `cells` over an input of `size`, both (width, height)."""
    (left, right), (top, bottom) = (
        _covered(count, side, pad, length * scale)
        for count, side, pad, length, scale in (
            (cells[0], size[0], geometry.pad_x, geometry.width, geometry.scale_x),
            (cells[1], size[1], geometry.pad_y, geometry.height, geometry.scale_y),
        )
    )
    return GridArea(left, top, right, bottom, (geometry.width, geometry.height))


def enlarge(patch: Floats, left: int, top: int, area: GridArea) -> MaskPart:
    """The window and the runs of what is covered in the frame, of a patch of cells that begins at (left, top).

    Whatever is covered must lie between the middles of the patch's outermost cells, unless they are the area's: a patch
    has one cell more on each side than those that may be above 0.
    """
    across = left - area.left, area.right - area.left, area.frame[0]
    down = top - area.top, area.bottom - area.top, area.frame[1]
    return _native.enlarged_runs(patch, across, down)


def covered(inside: Floats, area: GridArea) -> MaskPart:
    """The same of the cells of the area itself: where `inside`, (rows, columns), is above 0 once it is enlarged."""
    rows, columns = np.flatnonzero((inside > 0).any(axis=1)), np.flatnonzero((inside > 0).any(axis=0))
    if not len(rows):
        return nothing()
    left, top = max(int(columns[0]) - 1, 0), max(int(rows[0]) - 1, 0)
    patch = inside[top : int(rows[-1]) + 2, left : int(columns[-1]) + 2]
    return enlarge(patch, area.left + left, area.top + top, area)


def nothing() -> MaskPart:
    """An empty mask."""
    return (0, 0, 0, 0), np.zeros(0, np.uint16)


def _covered(count: int, side: int, pad: float, length: float) -> tuple[int, int]:
    """The first cell of the picture along one side, and the first behind it."""
    behind = side - pad - min(round(length), side - pad)
    return round(pad * count / side), count - round(behind * count / side)
