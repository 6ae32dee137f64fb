"""Where a picture lies in a grid, and what is above 0 when the grid is enlarged to the frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline import _native
from mpipeline.masks import Masks
from mpipeline.models.mask_grid import GridArea, enlarge, grid_area
from mpipeline.tensor import Geometry


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (Geometry(1 / 3, 1 / 3, 0, 140, 1920, 1080), (0, 35, 160, 125)),
        (Geometry(1.0, 1.0, 0, 0, 640, 640), (0, 0, 160, 160)),
        (Geometry(2.0, 2.0, 107, 0, 213, 320), (27, 0, 133, 160)),
        (Geometry(640 / 1000, 640 / 500, 0, 0, 1000, 500), (0, 0, 160, 160)),  # stretched
        (Geometry(0.128, 0.128, 0, 319, 5000, 1), (0, 80, 160, 80)),  # not even a cell
    ],
)
def test_where_the_picture_lies(geometry: Geometry, expected: tuple[int, int, int, int]) -> None:
    area = grid_area((160, 160), (640, 640), geometry)
    assert (area.left, area.top, area.right, area.bottom) == expected
    assert area.frame == (geometry.width, geometry.height)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_patch_with_a_margin_equals_the_enlarged_grid(data: st.DataObject) -> None:
    """Against OpenCV, but for pixels where the numbers are too close to 0 to tell."""
    wide, high = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    frame = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    left, right = sorted(data.draw(st.tuples(st.integers(0, wide), st.integers(0, wide))))
    top, bottom = sorted(data.draw(st.tuples(st.integers(0, high), st.integers(0, high))))
    grid = -np.abs(rng.normal(0, 1, (high, wide))).astype(np.float32)
    grid[top:bottom, left:right] = rng.normal(0.5, 1, (bottom - top, right - left))
    begin, first = max(left - 1, 0), max(top - 1, 0)
    patch = grid[first : bottom + 1, begin : right + 1]
    if not patch.size:
        return
    part = enlarge(patch, begin + 3, first + 2, GridArea(3, 2, 3 + wide, 2 + high, frame))
    masks = Masks.joined(*frame, [part])
    masks.check()
    numbers = cv2.resize(grid, frame, interpolation=cv2.INTER_LINEAR)
    clear = np.abs(numbers) > 1e-4
    assert np.array_equal(masks.picture(0)[clear], (numbers > 0)[clear])
    _, _, width, height = masks.window[0]
    assert not width or masks.cover(0)[[0, -1]].any(axis=1).all()
    assert not height or masks.cover(0)[:, [0, -1]].any(axis=0).all()


def test_patches_of_any_strides() -> None:
    grid = np.random.default_rng(0).normal(0, 1, (20, 30)).astype(np.float32)
    expected = _native.enlarged_runs(np.ascontiguousarray(grid[::2, ::-3]), (0, 10, 77), (0, 10, 55))
    found = _native.enlarged_runs(grid[::2, ::-3], (0, 10, 77), (0, 10, 55))
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])


@pytest.mark.parametrize(
    ("across", "down"),
    [
        ((0, 1, 9), (0, 2, 9)),
        ((1, 2, 9), (0, 2, 9)),
        ((-1, 9, 9), (0, 2, 9)),
        ((0, 2, 0), (0, 2, 9)),
        ((0, 70000, 9),) * 2,
    ],
)
def test_places_that_cannot_be_are_refused(across: tuple[int, int, int], down: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"the patch|the grid"):
        _native.enlarged_runs(np.ones((2, 2), np.float32), across, down)
