"""The shipped detector, run through onnxruntime on scenes that it was not trained on."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

from mpipeline.boxes import iou_table
from mpipeline.demo import MODEL_PATH, demo_config
from mpipeline.demo.accuracy import Accuracy, Expected, expected_of, score_source, total
from mpipeline.demo.network import INPUT_HEIGHT, INPUT_WIDTH
from mpipeline.demo.scenery import Letterbox, pictures
from mpipeline.sources.synthetic_scene import CLASS_NAMES, SyntheticScene

ort = pytest.importorskip("onnxruntime")

CONFIDENCE, IOU_THRESHOLD = 0.4, 0.5
SIZES = [(640, 480), (848, 480), (480, 640), (640, 360), (321, 241)]


@pytest.fixture(scope="module")
def session() -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(MODEL_PATH), options, providers=["CPUExecutionProvider"])


def kept(rows: Any) -> list[int]:
    """Plain non-maximum suppression within a class over rows of cx, cy, w, h, scores; which rows stay."""
    boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
    score, class_id = rows[:, 4:].max(1), rows[:, 4:].argmax(1)
    overlap = iou_table(boxes, boxes)
    stay: list[int] = []
    for row in np.argsort(-score, kind="stable"):
        if score[row] < CONFIDENCE:
            break
        if all(class_id[row] != class_id[other] or overlap[row, other] <= IOU_THRESHOLD for other in stay):
            stay.append(int(row))
    return stay


def score_scene(session: Any, name: str, scene: SyntheticScene, numbers: list[int]) -> Accuracy:
    place = Letterbox.of(scene.width, scene.height)
    images = np.stack([picture.rgb for picture in pictures(scene, numbers)]).astype(np.float32) / 255
    frames = {}
    for n, output in zip(numbers, session.run(None, {"images": images})[0], strict=True):
        rows = output.T[kept(output.T)]
        centre, half = (rows[:, :2] - [place.pad_x, place.pad_y]) / place.scale, rows[:, 2:4] / 2 / place.scale
        boxes = np.concatenate([centre - half, centre + half], 1)
        limit = [scene.width, scene.height] * 2
        frames[n + 1] = (np.clip(boxes, 0, limit).astype(np.float32), rows[:, 4:].argmax(1).astype(np.int32))
    return score_source(name, Expected(scene, 0), frames)


def test_finds_nearly_every_shape_of_unseen_scenes(session: Any) -> None:
    scenes = [SyntheticScene(*size, 500 + i, shapes) for i, size in enumerate(SIZES) for shapes in (3, 6, 10)]
    accuracies = [score_scene(session, f"{s.width}x{s.height}", s, list(range(0, 400, 100))) for s in scenes]
    every = total(accuracies)
    assert min(every.precision, every.recall) >= 0.95, accuracies
    assert every.mean_iou >= 0.85


def test_finds_nearly_every_shape_of_the_demo(session: Any) -> None:
    for name, expected in expected_of(demo_config("out")).items():
        accuracy = score_scene(session, name, expected.scene, list(range(0, expected.frames, 30)))
        assert min(accuracy.precision, accuracy.recall) >= 0.95, accuracy
        assert accuracy.mean_iou >= 0.85, accuracy


def test_finds_nothing_where_nothing_is(session: Any) -> None:
    for seed in range(5):
        accuracy = score_scene(session, "empty", SyntheticScene(640, 480, seed, 0), [0])
        assert accuracy.predictions == 0


def test_looks_like_a_yolo_export(session: Any) -> None:
    [image], [output] = session.get_inputs(), session.get_outputs()
    assert image.shape[1:] == [3, INPUT_HEIGHT, INPUT_WIDTH]
    assert isinstance(image.shape[0], str), "the batch is dynamic"
    assert output.shape[1] == 4 + len(CLASS_NAMES)
    metadata = session.get_modelmeta().custom_metadata_map
    assert ast.literal_eval(metadata["names"]) == dict(enumerate(CLASS_NAMES))
    assert ast.literal_eval(metadata["imgsz"]) == [INPUT_HEIGHT, INPUT_WIDTH]
    assert metadata["task"] == "detect"


def test_a_row_does_not_depend_on_its_batch(session: Any) -> None:
    images = np.random.default_rng(0).random((3, 3, INPUT_HEIGHT, INPUT_WIDTH), np.float32)
    together = session.run(None, {"images": images})[0]
    alone = np.concatenate([session.run(None, {"images": image[None]})[0] for image in images])
    assert together == pytest.approx(alone, abs=1e-3)
