"""The kernels on a real GPU: what the processor makes of the same frames and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.detector_outputs import DETECTORS, Detector
from support.kernel_checks import assert_found, passed, pictures_of_every_kind, preprocessed

from mpipeline.errors import MpipelineError
from mpipeline.models.family import ModelOptions
from mpipeline.models.preprocess import Recipe
from mpipeline.models.rfdetr import RECIPE as RFDETR
from mpipeline.models.yolo_head import RECIPE as YOLO
from mpipeline.models.yolox import RECIPE as YOLOX


@pytest.fixture(scope="module")
def gpu() -> Iterator[Any]:
    from mpipeline.cuda.pycuda_driver import open_gpu

    try:
        opened = open_gpu(0)
    except MpipelineError as error:
        pytest.skip(str(error))
    with opened as entered:
        yield entered


@pytest.fixture
def stream(gpu: Any) -> Iterator[Any]:
    made = gpu.stream()
    yield made
    made.free()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [(96, 64), (33, 47), (640, 640), (1, 1)])
@pytest.mark.parametrize("recipe", [YOLO, YOLOX, RFDETR], ids=["centred", "top left", "stretched"])
def test_a_batch_equals_the_pass(gpu: Any, stream: Any, recipe: Recipe, size: tuple[int, int], dtype: str) -> None:
    pictures = pictures_of_every_kind(np.random.default_rng(3))
    made = preprocessed(gpu, stream, recipe, size, pictures, dtype)
    np.testing.assert_array_equal(made, passed(recipe, size, pictures, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("classes", [1, 3, 80])
@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)
def test_the_same_boxes_in_the_same_order(gpu: Any, stream: Any, detector: Detector, classes: int, dtype: str) -> None:
    outputs = detector.outputs(np.random.default_rng(classes), 4, classes).astype(dtype)
    for agnostic in (False, True):
        assert_found(gpu, stream, detector, ModelOptions(0.25, 0.5, class_agnostic_nms=agnostic), outputs)
