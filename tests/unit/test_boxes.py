"""Overlap of boxes, and pairs of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mpipeline.boxes import iou_table, pairs


def boxes(*rows: tuple[float, float, float, float]) -> Any:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_iou_of_known_boxes() -> None:
    table = iou_table(boxes((0, 0, 10, 10)), boxes((0, 0, 10, 10), (5, 0, 15, 10), (10, 0, 20, 10), (3, 3, 3, 3)))
    assert table == pytest.approx(np.array([[1, 1 / 3, 0, 0]]))


def test_the_largest_goes_first_and_each_is_used_once() -> None:
    table = np.array([[0.9, 0.8, 0.0], [0.95, 0.6, 0.2]])
    assert pairs(table, 0.5) == [(1, 0), (0, 1)]
    assert pairs(table, 0.85) == [(1, 0)]
    assert table[1, 0] == 0.95
    assert pairs(np.zeros((0, 3)), 0.0) == pairs(np.zeros((3, 0)), 0.5) == []
    assert pairs(np.zeros((2, 1)), 0.0) == [(0, 0)]
