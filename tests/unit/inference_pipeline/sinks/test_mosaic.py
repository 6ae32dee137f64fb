"""§5.1: mosaics, their sizes and where each picture stands in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.video_frames import grey

from mpipeline.errors import InvalidArgument
from mpipeline.inference_pipeline.sinks import create_tiles
from mpipeline.inference_pipeline.sinks.letterbox import letterbox

HD = (1280, 720)


@pytest.mark.parametrize(
    ("count", "size"),
    [
        (1, (1280, 720)),
        (2, (2575, 720)),
        (3, (3870, 720)),
        (4, (2575, 1455)),
        (5, (3870, 1455)),
        (6, (3870, 1455)),
        (7, (3870, 2190)),
        (9, (3870, 2190)),
        (10, (5165, 2190)),
    ],
)
def test_5_1_a_mosaic_of_hd_tiles_has_the_size_of_the_original(count: int, size: tuple[int, int]) -> None:
    made = create_tiles([grey(HD)] * count)
    assert (made.shape[1], made.shape[0]) == size


def test_5_1_pictures_stand_row_by_row_with_white_between_and_black_where_none_is() -> None:
    made = create_tiles([grey((20, 10), level) for level in (50, 100, 150, 200, 250)])
    assert made.shape == (35, 90, 3)
    assert (made[:10, :20] == 50).all()
    assert (made[:10, 20:35] == 255).all()
    assert (made[:10, 35:55] == 100).all()
    assert (made[10:25] == 255).all()
    assert (made[25:, :20] == 200).all()
    assert (made[25:, 35:55] == 250).all()
    assert (made[25:, 70:] == 0).all()


@pytest.mark.parametrize(("scaling", "size"), [("avg", (30, 30)), ("min", (20, 20)), ("max", (40, 40))])
def test_5_1_a_tile_has_the_average_the_smallest_or_the_largest_size(scaling: Any, size: tuple[int, int]) -> None:
    made = create_tiles([grey((20, 40)), grey((40, 20))], tile_scaling=scaling, tile_margin=0)
    assert (made.shape[1], made.shape[0]) == (2 * size[0], size[1])


def test_5_1_grid_tile_size_margins_and_colours_can_be_chosen() -> None:
    made = create_tiles(
        [grey((20, 10))] * 3,
        grid_size=(4, 1),
        single_tile_size=(10, 10),
        tile_padding_color=(1, 2, 3),
        tile_margin=2,
        tile_margin_color=(4, 5, 6),
    )
    assert made.shape == (46, 10, 3)
    assert tuple(made[0, 0]) == tuple(made[45, 5]) == (1, 2, 3)
    assert tuple(made[10, 0]) == (4, 5, 6)
    assert (made[3:7] == 90).all()


@pytest.mark.parametrize(
    ("grid", "margin", "shape"),
    [((None, 1), 5, (55, 20, 3)), ((1, None), 0, (10, 80, 3)), ((3, 2), 5, (40, 45, 3))],
)
def test_5_1_one_side_of_the_grid_may_be_left_open(grid: Any, margin: int, shape: tuple[int, ...]) -> None:
    assert create_tiles([grey((20, 10))] * 4, grid_size=grid, tile_margin=margin).shape == shape


@pytest.mark.parametrize(
    ("images", "options", "said"),
    [
        ([], {}, "at least one picture"),
        ([grey()] * 4, {"grid_size": (1, 3)}, "1 x 3 places, too few for 4"),
        ([grey()], {"tile_scaling": "big"}, "avg, min, max"),
    ],
)
def test_what_makes_no_mosaic_is_refused(images: Any, options: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        create_tiles(images, **options)


@pytest.mark.parametrize("size", [(100, 50), (50, 100), (33, 7), (1280, 720)])
def test_5_1_a_letterbox_keeps_proportions_between_black_bars(size: tuple[int, int]) -> None:
    made = letterbox(np.full((60, 80, 3), 200, np.uint8), size)
    assert (made.shape[1], made.shape[0]) == size
    rows, columns = np.nonzero(made[:, :, 0] == 200)
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    assert abs(width * 60 - height * 80) <= 80  # a pixel of rounding
    assert width == size[0] or height == size[1]
    assert (made[:, :, 0] == 0).sum() == size[0] * size[1] - width * height
    assert abs((rows.min()) - (size[1] - 1 - rows.max())) <= 1
    assert abs((columns.min()) - (size[0] - 1 - columns.max())) <= 1


def test_5_1_a_picture_of_that_size_is_left_as_it_is() -> None:
    image = grey(HD)
    assert letterbox(image, HD) is image
