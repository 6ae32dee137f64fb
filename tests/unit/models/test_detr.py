"""DETR and RT-DETR: which family a file is of, which columns are classes, further inputs, and files that are none."""

from __future__ import annotations

import numpy as np
import pytest

from mpipeline.errors import ModelError
from mpipeline.models.coco import COCO_NAMES
from mpipeline.models.detr import Detr
from mpipeline.models.detr_classes import every_column, has_no_object
from mpipeline.models.family import ModelOptions
from mpipeline.models.nanodet import NanoDet
from mpipeline.models.rtdetr import RtDetr
from mpipeline.models.selection import choose_family
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

F32, I64 = np.dtype(np.float32), np.dtype(np.int64)
GEOMETRY = Geometry(0.5, 0.25, 0.0, 0.0, 128, 256)  # of an input of 64 x 64
BOX = [0.5, 0.5, 0.25, 0.5]
SIZES = TensorSpec("orig_target_sizes", (None, 2), I64)


def info(columns: int | None, *beside: TensorSpec, size: tuple[int | None, int | None] = (64, 64)) -> ModelInfo:
    image = TensorSpec("pixel_values", (None, 3, *size), F32)
    outputs = (TensorSpec("logits", (None, None, columns), F32), TensorSpec("pred_boxes", (None, None, 4), F32))
    return ModelInfo((image, *beside), outputs)


def outputs(*logits: list[float]) -> dict[str, np.ndarray]:
    return {"logits": np.array([logits], np.float32), "pred_boxes": np.array([[BOX] * len(logits)], np.float32)}


@pytest.mark.parametrize(("columns", "family"), [(92, Detr), (91, Detr), (80, RtDetr)])
def test_the_columns_of_coco_tell_the_family(columns: int, family: type) -> None:
    chosen, _ = choose_family(info(columns), None)
    assert chosen is family
    assert chosen(info(columns), ModelOptions()).names == COCO_NAMES


def test_other_columns_leave_it_to_the_user() -> None:
    with pytest.raises(ModelError, match=r"of several families, set model.family to one of them \(detr: .*; rtdetr: "):
        choose_family(info(6), None)


@pytest.mark.parametrize(
    ("columns", "names", "expected"),
    [
        (92, 0, True),
        (92, 80, True),
        (92, 91, True),
        (91, 0, False),
        (91, 80, False),
        (91, 91, False),
        (91, 90, True),
        (4, 0, True),
        (4, 3, True),
        (4, 4, False),
        (None, 4, True),
    ],
)
def test_whether_the_last_column_is_no_object(columns: int | None, names: int, expected: bool) -> None:
    assert has_no_object(columns, ("x",) * names) is expected


def test_softmax_with_no_object() -> None:
    (found,) = Detr(info(4), ModelOptions()).postprocess(outputs([0, 3, 0, 2], [0, 0, 0, 9], [5, 0, 5, 0]), [GEOMETRY])
    assert found.class_id.tolist() == [1, 0]  # of the last query two classes are as likely, and the first counts
    assert found.score.tolist() == pytest.approx([np.e**3 / (np.e**3 + np.e**2 + 2), np.e**5 / (2 * np.e**5 + 2)])
    assert found.xyxy.tolist() == [[48, 64, 80, 192]] * 2


def test_sigmoid_without_it() -> None:
    family = Detr(info(3), ModelOptions(names=("a", "b", "c")))
    assert any("Every column of the logits is a class" in note for note in family.notes)
    (found,) = family.postprocess(outputs([1, -9, 2], [-9, -9, -9]), [GEOMETRY])
    assert found.class_name == ("c", "a")


def test_further_inputs() -> None:
    fixed = Detr(info(92, TensorSpec("pixel_mask", (1, 32, 32), I64)), ModelOptions())
    free = Detr(
        info(92, TensorSpec("pixel_mask", (None, None, None), I64), size=(None, None)), ModelOptions(size=(96, 64))
    )
    for family, shape in ((fixed, (32, 32)), (free, (64, 96))):
        mask = family.constants["pixel_mask"]
        assert (mask.shape, mask.dtype, mask.min()) == (shape, I64, 1)
    finished = ModelInfo(
        (TensorSpec("images", (None, 3, 64, 96), F32), SIZES),
        (
            TensorSpec("labels", (None, 3), I64),
            TensorSpec("boxes", (None, 3, 4), F32),
            TensorSpec("scores", (None, 3), F32),
        ),
    )
    family = RtDetr(finished, ModelOptions())
    assert family.constants["orig_target_sizes"].tolist() == [96, 64]
    assert choose_family(finished, None)[1].endswith("as exports of RT-DETR and D-FINE have.")
    with pytest.raises(ModelError, match="exactly one input"):
        RtDetr(info(80, TensorSpec("pixel_mask", (None, 64, 64), I64)), ModelOptions())


def test_what_is_not_known_is_asked_for() -> None:
    for family in (Detr, RtDetr):
        with pytest.raises(ModelError, match="leaves open how many classes it has: set names"):
            family(info(None), ModelOptions())
        assert family(info(None), ModelOptions(names=("a", "b"))).names == ("a", "b")
        with pytest.raises(ModelError, match="2 class names are given"):
            family(info(9), ModelOptions(names=("a", "b")))
    with pytest.raises(ModelError, match="no column for a class"):
        every_column(0, ())


def test_infinite_logits_are_nothing() -> None:
    (found,) = Detr(info(3), ModelOptions()).postprocess(outputs([np.inf, 0, np.inf], [np.nan, 0, 0]), [GEOMETRY])
    assert len(found) == 0


# --- NanoDet ---------------------------------------------------------------------------------------------------------


def nanodet(size: int, cells: int, classes: int = 2) -> ModelInfo:
    image = TensorSpec("data", (None, 3, size, size), F32)
    return ModelInfo((image,), (TensorSpec("output", (None, cells, classes + 32), F32),))


@pytest.mark.parametrize(("size", "cells", "point"), [(416, 3598, 16), (416, 3549, 20), (320, 2125, 16)])
def test_strides_of_nanodet(size: int, cells: int, point: int) -> None:
    """The cells of a stride that does not divide the size are counted in full."""
    family = NanoDet(nanodet(size, cells), ModelOptions())
    rows = np.zeros((1, cells, 34), np.float32)
    rows[0, 2 + 2 * size // 8, 1] = 0.9  # of the finest stride, the cell (2, 2)
    rows[0, :, 2:] = np.tile([0] * 2 + [50] + [0] * 5, 4)  # each edge two cells away
    (found,) = family.postprocess({"output": rows}, [Geometry(1, 1, 0, 0, size, size)])
    np.testing.assert_allclose(found.xyxy, [[point - 16, point - 16, point + 16, point + 16]], atol=1e-4)
    assert found.class_id.tolist() == [1]


def test_files_that_are_no_nanodet() -> None:
    with pytest.raises(ModelError, match=r"has 2125 or 2100 cells; this has output \[\?, 2000, 34\]"):
        NanoDet(nanodet(320, 2000), ModelOptions())
    with pytest.raises(ModelError, match=r"has one output \[batch, cells, classes \+ 32\]"):
        NanoDet(nanodet(320, 2125, classes=0), ModelOptions())
    assert choose_family(nanodet(320, 2125), None)[0] is NanoDet
    assert NanoDet.matches(nanodet(320, 2100)) is None
