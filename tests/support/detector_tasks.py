"""The families of many makers, each with a model and its reference."""

from __future__ import annotations

import numpy as np
from support import onnx_detectors as models
from support import reference_detectors as reference
from support.reference_tasks import Instance, Placed, detr_instances
from support.tasks import CONFIDENCE, OVERLAP, SIZE, Outputs, Task

OF_COCO = [number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
NANODET_MEANS = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
OF_FOUR_STRIDES = (192, 128)


def _faces(outputs: Outputs, placed: Placed, frame: tuple[int, int]) -> list[Instance]:
    return reference.faces(outputs, SIZE, placed, frame, CONFIDENCE, OVERLAP)


def _nanodet(outputs: Outputs, placed: Placed, frame: tuple[int, int]) -> list[Instance]:
    return reference.nanodet(outputs["output"], OF_FOUR_STRIDES, placed, frame, CONFIDENCE, OVERLAP)


def _softmax(named: list[int]):
    def read(outputs: Outputs, placed: Placed, frame: tuple[int, int]) -> list[Instance]:
        return reference.detr_softmax(outputs["pred_boxes"], outputs["logits"], placed, frame, named, CONFIDENCE)

    return read


def _sigmoid(named: list[int]):
    def read(outputs: Outputs, placed: Placed, frame: tuple[int, int]) -> list[Instance]:
        return detr_instances(outputs["pred_boxes"], outputs["logits"], None, placed, frame, named, CONFIDENCE)

    return read


def _chosen(outputs: Outputs, placed: Placed, frame: tuple[int, int]) -> list[Instance]:
    columns = outputs["boxes"], outputs["scores"], outputs["labels"]
    return reference.finished(*columns, placed, frame, CONFIDENCE)


def _counted(outputs: Outputs, placed: Placed, frame: tuple[int, int]) -> list[Instance]:
    count = int(outputs["num_predictions"][0])
    columns = (outputs[name][:count] for name in ("pred_boxes", "pred_scores", "pred_classes"))
    return reference.finished(*columns, placed, frame, CONFIDENCE)


_IMAGENET = reference.fed_as("stretch", normal=reference.IMAGENET)
_STRETCHED = reference.fed_as("stretch")

DETECTORS = {
    "faces": Task(
        "yunet",
        lambda path: models.faces(path, SIZE),
        reference.fed_as("corner", order="bgr", divisor=1.0, pad=0),
        _faces,
    ),
    "nanodet": Task(
        "nanodet",
        lambda path: models.nanodet(path, OF_FOUR_STRIDES),
        reference.fed_as("stretch", order="bgr", divisor=1.0, normal=NANODET_MEANS),
        _nanodet,
        size=OF_FOUR_STRIDES,
    ),
    "detr with no object": Task(
        "detr", lambda path: models.queries(path, SIZE, 92, sharp=4.0), _IMAGENET, _softmax(OF_COCO), agreement=0.94
    ),
    "detr with a mask": Task(
        "detr",
        lambda path: models.queries(path, SIZE, 4, mask=True),
        _IMAGENET,
        _softmax([0, 1, 2]),
        asked=True,
        beside={"pixel_mask": np.ones((1, SIZE[1], SIZE[0]), np.int64)},
    ),
    "deformable detr": Task(
        "detr", lambda path: models.queries(path, SIZE, 91), _IMAGENET, _sigmoid(OF_COCO), agreement=0.94
    ),
    "rt-detr": Task(
        "rtdetr",
        lambda path: models.queries(path, SIZE, 80, gain=models.GAIN),
        _STRETCHED,
        _sigmoid(list(range(80))),
        agreement=0.94,
    ),
    "rt-detr with finished boxes": Task(
        "rtdetr",
        lambda path: models.finished_queries(path, SIZE),
        _STRETCHED,
        _chosen,
        agreement=0.94,
        beside={"orig_target_sizes": np.array([SIZE], np.int64)},
    ),
    "yolo-nas": Task(
        "end_to_end",
        lambda path: models.yolo_nas(path, SIZE),
        reference.fed_as("centre", divisor=1.0, dtype=np.uint8),
        _counted,
        agreement=0.94,
    ),
}
