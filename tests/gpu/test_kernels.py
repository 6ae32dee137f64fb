"""The kernels, on the GPU of the machine and as plain C++ on a simulated one: what the processor makes of the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from support.detector_outputs import DETECTORS, Detector
from support.gpus import real_gpu
from support.kernel_checks import Dtype, assert_found, passed, pictures_of_every_kind, preprocessed
from support.plain_kernels import PlainKernels
from support.simulated_gpu import SimulatedGpu

from mpipeline.cuda.driver import Gpu, Stream
from mpipeline.models.embedding import RECIPE as EMBEDDING
from mpipeline.models.family import ModelOptions
from mpipeline.models.preprocess import Recipe
from mpipeline.models.rfdetr import RECIPE as RFDETR
from mpipeline.models.yolo_classification import RECIPE as CROPPED
from mpipeline.models.yolo_head import RECIPE as YOLO
from mpipeline.models.yolox import RECIPE as YOLOX


@pytest.fixture(params=["simulated", "real"])
def any_gpu(request: pytest.FixtureRequest, plain_kernels: PlainKernels) -> Iterator[Gpu]:
    if request.param == "real":
        yield real_gpu()
        return
    simulated = SimulatedGpu(kernels=plain_kernels.by_name)
    yield simulated  # type: ignore[misc]  # it takes its own streams only
    assert simulated.misuses == []


@pytest.fixture
def stream(gpu: Gpu) -> Iterator[Stream]:
    made = gpu.stream()
    yield made
    made.free()


RECIPES = {
    "centred": YOLO,
    "top left": YOLOX,
    "stretched": RFDETR,
    "cropped": CROPPED,
    "cropped and normalised": EMBEDDING,
    "cropped, not smooth": replace(YOLOX, resize="crop"),
    "centred and smooth": replace(YOLO, smooth=True),
    "stretched and smooth": replace(RFDETR, smooth=True),
}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [(96, 64), (33, 47), (160, 128), (48, 48), (1, 1)])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_batch_equals_the_pass(gpu: Gpu, stream: Stream, recipe: Recipe, size: tuple[int, int], dtype: Dtype) -> None:
    """To the last bit."""
    pictures = pictures_of_every_kind(np.random.default_rng(3))
    made = preprocessed(gpu, stream, recipe, size, pictures, dtype)
    np.testing.assert_array_equal(made, passed(recipe, size, pictures, dtype))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_batch_in_bytes_equals_the_pass(gpu: Gpu, stream: Stream, recipe: Recipe) -> None:
    """Values beyond what a byte holds are in it, below and above, and values between two bytes."""
    wide = replace(recipe, scale=1.3, mean=(10.0, 20.0, 30.0), std=(1.0, 0.9, 0.8))
    pictures = pictures_of_every_kind(np.random.default_rng(4))
    made = preprocessed(gpu, stream, wide, (48, 48), pictures, "uint8")
    np.testing.assert_array_equal(made, passed(wide, (48, 48), pictures, "uint8"))
    assert (made == 0).any()
    assert (made == 255).any()


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
