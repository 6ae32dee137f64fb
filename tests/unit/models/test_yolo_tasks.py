"""Segmentation, key points and classification of Ultralytics: forms of files, names, limits, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from support import reference_tasks as reference
from support.onnx_tasks import classifier
from support.photos import framed
from support.pictures import scene

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.onnxruntime import OnnxRuntimeBackend
from mpipeline.errors import ModelError
from mpipeline.models.coco import COCO_KEYPOINTS
from mpipeline.models.family import ModelOptions
from mpipeline.models.selection import choose_family
from mpipeline.models.yolo import Yolo
from mpipeline.models.yolo_classification import YoloClassification
from mpipeline.models.yolo_pose import YoloPose
from mpipeline.models.yolo_segmentation import YoloSegmentation
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

F32 = np.dtype(np.float32)
ANCHORS = 8 * 8 + 4 * 4 + 2 * 2  # of a 64 x 64 input
PLAIN = Geometry(1.0, 1.0, 0.0, 0.0, 64, 64)


def info(*outputs: tuple[int | None, ...], size: int | None = 64, **metadata: str) -> ModelInfo:
    image = TensorSpec("images", (None, 3, size, size), F32)
    return ModelInfo(
        (image,), tuple(TensorSpec(f"output{i}", (None, *o), F32) for i, o in enumerate(outputs)), metadata
    )


# --- segmentation ----------------------------------------------------------------------------------------------------


def one_box(*box: float, more: int = 2) -> np.ndarray:
    """An output with one box of one class, whose coefficients are 1, 0, …"""
    output = np.zeros((1, 5 + more, ANCHORS), np.float32)
    output[0, :4, 7] = box
    output[0, 4:6, 7] = 0.9, 1.0
    return output


def test_a_mask_is_cut_to_its_box_and_enlarged() -> None:
    family = YoloSegmentation(info((7, ANCHORS), (2, 16, 16)), ModelOptions())
    grids = np.stack([np.ones((16, 16)), -np.ones((16, 16))])[None].astype(np.float32)
    outputs = {"output0": one_box(32, 32, 16, 24), "output1": grids}
    (found,) = family.postprocess(outputs, [PLAIN])
    assert found.xyxy.tolist() == [[24, 20, 40, 44]]
    assert found.masks is not None
    # Cells 6 to 9 and 5 to 10 are 1, those around them 0: what lies between their middles is above 0.
    assert found.masks.window.tolist() == [[22, 18, 20, 28]]
    assert found.masks.cover(0).all()
    (found,) = family.postprocess({"output0": one_box(32, 32, 16, 24), "output1": -grids}, [PLAIN])
    assert found.masks is not None
    assert found.masks.area(0) == 0
    assert found.masks.outline(0).shape == (0, 2)


def test_masks_do_not_reach_into_the_padding() -> None:
    family = YoloSegmentation(info((7, ANCHORS), (2, 16, 16)), ModelOptions())
    letterboxed = Geometry(0.5, 0.5, 0.0, 16.0, 128, 64)
    outputs = {"output0": one_box(32, 32, 64, 64), "output1": np.ones((1, 2, 16, 16), np.float32)}
    (found,) = family.postprocess(outputs, [letterboxed])
    assert found.masks is not None
    assert (found.masks.width, found.masks.height) == (128, 64)
    assert found.masks.picture(0).all()


def test_pictures_too_thin_for_a_cell_have_empty_masks() -> None:
    family = YoloSegmentation(info((7, ANCHORS), (2, 16, 16)), ModelOptions())
    thin = Geometry(0.0128, 0.0128, 0.0, 31.0, 5000, 1)
    outputs = {"output0": one_box(32, 32, 64, 64), "output1": np.ones((1, 2, 16, 16), np.float32)}
    (found,) = family.postprocess(outputs, [thin])
    assert found.masks is not None
    assert len(found.masks) == len(found) == 1
    found.masks.check()


def test_nothing_found_has_masks_too() -> None:
    family = YoloSegmentation(info((7, ANCHORS), (2, 16, 16)), ModelOptions())
    outputs = {"output0": np.zeros((1, 7, ANCHORS), np.float32), "output1": np.zeros((1, 2, 16, 16), np.float32)}
    (found,) = family.postprocess(outputs, [PLAIN])
    assert found.masks is not None
    assert len(found) == len(found.masks) == 0


@pytest.mark.parametrize(
    ("boxes", "classes"),
    [((4 + 3 + 32, ANCHORS), 3), ((3 * ANCHORS, 5 + 3 + 32), 3), ((300, 6 + 32), 0), ((None, None), 0)],
    ids=["anchors last", "older v5", "end to end", "open"],
)
def test_forms_of_segmentation(boxes: tuple[int, int], classes: int) -> None:
    family = YoloSegmentation(info(boxes, (32, 16, 16)), ModelOptions())
    assert len(family.names) == classes
    assert any("with 32 mask coefficients" in note for note in family.notes)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (info((39, ANCHORS)), "has two outputs, boxes"),
        (info((39, ANCHORS), (None, 16, 16)), "has two outputs, boxes"),
        (info((39, ANCHORS), (32, 16, 16), task="pose"), "its task is 'pose'.*set model.family to yolo_pose"),
        (info((39, ANCHORS), (32, 16, 16), task="obb"), "its task is 'obb'.*export a model of task 'segment'"),
    ],
)
def test_files_that_are_no_segmentation_models(model: ModelInfo, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        YoloSegmentation(model, ModelOptions())


def test_outputs_of_another_form_are_told() -> None:
    family = YoloSegmentation(info((7, ANCHORS), (2, 16, 16)), ModelOptions())
    with pytest.raises(ModelError, match=r"output1 of shape \(1, 3, 16, 16\); expected \(batch, 2, height, width\)"):
        family.postprocess({"output0": one_box(1, 1, 1, 1), "output1": np.zeros((1, 3, 16, 16), np.float32)}, [PLAIN])


# --- key points ------------------------------------------------------------------------------------------------------


def test_key_points_lie_in_the_source() -> None:
    family = YoloPose(info((300, 6 + 6), kpt_shape="[2, 3]", kpt_names="{0: ['tip', 'tail']}"), ModelOptions())
    rows = np.zeros((1, 300, 12), np.float32)
    rows[0, 0] = [10, 20, 30, 40, 0.9, 0, 12, 22, 0.75, -4, 16, 0.25]
    (found,) = family.postprocess({"output0": rows}, [Geometry(0.5, 0.25, 2.0, 4.0, 200, 200)])
    assert found.keypoint_name == ("tip", "tail")
    assert found.keypoints is not None
    assert found.keypoints.tolist() == [[[20, 72, 0.75], [0, 48, 0.25]]]


def test_key_points_without_visibility_are_sure() -> None:
    family = YoloPose(info((300, 6 + 4), kpt_shape="[2, 2]"), ModelOptions())
    rows = np.zeros((1, 300, 10), np.float32)
    rows[0, 0] = [10, 20, 30, 40, 0.9, 0, 12, 22, 14, 16]
    (found,) = family.postprocess({"output0": rows}, [PLAIN])
    assert found.keypoints is not None
    assert found.keypoints.tolist() == [[[12, 22, 1], [14, 16, 1]]]
    assert found.keypoint_name == ("0", "1")


@pytest.mark.parametrize(
    ("model", "names", "expected"),
    [
        (info((4 + 1 + 51, ANCHORS)), (), 17),
        (info((4 + 2 + 15, ANCHORS)), ("a", "b"), 5),
        (info((300, 6 + 51)), (), 17),
        (info((4 + 1 + 51, ANCHORS), kpt_shape="[17, 3]"), (), 17),
        (info((None, None), kpt_shape="[17, 3]", names="['person']", stride="32"), (), 17),
    ],
)
def test_how_many_key_points_there_are(model: ModelInfo, names: tuple[str, ...], expected: int) -> None:
    family = YoloPose(model, ModelOptions(names=names))
    assert any(f"with {expected} key points of 3 numbers" in note for note in family.notes)
    assert any("names of COCO are assumed" in note for note in family.notes) == (expected == len(COCO_KEYPOINTS))
    assert len(family.names) in (0, 1, len(names))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (info((4 + 1 + 50, ANCHORS)), r"does not say how many key points .* with 1 class:"),
        (info((None, ANCHORS)), "does not say how many key points"),
        (info((39, ANCHORS), (32, 16, 16)), "has one output"),
        (info((56, ANCHORS), task="detect"), "its task is 'detect'.*set model.family to yolo"),
    ],
)
def test_files_that_are_no_key_point_models(model: ModelInfo, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        YoloPose(model, ModelOptions())


# --- classification --------------------------------------------------------------------------------------------------


def test_classes_from_the_picture_on(tmp_path: Path) -> None:
    """Against Pillow's resize, and ONNX Runtime itself."""
    path = classifier(tmp_path / "model.onnx", (64, 64))
    backend = OnnxRuntimeBackend(BackendOptions(str(path), threads=1))
    model = backend.open()
    family_class, _ = choose_family(model, None)
    family = family_class(model, ModelOptions(confidence=0.0))
    session = onnxruntime.InferenceSession(str(path))
    tops = set()
    for number, size in enumerate([(320, 240), (97, 201), (641, 361), (64, 64), (20, 30), (1000, 40)]):
        picture = scene(*size, number)
        row = np.empty((1, *family.input_shape), np.float32)
        geometry = family.preprocess(framed(picture), row[0])
        (found,) = family.postprocess(backend.run({family.input_name: row}), [geometry])
        (expected,) = session.run(None, {"images": reference.cropped(picture, 64)[None]})[0]
        order = np.argsort(-expected)
        np.testing.assert_allclose(found.score, expected[order], atol=0.02)
        assert found.class_id[0] == order[0]
        assert found.class_name[0] == f"class {order[0]}"
        tops.add(int(order[0]))
    assert len(tops) > 1
    backend.close()


def test_which_classes_are_told() -> None:
    model = info((5,), names="['a', 'b', 'c', 'd', 'e']", stride="1", task="classify", description="Ultralytics")
    scores = np.array([[0.1, 0.25, 0.25, 0.4, 0.0]], np.float32)

    def told(**options) -> tuple[str, ...]:
        (found,) = YoloClassification(model, ModelOptions(**options)).postprocess({"output0": scores}, [PLAIN])
        assert not found.multi_label
        return found.class_name

    assert told(confidence=0.25) == ("d", "b", "c")  # as likely as the threshold is enough
    assert told(confidence=0.41) == ()
    assert told(confidence=0.0, max_detections=2) == ("d", "b")
    assert told(confidence=0.05, classes=("a", 1)) == ("b", "a")


def test_sizes_of_classification() -> None:
    assert YoloClassification(info((10,), size=None), ModelOptions()).input_shape == (3, 224, 224)
    assert YoloClassification(info((10,), size=None, imgsz="[96, 96]"), ModelOptions()).input_shape == (3, 96, 96)
    assert YoloClassification(info((10,), size=None), ModelOptions(size=(50, 50))).input_shape == (3, 50, 50)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (info((7, ANCHORS)), "has one output"),
        (info((10,), (10,)), "has one output"),
        (info((10,), task="segment"), "its task is 'segment'.*set model.family to yolo_segmentation"),
    ],
)
def test_files_that_are_no_classification_models(model: ModelInfo, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        YoloClassification(model, ModelOptions())


def test_detection_names_the_family_of_another_task() -> None:
    with pytest.raises(ModelError, match=r"set model\.family to yolo_segmentation"):
        Yolo(info((39, ANCHORS), (32, 16, 16)), ModelOptions())
    with pytest.raises(ModelError, match=r"set model\.family to yolo_pose"):
        Yolo(info((56, ANCHORS), task="pose"), ModelOptions())
