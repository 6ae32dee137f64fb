"""Which family reads a model of an architecture and a task, as model packages name them."""

from __future__ import annotations

import re

from mpipeline import registry
from mpipeline.errors import ModelError

DETECTION = "object-detection"
SEGMENTATION = "instance-segmentation"
KEY_POINTS = "keypoint-detection"
CLASSIFICATION = "classification"
SEMANTIC_SEGMENTATION = "semantic-segmentation"
EMBEDDING = "embedding"

_ULTRALYTICS = r"yolo-?(v[589]|v?1[0-2]|v?26)(?!\d)[a-z0-9-]*"
_RFDETR = r"rf-?detr[a-z0-9-]*"

# (task, pattern of the architecture) → the family that reads its models. A package that says an architecture and a
# task of which no row speaks is refused.
FAMILIES: tuple[tuple[str, str, str], ...] = (
    (DETECTION, r"yolox.*", "yolox"),
    (DETECTION, _ULTRALYTICS, "yolo"),
    (SEGMENTATION, _ULTRALYTICS, "yolo_segmentation"),
    (KEY_POINTS, _ULTRALYTICS, "yolo_pose"),
    (DETECTION, _RFDETR, "rfdetr"),
    (SEGMENTATION, _RFDETR, "rfdetr"),
)


def family_of(architecture: str, task: str) -> str:
    """The name of the family for `architecture` ("yolov8", "yolov8n") and `task` ("object-detection").

    Raises ModelError if there is none.
    """
    for known_task, pattern, family in FAMILIES:
        if task == known_task and re.fullmatch(pattern, architecture.lower()) and family in registry.kinds("models"):
            return family
    tasks = sorted({known_task for known_task, _, _ in FAMILIES})
    if task not in tasks:
        raise ModelError(f"the model's task is {task!r} ({architecture}); what runs here is: {', '.join(tasks)}")
    raise ModelError(
        f"no model family reads models of architecture {architecture!r} (task {task}); "
        f"families: {', '.join(sorted(registry.kinds('models')))}"
    )
