"""Models of Ultralytics with random weights: exported, run and read by its own code, from the picture on."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from support.libraries.kept import Found, Picture, Results
from support.libraries.running import PICTURES, Running, calibrated
from support.pictures import scene

SIZE = (96, 64)  # of the input: width, height
CONFIDENCE, OVERLAP = 0.4, 0.5


def _scattered(model: Any) -> None:
    """Class scores lie everywhere, boxes are of one to four cells: else nothing is found, or one thing is."""
    import torch

    for head in (module for module in model.modules() if hasattr(module, "nl") and hasattr(module, "cv3")):
        for branch in (*head.cv3, *(getattr(head, "one2one_cv3", None) or ())):
            torch.nn.init.normal_(branch[-1].weight, 0, 3 / branch[-1].weight[0].numel() ** 0.5)
            torch.nn.init.constant_(branch[-1].bias, -2.0)
        for branch in (*head.cv2, *(getattr(head, "one2one_cv2", None) or ())):
            bins = torch.arange(head.reg_max, dtype=torch.float32)
            branch[-1].bias.data.view(4, -1)[:] = -bins if head.reg_max > 1 else 1.5


def _exported(
    folder: Path,
    family: str,
    config: str,
    task: str,
    changes: dict[str, Any] | None = None,
    is_fed: bool = False,
    **export: Any,
) -> Results:
    import torch
    import ultralytics
    import yaml
    from ultralytics import RTDETR, YOLO
    from ultralytics.nn.tasks import yaml_model_load

    torch.manual_seed(len(config) + len(task))
    told = {**yaml_model_load(config), "nc": 3, **(changes or {})}
    if task == "segment":  # with few prototypes, for small files
        told["head"][-1][3][1] = 8
    (folder / config).write_text(yaml.safe_dump(told))
    os.chdir(folder)  # where it writes
    kind: Any = RTDETR if "rtdetr" in config else YOLO
    model = kind(str(folder / config)) if kind is RTDETR else kind(str(folder / config), task=task)
    calibrated(model.model, SIZE)
    _scattered(model.model)
    path = model.export(format="onnx", imgsz=(SIZE[1], SIZE[0]), simplify=False, **export)
    running = Running(Path(path))
    reader = kind(path) if kind is RTDETR else kind(path, task=task)
    asked = {"conf": CONFIDENCE, "iou": OVERLAP, "imgsz": (SIZE[1], SIZE[0]), "retina_masks": True, "verbose": False}
    pictures = []
    for width, height, seed in PICTURES:
        picture = scene(width, height, seed)
        (result,) = reader.predict(picture, device="cpu", **asked)
        fed = reader.predictor.preprocess([picture]).numpy()
        pictures.append(Picture(width, height, seed, running.answers(fed), _found(result), fed[0] if is_fed else None))
    return Results(
        f"ultralytics {ultralytics.__version__}",
        family,
        running.inputs,
        running.outputs,
        tuple(pictures),
        {"confidence": CONFIDENCE, "iou_threshold": OVERLAP},
        {key: value for key, value in running.metadata.items() if key not in ("date", "docs", "license", "author")},
    )


def _found(result: Any) -> Found:
    boxes, order = result.boxes, np.argsort(-result.boxes.conf.numpy(), kind="stable")
    points = None if result.keypoints is None else result.keypoints.data.numpy()[order]
    masks = None if result.masks is None else result.masks.data.numpy().astype(bool)[order]
    return Found(
        boxes.xyxy.numpy()[order], boxes.conf.numpy()[order], boxes.cls.numpy().astype(int)[order], points, masks
    )


CASES: dict[str, Callable[[Path], Results]] = {
    "yolov8-detect": partial(_exported, family="yolo", config="yolov8n.yaml", task="detect", is_fed=True),
    "yolo26-detect": partial(_exported, family="yolo", config="yolo26n.yaml", task="detect", nms=False),
    "yolo11-detect-nms": partial(_exported, family="yolo", config="yolo11n.yaml", task="detect", nms=True),
    "yolov8-segment": partial(_exported, family="yolo_segmentation", config="yolov8n-seg.yaml", task="segment"),
    "yolo26-segment": partial(
        _exported, family="yolo_segmentation", config="yolo26n-seg.yaml", task="segment", nms=False
    ),
    "yolov8-pose": partial(
        _exported, family="yolo_pose", config="yolov8n-pose.yaml", task="pose", changes={"nc": 1, "kpt_shape": [5, 3]}
    ),
    "yolo26-pose": partial(
        _exported,
        family="yolo_pose",
        config="yolo26n-pose.yaml",
        task="pose",
        changes={"nc": 1, "kpt_shape": [5, 3]},
        nms=False,
    ),
    "rtdetr-of-ultralytics": partial(_exported, family="rtdetr", config="rtdetr-l.yaml", task="detect", is_fed=True),
}
