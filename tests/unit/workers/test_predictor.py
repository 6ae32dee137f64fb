"""Families and backends joined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.predictions import meta

from mpipeline.backends.backend import BackendOptions
from mpipeline.errors import BackendError
from mpipeline.frame import Frame, FrameFormat, PixelFormat
from mpipeline.models.family import ModelOptions
from mpipeline.testing.fakes import FakeBackend, FakeFamily, FakeFrameBackend
from mpipeline.workers.predictor import FramePredictor, TensorPredictor


def frame(level: int) -> Frame:
    format = FrameFormat(PixelFormat.GRAY8, 20, 10)
    return Frame(meta(size=(20, 10)), format, (np.full((10, 20), level, np.uint8),))


def joined(max_batch: int, fixed: int | None = None) -> tuple[TensorPredictor, FakeBackend]:
    backend = FakeBackend(BackendOptions("fake"))
    family = FakeFamily(backend.open(), ModelOptions())
    family.batch = fixed
    return TensorPredictor(family, backend, max_batch), backend


@pytest.mark.parametrize(
    ("max_batch", "fixed", "frames", "batches"),
    [(4, None, 3, [3]), (4, None, 4, [4]), (4, 2, 3, [2, 2]), (3, 2, 3, [2, 2]), (1, 4, 1, [4]), (2, 1, 2, [1, 1])],
)
def test_each_frame_gets_its_own_result(max_batch: int, fixed: int | None, frames: int, batches: list[int]) -> None:
    predictor, backend = joined(max_batch, fixed)
    for turn in range(3):
        levels = [10 * turn + 3 * i + 1 for i in range(frames)]
        found = predictor.predict([frame(level) for level in levels])
        assert [one.class_id.tolist() for one in found] == [[level] for level in levels]
        assert found[0].xyxy.tolist() == [[0, 0, 20, 10]]
    assert backend.batches == batches * 3


def test_closing_closes_the_backend() -> None:
    predictor, _ = joined(2)
    predictor.close()
    with pytest.raises(BackendError):
        predictor.predict([frame(1)])


def test_frames_as_they_are() -> None:
    predictor = FramePredictor(FakeFrameBackend(BackendOptions("fake")), 8)
    assert [one.class_id.tolist() for one in predictor.predict([frame(5), frame(6)])] == [[5], [6]]
    predictor.close()


def test_a_backend_that_loses_a_frame_is_an_error() -> None:
    backend: Any = FakeFrameBackend(BackendOptions("fake"))
    backend.infer = lambda frames: []
    with pytest.raises(BackendError, match="0 results for 1 frames"):
        FramePredictor(backend, 8).predict([frame(5)])
