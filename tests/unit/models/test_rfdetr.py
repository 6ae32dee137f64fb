"""RF-DETR: which columns are classes, which pairs count, and files that are none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mpipeline.errors import ModelError
from mpipeline.models.coco import COCO_CATEGORIES, COCO_NAMES
from mpipeline.models.family import ModelOptions
from mpipeline.models.rfdetr import RfDetr
from mpipeline.models.rfdetr_classes import class_columns, read_notes
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

F32 = np.dtype(np.float32)
GEOMETRY = Geometry(0.5, 0.25, 0.0, 0.0, 128, 256)  # of an input of 64 x 64


def info(columns: int | None, queries: int = 4, masks: bool = False, names=("dets", "labels", "masks"), **notes: str):
    shapes = [(queries, 4), (queries, columns), (queries, 16, 16)][: 3 if masks else 2]
    outputs = tuple(TensorSpec(name, (None, *shape), F32) for name, shape in zip(names, shapes, strict=False))
    return ModelInfo((TensorSpec("input", (None, 3, 64, 64), F32),), outputs, notes)


def outputs(logits, boxes=None, masks=None) -> dict[str, np.ndarray]:
    logits = np.array(logits, np.float32)
    if boxes is None:
        boxes = [[0.5, 0.5, 0.25, 0.5]] * len(logits)
    made = {"dets": np.array([boxes], np.float32), "labels": logits[None]}
    return made if masks is None else {**made, "masks": np.array([masks], np.float32)}


def test_a_box_is_a_part_of_the_frame() -> None:
    (found,) = RfDetr(info(3, 1), ModelOptions(names=("a", "b"))).postprocess(outputs([[-9, 2, -9]]), [GEOMETRY])
    assert found.xyxy.tolist() == [[48, 64, 80, 192]]
    assert found.score.tolist() == pytest.approx([1 / (1 + np.exp(-2))])
    assert found.class_name == ("b",)


def test_one_query_may_have_two_classes_and_the_best_pairs_count() -> None:
    logits = [[3, 2, 9], [1, -9, 9], [-9, -9, 9], [-9, 0.5, 9]]
    family = RfDetr(info(3), ModelOptions(names=("a", "b")))
    (found,) = family.postprocess(outputs(logits), [GEOMETRY])
    assert len(found) == 0  # four queries, and the four best pairs are all "no object"
    logits = [[value if value != 9 else -9 for value in row] for row in logits]
    (found,) = family.postprocess(outputs(logits), [GEOMETRY])
    assert found.class_name == ("a", "b", "a", "b")
    (found,) = RfDetr(info(3), ModelOptions(names=("a", "b"), max_detections=2)).postprocess(
        outputs(logits), [GEOMETRY]
    )
    assert found.class_name == ("a", "b")
    (found,) = RfDetr(info(3), ModelOptions(names=("a", "b"), classes=("b",))).postprocess(outputs(logits), [GEOMETRY])
    assert found.class_id.tolist() == [1, 1]


def test_the_threshold_is_exclusive() -> None:
    family = RfDetr(info(2, 2), ModelOptions(confidence=0.5))
    (found,) = family.postprocess(outputs([[0.0, -9], [0.001, -9]]), [GEOMETRY])
    assert len(found) == 1


def test_masks_are_enlarged_to_the_frame() -> None:
    masks = np.full((2, 16, 16), -1.0)
    masks[0, :, 8:] = 1
    family = RfDetr(info(2, 2, masks=True), ModelOptions())
    (found,) = family.postprocess(outputs([[2, -9], [1, -9]], masks=masks), [GEOMETRY])
    assert found.masks is not None
    assert found.masks.window.tolist() == [[64, 0, 64, 256], [0, 0, 0, 0]]
    assert found.masks.cover(0).all()


@pytest.mark.parametrize("huge", [1e30, -1e30])
def test_extreme_logits_are_scores(huge: float) -> None:
    (found,) = RfDetr(info(2, 1), ModelOptions()).postprocess(outputs([[huge, -9]]), [GEOMETRY])
    assert found.is_finite
    assert len(found) == (huge > 0)


@pytest.mark.parametrize(
    ("count", "given", "in_file", "columns", "names"),
    [
        (91, (), {}, COCO_CATEGORIES, COCO_NAMES),
        (91, COCO_NAMES, {}, COCO_CATEGORIES, COCO_NAMES),
        (4, (), {}, (0, 1, 2), ("0", "1", "2")),
        (4, ("a", "b", "c"), {}, (0, 1, 2), ("a", "b", "c")),
        (4, ("a", "b", "c", "d"), {}, (0, 1, 2, 3), ("a", "b", "c", "d")),
        (4, ("background_class83422", "a", "b", "c"), {}, (1, 2, 3), ("a", "b", "c")),
        (4, (), {2: "b", 1: "a", 9: "never"}, (1, 2), ("a", "b")),
        (4, (), {0: "Background", 1: "a"}, (1,), ("a",)),
        (None, ("a", "b"), {}, (0, 1), ("a", "b")),
        (1, (), {}, (0,), ("0",)),
    ],
)
def test_which_columns_are_classes(count, given, in_file, columns, names) -> None:
    found = class_columns(count, given, in_file)
    assert found[:2] == (columns, names)


def test_names_that_cannot_be() -> None:
    with pytest.raises(ModelError, match=r"3 class names .* 8 columns, which is 7 classes and one for no object"):
        class_columns(8, ("a", "b", "c"), {})
    with pytest.raises(ModelError, match="leaves open how many classes"):
        class_columns(None, (), {})


def test_notes_of_the_exporter() -> None:
    told = {"class_id_to_name": {"1": "cat", "3": "dog"}, "num_select": 2, "means": [0, 0, 0], "stds": [1, 1, 1]}
    notes = {"rfdetr_inference": json.dumps(told)}
    family = RfDetr(info(5, **notes), ModelOptions())
    assert family.names == ("cat", "dog")
    logits = [[9, -9, -9, 1, -9], [-9, 2, -9, -9, -9], [-9, 3, -9, -9, -9], [-9, -9, -9, -9, -9]]
    (found,) = family.postprocess(outputs(logits), [GEOMETRY])
    assert found.class_name == ("cat",)  # the best two pairs: a column without a name, and this
    assert read_notes({}).names == {}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"class_id_to_name": {"one": "x"}}', '{"means": [1]}', '{"num_select": -1}', "[" * 100_000]
)
def test_notes_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ModelError, match="'rfdetr_inference'"):
        read_notes({"rfdetr_inference": text})


def test_outputs_are_known_by_name_or_by_form() -> None:
    assert RfDetr.matches(info(91)) is not None
    assert RfDetr.matches(info(91, masks=True, names=("a", "b", "c"))) is not None
    swapped = info(91)
    swapped = ModelInfo(swapped.inputs, swapped.outputs[::-1])
    assert len(RfDetr(swapped, ModelOptions()).names) == 80
    four = info(4)
    assert RfDetr(ModelInfo(four.inputs, four.outputs[::-1]), ModelOptions()).names == ("0", "1", "2")


def test_files_and_outputs_that_are_none() -> None:
    for wrong in (info(91, names=("dets",)), ModelInfo(info(91).inputs, (*info(91).outputs, info(91).outputs[0]))):
        assert RfDetr.matches(wrong) is None
        with pytest.raises(ModelError, match="a DETR has outputs for boxes"):
            RfDetr(wrong, ModelOptions())
    family = RfDetr(info(3), ModelOptions())
    with pytest.raises(ModelError, match="boxes of shape"):
        family.postprocess({"dets": np.zeros((1, 4, 4)), "labels": np.zeros((1, 5, 3))}, [GEOMETRY])
    with pytest.raises(ModelError, match="1 rows of boxes"):
        family.postprocess({"dets": np.zeros((1, 4, 4)), "labels": np.zeros((1, 4, 3))}, [GEOMETRY] * 2)
