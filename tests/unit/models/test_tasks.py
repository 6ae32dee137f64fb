"""Every task, from the picture to the findings, against a reference in OpenCV and numpy, on models with random weights.

Twice: on the same outputs the findings are equal but for rounding; and from the picture on, where the reference also
prepares the input with OpenCV in bytes, they agree as closely as inputs that differ by a level or two allow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from support import reference_tasks as reference
from support.agreement import agreement, intersection_over_union
from support.detector_tasks import DETECTORS, OF_COCO
from support.onnx_tasks import detr, yolo_model
from support.photos import DATA, framed, photos
from support.pictures import scene
from support.reference_tasks import Instance, Placed
from support.tasks import CONFIDENCE, OVERLAP, SIZE, Outputs, Task

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.onnxruntime import OnnxRuntimeBackend
from mpipeline.models.family import ModelOptions
from mpipeline.models.selection import choose_family
from mpipeline.prediction import Detections

OPTIONS = ModelOptions(confidence=CONFIDENCE, iou_threshold=OVERLAP, max_detections=1000)


def yolo(**kind: Any) -> Task:
    task = "segment" if kind.get("masks") else "pose" if kind.get("points") else "detect"
    end_to_end = kind.get("end_to_end", False)

    def read(outputs: Outputs, placed: Placed, size: tuple[int, int]) -> list[Instance]:
        grids = outputs.get("output1")
        return reference.yolo_instances(
            outputs["output0"], grids, placed, size, 3, CONFIDENCE, OVERLAP, kind.get("points", 0), end_to_end
        )

    family = {"segment": "yolo_segmentation", "pose": "yolo_pose", "detect": "yolo"}[task]
    return Task(family, lambda path: yolo_model(path, SIZE, task, **kind), reference.letterboxed, read)


def rfdetr(columns: int, named: Sequence[int], masks: bool) -> Task:
    def read(outputs: Outputs, placed: Placed, size: tuple[int, int]) -> list[Instance]:
        boxes, logits, grids = outputs["dets"], outputs["labels"], outputs.get("masks")
        return reference.detr_instances(boxes, logits, grids, placed, size, list(named), CONFIDENCE)

    # On some pictures more pairs are above the threshold than count, and which of them do hangs on the last digit.
    return Task("rfdetr", lambda path: detr(path, SIZE, columns, masks), reference.stretched, read, 0.94)


TASKS = {
    "detection": yolo(),
    "segmentation": yolo(masks=32),
    "segmentation of one row a box": yolo(masks=32, end_to_end=True),
    "key points": yolo(points=17),
    "key points of one row a box": yolo(points=5, end_to_end=True),
    "detr": rfdetr(4, range(3), masks=False),
    "detr with the columns of COCO": rfdetr(91, OF_COCO, masks=False),
    "detr with masks": rfdetr(4, range(3), masks=True),
    **DETECTORS,
}

PICTURES = [
    pytest.param(lambda: [scene(320, 240), scene(97, 201, 1), scene(641, 361, 2), scene(160, 128, 3)], id="scenes"),
    pytest.param(
        lambda: list(photos(12)),
        id="photos",
        marks=[
            pytest.mark.needs_data,
            pytest.mark.skipif(not DATA.is_dir(), reason=f"needs real pictures, MPIPELINE_TEST_DATA: no {DATA}"),
        ],
    ),
]


@dataclass
class Seen:
    """What the product says of one picture, and the outputs of the model that it has read for that."""

    found: Detections
    outputs: Outputs
    placed: Placed


def seen(task: Task, path: Path, pictures: Sequence[Any]) -> list[Seen]:
    """All pictures in one batch."""
    backend = OnnxRuntimeBackend(BackendOptions(str(path), threads=1))
    info = backend.open()
    family_class, why = choose_family(info, task.family if task.asked else None)
    assert why.startswith(f"The family is {task.family}{', as configured' if task.asked else ': '}")
    family = family_class(info, OPTIONS)
    rows = np.empty((len(pictures), *family.input_shape), family.input_dtype)
    geometries = [family.preprocess(framed(picture), row) for picture, row in zip(pictures, rows, strict=True)]
    constants = {name: np.stack([row] * len(rows)) for name, row in getattr(family, "constants", {}).items()}
    outputs = backend.run({family.input_name: rows, **constants})
    found = family.postprocess(outputs, geometries)
    backend.close()
    each = [{name: value[i] for name, value in outputs.items()} for i in range(len(pictures))]
    return [
        Seen(one, part, task.prepare(picture, task.size))
        for one, part, picture in zip(found, each, pictures, strict=True)
    ]


def in_sight(instances: list[Instance]) -> list[Instance]:
    """Those of which any part is in the picture."""
    return [each for each in instances if each.box[2] > each.box[0] and each.box[3] > each.box[1]]


def size_of(picture: Any) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


@pytest.mark.parametrize("pictures", PICTURES)
@pytest.mark.parametrize("name", TASKS)
def test_equal_outputs_are_read_equally(name: str, pictures: Callable[[], list[Any]], tmp_path: Path) -> None:
    task, images = TASKS[name], pictures()
    total = 0
    for one, picture in zip(seen(task, task.make(tmp_path / "model.onnx"), images), images, strict=True):
        expected = in_sight(task.read(one.outputs, one.placed, size_of(picture)))
        found = one.found
        assert len(found) == len(expected)
        total += len(found)
        np.testing.assert_allclose(found.xyxy, np.array([each.box for each in expected]).reshape(-1, 4), atol=0.02)
        np.testing.assert_allclose(found.score, [each.score for each in expected], atol=1e-5)
        assert found.class_id.tolist() == [each.class_id for each in expected]
        if found.keypoints is not None:
            points = np.array([each.points for each in expected]).reshape(found.keypoints.shape)
            np.testing.assert_allclose(found.keypoints, points, atol=0.02)
        for i, each in enumerate(expected if found.masks is not None else ()):
            assert found.masks is not None
            wrong = (found.masks.picture(i) != each.mask).mean()
            assert wrong <= 2e-4, f"{wrong:.2%} of the pixels of mask {i}"
    assert total > 20


@pytest.mark.parametrize("pictures", PICTURES)
@pytest.mark.parametrize("name", TASKS)
def test_agrees_from_the_picture_on(name: str, pictures: Callable[[], list[Any]], tmp_path: Path) -> None:
    task, images = TASKS[name], pictures()
    path = task.make(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    expected: dict[int, list[Instance]] = {}
    actual: dict[int, Detections] = {}
    for number, (one, picture) in enumerate(zip(seen(task, path, images), images, strict=True)):
        values = session.run(names, {session.get_inputs()[0].name: one.placed.tensor[None], **task.beside})
        outputs = {key: value[0] for key, value in zip(names, values, strict=True)}
        expected[number] = in_sight(task.read(outputs, one.placed, size_of(picture)))
        actual[number] = one.found
    judged = agreement(
        {number: [(*each.box, each.score, each.class_id) for each in some] for number, some in expected.items()},
        {number: rows_of(found) for number, found in actual.items()},
        CONFIDENCE,
    )
    assert judged.good(task.agreement), judged
    extras = [measure for number in expected for measure in closeness(expected[number], actual[number])]
    assert (len(extras) > 20) == (actual[0].masks is not None or actual[0].keypoints is not None)
    assert not extras or np.mean(extras) > 0.95


def rows_of(found: Detections) -> list[tuple[float, ...]]:
    columns = zip(found.xyxy.tolist(), found.score.tolist(), found.class_id.tolist(), strict=True)
    return [(*box, score, class_id) for box, score, class_id in columns]


def closeness(expected: list[Instance], found: Detections) -> list[float]:
    """For each pair of equal boxes: the overlap of their masks, or the part of their points within a pixel."""
    measures = []
    rows = rows_of(found)
    for each in expected:
        partners = [
            (intersection_over_union(each.box, row), i) for i, row in enumerate(rows) if row[5] == each.class_id
        ]
        overlap, i = max(partners, default=(0.0, 0))
        if overlap < 0.95:
            continue
        if found.masks is not None and each.mask is not None:
            mine = found.masks.picture(i)
            union = (mine | each.mask).sum()
            if union > 50:
                measures.append(float((mine & each.mask).sum() / union))
        if found.keypoints is not None:
            apart = np.abs(found.keypoints[i, :, :2] - np.array(each.points)[:, :2]).max(axis=1)
            measures.append(float((apart <= 1.0).mean()))
    return measures
