"""End-to-end detectors: each layout of finished boxes, bytes as input, and files that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.pictures import frame_of, planes_of, scene

from mpipeline.errors import ModelError
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.models.end_to_end import EndToEnd
from mpipeline.models.family import ModelOptions, Normalisation
from mpipeline.models.selection import choose_family
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

HALF = Geometry(0.5, 0.5, 0.0, 8.0, 128, 96)  # of an input of 64 x 64
BOXES = [[8, 16, 24, 32], [0, 8, 64, 56], [10, 10, 20, 20]]
SCORES, CLASSES = [0.5, 0.9, 0.3], [1, 0, 2]
IN_SOURCE = [[0, 0, 128, 96], [16, 16, 48, 48]]  # above 0.4, the best first


def info(*outputs: tuple[str, tuple[int | None, ...], Any], dtype: Any = np.float32, batch: Any = None) -> ModelInfo:
    image = TensorSpec("images", (batch, 3, 64, 64), np.dtype(dtype))
    return ModelInfo((image,), tuple(TensorSpec(name, shape, np.dtype(kind)) for name, shape, kind in outputs))


def rows(order: str) -> np.ndarray:
    """Of the second of two frames, and one of the first."""
    columns = {"s": SCORES, "c": CLASSES}
    made = [[1, *box, columns[order[0]][i], columns[order[1]][i]] for i, box in enumerate(BOXES)]
    return np.array([*made, [0, 8, 16, 24, 32, *((0.75, 4) if order == "sc" else (4, 0.75))]], np.float32)


FOUR = [
    ("num_dets", (None, 1), np.int32),
    ("det_boxes", (None, 3, 4), np.float32),
    ("det_scores", (None, 3), np.float32),
    ("det_classes", (None, 3), np.int32),
]
THREE = [
    ("labels", (None, 3), np.int64),
    ("bboxes", (None, 3, 4), np.float32),
    ("scores", (None, 3), np.float32),
]
SCORED = [("dets", (None, 3, 5), np.float32), ("labels", (None, 3), np.int64)]
OF_ONE = [("boxes", (None, 4), np.float32), ("labels", (None,), np.int64), ("scores", (None,), np.float32)]


def values(batched: bool = True) -> dict[str, np.ndarray]:
    boxes, scores, classes = np.array(BOXES, np.float32), np.array(SCORES, np.float32), np.array(CLASSES)
    made = {
        "det_boxes": boxes,
        "bboxes": boxes,
        "boxes": boxes,
        "scores": scores,
        "det_scores": scores,
        "labels": classes,
        "det_classes": classes,
        "num_dets": np.array([3]),
        "dets": np.concatenate([boxes, scores[:, None]], axis=1),
    }
    return {name: value[None] if batched else value for name, value in made.items()}


@pytest.mark.parametrize("outputs", [FOUR, THREE, SCORED, OF_ONE], ids=["four", "three", "scored", "of one frame"])
def test_layouts_of_columns(outputs: list[Any]) -> None:
    model = info(*outputs)
    chosen, why = choose_family(model, None)
    assert chosen is EndToEnd
    assert "have the form of finished boxes" in why
    family = EndToEnd(model, ModelOptions(names=("a", "b", "c")))
    assert family.batch == (1 if outputs is OF_ONE else None)
    (found,) = family.postprocess(values(batched=outputs is not OF_ONE), [HALF])
    assert found.xyxy.tolist() == IN_SOURCE
    assert found.score.tolist() == pytest.approx([0.9, 0.5])
    assert found.class_name == ("a", "b")


@pytest.mark.parametrize("order", ["sc", "cs"])
def test_rows_of_all_frames(order: str) -> None:
    model = info(("graph2_flat_predictions", (None, 7), np.float32))
    assert choose_family(model, None)[0] is EndToEnd
    family = EndToEnd(model, ModelOptions())
    first, second, third = family.postprocess({"graph2_flat_predictions": rows(order)}, [HALF] * 3)
    assert (first.class_id.tolist(), first.score.tolist()) == ([4], [0.75])
    assert second.xyxy.tolist() == IN_SOURCE
    assert second.class_id.tolist() == [0, 1]
    assert second.class_name == ("0", "1")
    assert len(third) == 0
    assert len(family.postprocess({"graph2_flat_predictions": np.zeros((0, 7), np.float32)}, [HALF])[0]) == 0


def test_only_rows_that_are_called_predictions_show_themselves() -> None:
    model = info(("output", (None, 7), np.float32))
    with pytest.raises(ModelError, match="does not show of which family it is"):
        choose_family(model, None)
    assert choose_family(model, "end_to_end")[0] is EndToEnd


def test_what_the_count_leaves_out_and_padding_rows_are_nothing() -> None:
    made = {**values(), "num_dets": np.array([[1]])}
    (found,) = EndToEnd(info(*FOUR), ModelOptions()).postprocess(made, [HALF])
    assert found.class_id.tolist() == [1]
    made = {**values(), "labels": np.array([[1, -1, 2]])}
    (found,) = EndToEnd(info(*THREE), ModelOptions()).postprocess(made, [HALF])
    assert found.class_id.tolist() == [1]


def test_boxes_that_are_parts_of_the_input() -> None:
    made = {**values(), "bboxes": np.array([BOXES], np.float32) / 64}
    (found,) = EndToEnd(info(*THREE), ModelOptions()).postprocess(made, [HALF])
    assert found.xyxy.tolist() == IN_SOURCE


def test_bytes_are_levels() -> None:
    form = FrameFormat(PixelFormat.BGR24, 64, 64)
    frame = frame_of(form, planes_of(form, scene(64, 64)))
    family, other = EndToEnd(info(*THREE, dtype=np.uint8), ModelOptions()), EndToEnd(info(*THREE), ModelOptions())
    assert (family.input_dtype, other.input_dtype) == ("uint8", "float32")
    with pytest.raises(ModelError, match="it scales them itself"):
        EndToEnd(info(*THREE, dtype=np.uint8), ModelOptions(normalisation=Normalisation(mean=(1, 2, 3))))
    row, numbers = np.zeros((3, 64, 64), np.uint8), np.zeros((3, 64, 64), np.float32)
    family.preprocess(frame, row)
    other.preprocess(frame, numbers)
    assert (row == scene(64, 64)[:, :, ::-1].transpose(2, 0, 1)).all()
    np.testing.assert_allclose(numbers * 255, row, atol=0.01)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (info(("a", (None, 3), np.float32)), "a model that suppresses itself has outputs"),
        (info(*THREE, ("masks", (None, 3, 8, 8), np.float32)), "a model that suppresses itself has outputs"),
        (info(THREE[0], THREE[1]), "a model that suppresses itself has outputs"),
        (info(*THREE[1:], ("b", (None, 3), np.float32)), "a model that suppresses itself has outputs"),
        (info(("boxes", (None, 8400, 4), np.float32), ("scores", (None, 8400, 80), np.float32)), "suppresses itself"),
        (info(*OF_ONE, batch=2), "takes 2 frames at once, but its outputs .* are those of one"),
        (info(*THREE, dtype=np.int8), "float32 or float16 or uint8"),
    ],
)
def test_files_that_are_none(model: ModelInfo, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        EndToEnd(model, ModelOptions())


@pytest.mark.parametrize(
    ("outputs", "wrong", "message"),
    [
        (FOUR, {"det_scores": np.zeros((1, 2))}, "which do not belong together"),
        (FOUR, {"num_dets": np.zeros((0, 1))}, "0 counts for 1 frames"),
        (THREE, {"bboxes": np.zeros((3, 4))}, "which do not belong together"),
    ],
)
def test_outputs_that_do_not_fit(outputs: list[Any], wrong: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        EndToEnd(info(*outputs), ModelOptions()).postprocess({**values(), **wrong}, [HALF])


def test_rows_without_classes_are_told() -> None:
    family = EndToEnd(info(("output", (None, 7), np.float32)), ModelOptions())
    with pytest.raises(ModelError, match="has no column of classes"):
        family.postprocess({"output": np.full((2, 7), 0.5, np.float32)}, [HALF])
    with pytest.raises(ModelError, match=r"of shape \(2, 6\); expected \(boxes, 7\)"):
        family.postprocess({"output": np.zeros((2, 6), np.float32)}, [HALF])
