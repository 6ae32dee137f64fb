"""The kernels, on the GPU of the machine and as plain C++ on a simulated one: what the processor makes of the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from support.detector_outputs import DETECTORS, Detector
from support.gpus import real_gpu
from support.kernel_checks import Dtype, assert_found, passed, pictures_of_every_kind, preprocessed
from support.plain_kernels import PlainKernels
from support.simulated_gpu import SimulatedGpu

from mpipeline.cuda.driver import Gpu, Stream
from mpipeline.models.family import ModelOptions
from mpipeline.models.preprocess import Recipe
from mpipeline.models.rfdetr import RECIPE as RFDETR
from mpipeline.models.yolo_head import RECIPE as YOLO
from mpipeline.models.yolox import RECIPE as YOLOX


@pytest.fixture(params=["simulated", "real"])
def any_gpu(request: pytest.FixtureRequest, plain_kernels: PlainKernels) -> Iterator[Gpu]:
    if request.param == "real":
        yield real_gpu()
        return
    simulated = SimulatedGpu(kernels=plain_kernels.by_name)
    yield simulated  # type: ignore[misc]
    assert simulated.misuses == []


@pytest.fixture
def stream(gpu: Gpu) -> Iterator[Stream]:
    made = gpu.stream()
    yield made
    made.free()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [(96, 64), (33, 47), (160, 128), (1, 1)])
@pytest.mark.parametrize("recipe", [YOLO, YOLOX, RFDETR], ids=["centred", "top left", "stretched"])
def test_a_batch_equals_the_pass(gpu: Gpu, stream: Stream, recipe: Recipe, size: tuple[int, int], dtype: Dtype) -> None:
    """To the last bit."""
    pictures = pictures_of_every_kind(np.random.default_rng(3))
    made = preprocessed(gpu, stream, recipe, size, pictures, dtype)
    np.testing.assert_array_equal(made, passed(recipe, size, pictures, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("classes", [1, 3, 80])
@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)
def test_the_same_boxes_in_the_same_order(
    gpu: Gpu, stream: Stream, detector: Detector, classes: int, dtype: Dtype
) -> None:
    outputs = detector.outputs(np.random.default_rng(classes), 4, classes).astype(dtype)
    for agnostic in (False, True):
        options = ModelOptions(0.25, 0.5, class_agnostic_nms=agnostic)
        kept = assert_found(gpu, stream, detector, options, outputs, classes)
        assert all(frame.candidates >= len(frame.score) > 0 for frame in kept)
