"""YOLOX and YOLO on random numbers against a plain numpy reference; forms of files, batches, dtypes, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from support.pictures import frame_of, planes_of, scene
from support.reference_families import greedy, yolo_objectness_rows, yolo_rows, yolox_rows

from mpipeline.errors import ModelError
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.models.coco import COCO_NAMES
from mpipeline.models.family import ModelOptions, Normalisation
from mpipeline.models.yolo import Yolo
from mpipeline.models.yolo_head import Layout, layout_of
from mpipeline.models.yolox import Yolox
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

F32, F16 = np.dtype(np.float32), np.dtype(np.float16)
SIZE = (96, 64)  # width, height
ANCHORS = 12 * 8 + 6 * 4 + 3 * 2
HUGE = Geometry(1.0, 1.0, -1000.0, -1000.0, 4000, 4000)  # so that no box is clipped


def info(*output: int | None, size=(SIZE[1], SIZE[0]), batch=None, dtype=F32, **metadata: str) -> ModelInfo:
    image = TensorSpec("images", (batch, 3, *size), dtype)
    return ModelInfo((image,), (TensorSpec("output", (batch, *output), dtype),), metadata)


def random_yolox(rng, classes: int) -> np.ndarray:
    raw = rng.normal(0, 1, (ANCHORS, 5 + classes))
    raw[:, 4:] = rng.uniform(0, 1, (ANCHORS, 1 + classes))
    return raw.astype(np.float32)


def random_boxes(rng, count: int) -> np.ndarray:
    return np.concatenate([rng.uniform(0, 90, (count, 2)), rng.uniform(2, 40, (count, 2))], axis=1)


def random_yolo(rng, classes: int) -> np.ndarray:
    return np.concatenate([random_boxes(rng, ANCHORS), rng.uniform(0, 1, (ANCHORS, classes)) ** 4], axis=1).T


def random_v5(rng, classes: int) -> np.ndarray:
    count = 3 * ANCHORS
    return np.concatenate([random_boxes(rng, count), rng.uniform(0, 1, (count, 1 + classes)) ** 2], axis=1)


def assert_same(found, expected, tolerance: float = 1e-3) -> None:
    assert len(found) == len(expected) > 0
    boxes = np.array([row[:4] for row in expected]) + 1000.0
    np.testing.assert_allclose(found.xyxy, boxes, atol=tolerance * 1000, rtol=0)
    np.testing.assert_allclose(found.score, [row[4] for row in expected], atol=tolerance)
    assert found.class_id.tolist() == [row[5] for row in expected]


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("classes", [1, 2, 80])
@pytest.mark.parametrize("seed", range(3))
def test_yolox_equals_the_reference(seed: int, classes: int, agnostic: bool) -> None:
    output = random_yolox(np.random.default_rng(seed), classes)
    options = ModelOptions(0.3, 0.4, class_agnostic_nms=agnostic)
    (found,) = Yolox(info(ANCHORS, 5 + classes), options).postprocess({"output": output[None]}, [HUGE])
    expected = greedy(yolox_rows(output, SIZE, 0.3), 0.4, agnostic)
    assert_same(found, [tuple(row) for row in expected], 1e-6)


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("form", ["last", "objectness"])
@pytest.mark.parametrize("classes", [1, 2, 80])
@pytest.mark.parametrize("seed", range(2))
def test_yolo_equals_the_reference(seed: int, classes: int, form: str, agnostic: bool) -> None:
    rng = np.random.default_rng(seed)
    make, reference = {"last": (random_yolo, yolo_rows), "objectness": (random_v5, yolo_objectness_rows)}[form]
    output = make(rng, classes).astype(np.float32)
    family = Yolo(info(*output.shape), ModelOptions(0.3, 0.4, class_agnostic_nms=agnostic))
    (found,) = family.postprocess({"output": output[None]}, [HUGE])
    assert_same(found, greedy(reference(output, 0.3), 0.4, agnostic), 1e-6)


def test_half_precision_outputs() -> None:
    output = random_yolo(np.random.default_rng(9), 3).astype(np.float16)
    family = Yolo(info(*output.shape, dtype=F16), ModelOptions(0.3, 0.4))
    assert family.input_dtype == "float16"
    (found,) = family.postprocess({"output": output[None]}, [HUGE])
    assert_same(found, greedy(yolo_rows(output, 0.3), 0.4), 1e-6)


def test_end_to_end_rows_are_taken_as_they_are() -> None:
    rows = np.zeros((300, 6), np.float32)
    rows[:4] = [(10, 10, 30, 30, 0.5, 1), (10, 10, 30, 31, 0.9, 1), (0, 0, 5, 5, 0.3, 0), (5, 5, 9, 9, 0.8, 2)]
    options = ModelOptions(confidence=0.4, iou_threshold=0.1, names=("a", "b", "c"))
    family = Yolo(info(300, 6), options)
    (found,) = family.postprocess({"output": rows[None]}, [Geometry(0.5, 0.5, 0.0, 4.0, 1000, 1000)])
    assert found.class_name == ("b", "c", "b")
    assert found.score.tolist() == pytest.approx([0.9, 0.8, 0.5])
    assert found.xyxy[0].tolist() == [20, 12, 60, 54]
    assert any("iou_threshold has no effect" in note for note in family.notes)
    limited = Yolo(info(300, 6), ModelOptions(max_detections=1, classes=(2,)))
    (found,) = limited.postprocess({"output": rows[None]}, [HUGE])
    assert found.class_id.tolist() == [2]


def test_an_end_to_end_model_without_class_ids_is_of_another_family() -> None:
    """Each row of a YOLOX model with one class: a box, an objectness, and a score where a class id would be."""
    rows = np.zeros((300, 6), np.float32)
    rows[:, 5] = 0.36
    family = Yolo(info(300, 6), ModelOptions())
    with pytest.raises(ModelError, match=r"holds no class ids.*set model.family to .*yolox"):
        family.postprocess({"output": rows[None]}, [HUGE])


@pytest.mark.parametrize(
    ("second", "third", "class_count", "end_to_end", "expected"),
    [
        (84, 8400, 80, False, Layout.ANCHORS_LAST),
        (84, 8400, 0, False, Layout.ANCHORS_LAST),
        (5, 8400, 1, False, Layout.ANCHORS_LAST),
        (6, 8400, 2, False, Layout.ANCHORS_LAST),
        (84, None, 80, False, Layout.ANCHORS_LAST),
        (1004, 525, 1000, False, Layout.ANCHORS_LAST),
        (25200, 85, 80, False, Layout.OBJECTNESS),
        (25200, 85, 0, False, Layout.OBJECTNESS),
        (25200, 6, 1, False, Layout.OBJECTNESS),
        (25200, 6, 0, False, Layout.OBJECTNESS),
        (None, 85, 80, False, Layout.OBJECTNESS),
        (None, 6, 1, False, Layout.OBJECTNESS),
        (300, 6, 80, False, Layout.END_TO_END),
        (300, 6, 1, False, Layout.END_TO_END),
        (1, 6, 0, False, Layout.END_TO_END),
        (None, None, 80, True, Layout.END_TO_END),
        (None, 6, 80, False, None),
        (None, None, 0, False, None),
    ],
)
def test_forms_of_yolo(second, third, class_count, end_to_end, expected) -> None:
    assert layout_of(second, third, (640, 640), class_count, end_to_end) is expected


def test_a_form_left_open_is_found_at_the_first_frame() -> None:
    family = Yolo(info(None, None), ModelOptions(0.3, 0.4))
    assert any("first frame" in note for note in family.notes)
    output = random_yolo(np.random.default_rng(1), 4).astype(np.float32)
    (found,) = family.postprocess({"output": output[None]}, [HUGE])
    assert_same(found, greedy(yolo_rows(output, 0.3), 0.4), 1e-6)
    assert found.class_name[0] == str(found.class_id[0])


@pytest.mark.parametrize("family_class", [Yolo, Yolox])
def test_rows_beyond_the_frames_are_padding(family_class) -> None:
    rng = np.random.default_rng(3)
    one = random_yolox(rng, 2) if family_class is Yolox else random_yolo(rng, 2).astype(np.float32)
    family = family_class(info(*one.shape), ModelOptions(0.3, 0.4))
    batch = np.stack([one, np.zeros_like(one), one])
    found = family.postprocess({"output": batch}, [HUGE, HUGE])
    assert [len(each) > 0 for each in found] == [True, False]
    with pytest.raises(ModelError, match="shape"):
        family.postprocess({"output": batch[:1]}, [HUGE, HUGE])


@pytest.mark.parametrize("family_class", [Yolo, Yolox])
@pytest.mark.parametrize(("batch", "dtype"), [(None, F32), (1, F16), (4, F32)])
def test_what_a_family_says_of_its_input(family_class, batch, dtype) -> None:
    form = (ANCHORS, 85) if family_class is Yolox else (84, ANCHORS)
    family = family_class(info(*form, batch=batch, dtype=dtype), ModelOptions())
    assert family.input_name == "images"
    assert family.input_shape == (3, 64, 96)
    assert family.batch == batch
    assert family.names == COCO_NAMES
    assert any("COCO" in note for note in family.notes)
    row = np.full(family.input_shape, np.nan, family.input_dtype)
    form = FrameFormat(PixelFormat.I420, 50, 31)
    geometry = family.preprocess(frame_of(form, planes_of(form, scene(50, 31))), row)
    assert np.isfinite(row).all()
    assert (geometry.width, geometry.height) == (50, 31)


def test_sizes_left_open() -> None:
    assert Yolo(info(84, None, size=(None, None)), ModelOptions()).input_shape == (3, 640, 640)
    assert Yolo(info(84, None, size=(None, None), imgsz="[320, 416]"), ModelOptions()).input_shape == (3, 320, 416)
    assert Yolo(info(84, None, size=(None, None)), ModelOptions(size=(96, 64))).input_shape == (3, 64, 96)
    assert Yolox(info(None, 85, size=(None, None)), ModelOptions(size=(96, 64))).input_shape == (3, 64, 96)
    with pytest.raises(ModelError, match="multiples of 32"):
        Yolo(info(84, None, size=(None, None)), ModelOptions(size=(100, 64)))
    with pytest.raises(ModelError, match="fixed to 96 x 64"):
        Yolo(info(84, ANCHORS), ModelOptions(size=(64, 64)))
    assert Yolo(info(84, ANCHORS), ModelOptions(size=SIZE)).input_shape == (3, 64, 96)


def test_names_and_filter_by_name() -> None:
    output = random_yolo(np.random.default_rng(4), 3).astype(np.float32)
    told = info(*output.shape, names="{0: 'cat', 1: 'dog', 2: 'cow'}", stride="32", task="detect")
    (found,) = Yolo(told, ModelOptions(0.2, classes=("dog", 2))).postprocess({"output": output[None]}, [HUGE])
    assert set(found.class_name) == {"dog", "cow"}
    (found,) = Yolo(told, ModelOptions(0.2, names=("x", "y", "z"))).postprocess({"output": output[None]}, [HUGE])
    assert set(found.class_name) == {"x", "y", "z"}
    with pytest.raises(ModelError, match="did you mean 'dog'"):
        Yolo(told, ModelOptions(classes=("dogg",)))


def test_normalisation_of_the_options() -> None:
    white = np.full((8, 12 * 3), 200, np.uint8)
    form = FrameFormat(PixelFormat.BGR24, 12, 8)
    options = ModelOptions(normalisation=Normalisation(scale=0.01, mean=(1, 1, 1), std=(2, 2, 2)))
    row = np.empty((3, 64, 96), np.float32)
    Yolox(info(ANCHORS, 6), options).preprocess(frame_of(form, (white,)), row)
    assert np.allclose(row, 0.5)


def test_overflowing_sizes_cover_the_frame() -> None:
    output = np.zeros((1, ANCHORS, 6), np.float32)
    output[0, 0] = [0, 0, 500, 500, 1, 1]
    (found,) = Yolox(info(ANCHORS, 6), ModelOptions()).postprocess(
        {"output": output}, [Geometry(1.0, 1.0, 0.0, 0.0, 96, 64)]
    )
    assert found.xyxy.tolist() == [[0, 0, 96, 64]]


@pytest.mark.parametrize("task", ["segment", "pose", "obb", "classify"])
def test_other_tasks_are_refused(task: str) -> None:
    with pytest.raises(ModelError, match=f"task is '{task}'"):
        Yolo(info(84, ANCHORS, task=task), ModelOptions())


@pytest.mark.parametrize(
    ("family_class", "wrong", "message"),
    [
        (Yolox, info(ANCHORS + 1, 85), "YOLOX model of this input size"),
        (Yolox, info(ANCHORS, 5), "YOLOX model of this input size"),
        (Yolox, info(ANCHORS), "has one output"),
        (Yolo, info(84, 20, 20), "segmentation"),
        (Yolo, info(1000), "has an output"),
        (Yolo, info(84, ANCHORS, dtype=np.dtype(np.uint8)), "float32 or float16"),
        (Yolo, ModelInfo((), ()), "exactly one input"),
        (Yolo, ModelInfo((TensorSpec("x", (1, 4, 8, 8), F32),), ()), "batch, 3, height, width"),
    ],
)
def test_files_of_another_form_are_refused(family_class, wrong, message) -> None:
    with pytest.raises(ModelError, match=message):
        family_class(wrong, ModelOptions())
