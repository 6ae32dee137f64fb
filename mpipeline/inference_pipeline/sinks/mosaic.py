"""Puts several pictures into one, as tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from mpipeline.errors import InvalidArgument
from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.sinks.letterbox import BLACK, Color, letterbox

TileScaling = Literal["avg", "min", "max"]
GridSize = tuple[int | None, int | None]

_ONE_ROW = 3  # so many tiles stand beside each other
_SCALINGS: dict[str, Callable[[list[int]], float]] = {"avg": np.mean, "min": np.min, "max": np.max}


def create_tiles(
    images: Sequence[Pixels],
    grid_size: GridSize | None = None,
    single_tile_size: tuple[int, int] | None = None,
    tile_scaling: TileScaling = "avg",
    tile_padding_color: Color = BLACK,
    tile_margin: int = 15,
    tile_margin_color: Color = (255, 255, 255),
) -> Pixels:
    """A picture of all `images`, row by row, with margins between the tiles.

    `grid_size` is (rows, columns), each None to be found; without it up to 3 pictures make one row, more of them a grid
    that is about as high as wide. Each is scaled into a tile of `single_tile_size` (width, height), by default the
    average (or the smallest or the largest) size of the pictures. Places without a picture have `tile_padding_color`.

    Raises InvalidArgument if there is no picture, or the grid has no room for all.
    """
    if not images:
        raise InvalidArgument("a mosaic needs at least one picture, got none")
    if tile_scaling not in _SCALINGS:
        raise InvalidArgument(f"tile_scaling={tile_scaling!r} is not one of {', '.join(_SCALINGS)}")
    rows, columns = _grid(len(images), grid_size or (None, None))
    width, height = single_tile_size or _tile_size(images, tile_scaling)
    size = (rows * height + (rows - 1) * tile_margin, columns * width + (columns - 1) * tile_margin, 3)
    canvas: Pixels = np.empty(size, np.uint8)
    canvas[:] = tile_margin_color
    for place in range(rows * columns):
        top, left = place // columns * (height + tile_margin), place % columns * (width + tile_margin)
        tile = letterbox(images[place], (width, height), tile_padding_color) if place < len(images) else None
        canvas[top : top + height, left : left + width] = tile_padding_color if tile is None else tile
    return canvas


def _grid(count: int, wanted: GridSize) -> tuple[int, int]:
    rows, columns = wanted
    if rows is None and columns is None:
        columns = count if count <= _ONE_ROW else math.ceil(math.sqrt(count))
    if columns is None:
        columns = math.ceil(count / max(1, rows or 1))
    if rows is None:
        rows = math.ceil(count / max(1, columns))
    if rows * columns < count or rows < 1 or columns < 1:
        raise InvalidArgument(f"grid_size={wanted} has {rows} x {columns} places, too few for {count} pictures")
    return rows, columns


def _tile_size(images: Sequence[Pixels], scaling: TileScaling) -> tuple[int, int]:
    chosen = _SCALINGS[scaling]
    return int(chosen([image.shape[1] for image in images])), int(chosen([image.shape[0] for image in images]))
