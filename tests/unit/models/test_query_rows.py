"""RT-DETR as Ultralytics exports it: both forms of its rows, and that it is not taken for a YOLO."""

from __future__ import annotations

import numpy as np
import pytest

from mpipeline.errors import ModelError
from mpipeline.models.family import ModelOptions
from mpipeline.models.rtdetr import RtDetr
from mpipeline.models.selection import choose_family
from mpipeline.models.yolo import Yolo
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

F32 = np.dtype(np.float32)
TOLD = {"stride": "32", "names": "{0: 'cat', 1: 'dog'}", "task": "detect", "description": "Ultralytics rtdetr-l model"}
NEWER, OLDER = {**TOLD, "head": "RTDETRDecoder", "description": "Ultralytics my-own model"}, TOLD
WHOLE = Geometry(2.0, 1.0, 0.0, 0.0, 100, 100)  # of an input of 200 x 100


def info(metadata: dict[str, str], columns: int = 6) -> ModelInfo:
    return ModelInfo(
        (TensorSpec("images", (1, 3, 96, 192), F32),), (TensorSpec("output0", (1, 300, columns), F32),), metadata
    )


def read(metadata: dict[str, str], rows: list[list[float]]) -> list[tuple[float, ...]]:
    family = RtDetr(info(metadata), ModelOptions(confidence=0.3))
    output = np.zeros((1, 300, 6), np.float32)
    output[0, : len(rows)] = rows
    (found,) = family.postprocess({"output0": output}, [Geometry(1.92, 0.96, 0.0, 0.0, 100, 100)])
    boxes, scores = found.xyxy.round(3).tolist(), found.score.round(3).tolist()
    return [(*box, score, name) for box, score, name in zip(boxes, scores, found.class_name, strict=True)]


@pytest.mark.parametrize("metadata", [NEWER, OLDER])
def test_its_metadata_tells_and_a_yolo_is_something_else(metadata: dict[str, str]) -> None:
    chosen, why = choose_family(info(metadata), None)
    assert (chosen, why[:43]) == (RtDetr, "The family is rtdetr: its metadata is that ")
    with pytest.raises(ModelError, match="family to rtdetr"):
        Yolo(info(metadata), ModelOptions())
    assert choose_family(info({**TOLD, "description": "Ultralytics YOLO26n model"}), None)[0] is Yolo


def test_rows_of_score_and_class() -> None:
    rows = [[0.5, 0.5, 0.2, 0.4, 0.6, 1.0], [0.5, 0.5, 0.2, 0.4, 0.9, 0.0], [0.5, 0.5, 1.4, 0.4, 0.2, 0.0]]
    assert read(NEWER, rows) == [
        (40, 30, 60, 70, pytest.approx(0.9), "cat"),
        (40, 30, 60, 70, pytest.approx(0.6), "dog"),
    ]


def test_rows_of_the_scores_of_all_classes() -> None:
    rows = [[0.5, 0.5, 0.2, 0.4, 0.6, 0.7], [0.9, 0.5, 0.4, 2.0, 0.9, 0.01], [0.5, 0.5, 0.2, 0.4, 0.29, 0.2]]
    assert read(OLDER, rows) == [
        (70, 0, 100, 100, pytest.approx(0.9), "cat"),
        (40, 30, 60, 70, pytest.approx(0.7), "dog"),
    ]


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ModelError, match="2 class names are in the model file, but the model's output has 3 classes"):
        RtDetr(info(TOLD, 7), ModelOptions())
    family = RtDetr(info(TOLD), ModelOptions())
    with pytest.raises(ModelError, match="expected"):
        family.postprocess({"output0": np.zeros((300, 6), np.float32)}, [WHOLE])
