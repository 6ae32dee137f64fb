"""The contract of a model family, for every kind that is registered."""

from __future__ import annotations

import numpy as np
import pytest
from support.pictures import frame_of, planes_of, scene

from mpipeline import registry
from mpipeline.errors import ModelError
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.models.family import ModelOptions
from mpipeline.models.selection import choose_family
from mpipeline.tensor import ModelInfo, TensorSpec

CLASSES = 3
ANCHORS = 8 * 8 + 4 * 4 + 2 * 2  # of a 64 x 64 input

# The output of a file of each family for an input of 64 x 64 with three classes, without the batch.
OUTPUTS: dict[str, tuple[int, ...]] = {
    "yolo": (4 + CLASSES, ANCHORS),
    "yolox": (ANCHORS, 5 + CLASSES),
}
KINDS = sorted(registry.kinds("models"))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    assert request.param in OUTPUTS, f"give the output of the new family {request.param!r} here"
    return str(request.param)


def info_of(kind: str, dtype: str = "float32", batch: int | None = None) -> ModelInfo:
    numbers = np.dtype(dtype)
    image, output = TensorSpec("in", (batch, 3, 64, 64), numbers), TensorSpec("out", (batch, *OUTPUTS[kind]), numbers)
    return ModelInfo((image,), (output,))


def make(kind: str, options: ModelOptions | None = None, **file):
    return registry.load("models", kind)(info_of(kind, **file), options or ModelOptions())


def outputs_of(kind: str, count: int, dtype: str = "float32") -> dict[str, np.ndarray]:
    """High scores everywhere, and boxes that lie in the picture."""
    numbers = np.random.default_rng(count).uniform(0.8, 1, (count, *OUTPUTS[kind]))
    if kind == "yolo":
        numbers[:, :4] *= 32
    return {"out": numbers.astype(dtype)}


def test_it_recognises_its_own_files_and_no_other_does(kind: str) -> None:
    family, why = choose_family(info_of(kind), None)
    assert family is registry.load("models", kind)
    assert kind in why


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_what_it_says_of_itself(kind: str, dtype: str, batch: int | None) -> None:
    family = make(kind, dtype=dtype, batch=batch)
    assert (family.input_name, family.input_dtype, family.batch) == ("in", dtype, batch)
    assert family.input_shape == (3, 64, 64)
    assert len(family.names) == CLASSES
    assert family.notes
    assert all(note.endswith(".") for note in family.notes)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize("size", [(1, 1), (77, 31), (31, 200), (64, 64)])
def test_preprocess_fills_the_row_and_no_other(kind: str, dtype: str, pixel_format: PixelFormat, size) -> None:
    family = make(kind, dtype=dtype)
    form = FrameFormat(pixel_format, *size)
    tensor = np.full((3, *family.input_shape), np.nan, family.input_dtype)
    geometry = family.preprocess(frame_of(form, planes_of(form, scene(*size))), tensor[1])
    assert np.isfinite(tensor[1]).all()
    assert np.isnan(tensor[[0, 2]]).all()
    assert (geometry.width, geometry.height) == size
    corners = np.array([[geometry.pad_x, geometry.pad_y, 1e6, 1e6]], np.float32)
    assert geometry.to_source(corners).tolist() == [[0, 0, *size]]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_postprocess_keeps_to_the_options(kind: str, dtype: str) -> None:
    options = ModelOptions(confidence=0.5, iou_threshold=0.9, max_detections=7, classes=(0, "2"))
    family = make(kind, options, dtype=dtype)
    form = FrameFormat(PixelFormat.GRAY8, 100, 50)
    row = np.empty(family.input_shape, dtype)
    geometry = family.preprocess(frame_of(form, planes_of(form, scene(100, 50))), row)
    found = family.postprocess(outputs_of(kind, 4, dtype), [geometry] * 3)
    assert len(found) == 3
    for each in found:
        assert 0 < len(each) <= 7
        assert each.xyxy.shape == (len(each), 4)
        assert (each.xyxy.dtype, each.score.dtype, each.class_id.dtype) == (np.float32, np.float32, np.int32)
        assert (each.score > 0.5).all()
        assert (np.diff(each.score) <= 0).all()
        assert set(each.class_id.tolist()) <= {0, 2}
        assert each.class_name == tuple(family.names[i] for i in each.class_id)
        assert (each.xyxy >= 0).all()
        assert (each.xyxy <= [100, 50, 100, 50]).all()


def test_nothing_above_the_threshold(kind: str) -> None:
    family = make(kind)
    row = np.empty(family.input_shape, np.float32)
    form = FrameFormat(PixelFormat.GRAY8, 8, 8)
    geometry = family.preprocess(frame_of(form, planes_of(form, scene(8, 8))), row)
    (found,) = family.postprocess({"out": np.zeros((1, *OUTPUTS[kind]), np.float32)}, [geometry])
    assert len(found) == 0
    assert found.xyxy.shape == (0, 4)


def test_a_file_of_something_else_is_refused(kind: str) -> None:
    sound = TensorSpec("sound", (1, 16000), np.dtype(np.float32))
    classes = TensorSpec("classes", (1, 1000), np.dtype(np.float32))
    other = ModelInfo((sound,), (classes,))
    family = registry.load("models", kind)
    assert family.matches(other) is None
    with pytest.raises(ModelError):
        family(other, ModelOptions())
    with pytest.raises(ModelError):
        make(kind, ModelOptions(names=("one", "two")))
    with pytest.raises(ModelError):
        make(kind, ModelOptions(classes=(CLASSES,)))
