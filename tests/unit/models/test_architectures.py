"""Which family reads which architecture."""

from __future__ import annotations

import pytest

from mpipeline.errors import ModelError
from mpipeline.models.architectures import DETECTION, KEY_POINTS, SEGMENTATION, family_of


@pytest.mark.parametrize(
    ("architecture", "family"),
    [
        ("yolov8", "yolo"),
        ("yolov8n", "yolo"),
        ("YOLOv5s", "yolo"),
        ("yolov9", "yolo"),
        ("yolov10b", "yolo"),
        ("yolov11", "yolo"),
        ("yolo11x", "yolo"),
        ("yolov12", "yolo"),
        ("yolo26n", "yolo"),
        ("yolox-nano", "yolox"),
        ("rfdetr", "rfdetr"),
        ("rfdetr-nano", "rfdetr"),
    ],
)
def test_detectors(architecture: str, family: str) -> None:
    assert family_of(architecture, DETECTION) == family


@pytest.mark.parametrize(
    ("architecture", "task", "family"),
    [
        ("yolov8n-seg", SEGMENTATION, "yolo_segmentation"),
        ("yolo26", SEGMENTATION, "yolo_segmentation"),
        ("rfdetr-seg-preview", SEGMENTATION, "rfdetr"),
        ("yolov11n", KEY_POINTS, "yolo_pose"),
    ],
)
def test_other_tasks(architecture: str, task: str, family: str) -> None:
    assert family_of(architecture, task) == family


@pytest.mark.parametrize("architecture", ["yolo-nas", "yolov7", "yolov4", "yolov80", "paligemma", ""])
def test_architectures_that_nobody_reads(architecture: str) -> None:
    with pytest.raises(ModelError, match="no model family reads"):
        family_of(architecture, DETECTION)


def test_a_task_that_nobody_does() -> None:
    with pytest.raises(
        ModelError, match=r"task is 'image-text-to-text' \(florence\); what runs here is: .*object-detection"
    ):
        family_of("florence", "image-text-to-text")
