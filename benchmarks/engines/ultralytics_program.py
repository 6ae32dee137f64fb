"""The program that runs in the environment of Ultralytics: its export of YOLOv8n, and its predictor over files.

    python ultralytics_program.py export BATCH MODEL.onnx
    python ultralytics_program.py predict TASK.json

The task is that of `pipeline.py`. Files are worked off one after the other: the predictor takes one video at a time.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace


def with_suppression():
    """Where torchvision is for another kind of torch, its one function that is needed is replaced by Ultralytics' own
    ("matches torchvision behavior exactly")."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        from ultralytics.utils.nms import TorchNMS

        stand_in = ModuleType("torchvision")
        stand_in.ops = SimpleNamespace(nms=TorchNMS.nms)
        sys.modules["torchvision"] = stand_in


def export(batch, path):
    """YOLOv8n with random weights, always the same."""
    import torch
    from ultralytics import YOLO

    torch.manual_seed(0)
    written = YOLO("yolov8n.yaml").export(format="onnx", imgsz=640, batch=int(batch), simplify=False, device="cpu")
    shutil.move(written, path)


def predict(task_path):
    """Every frame of every file."""
    from ultralytics import YOLO

    task = json.loads(Path(task_path).read_text(encoding="utf-8"))
    model = YOLO(task["model"], task="detect")
    moments = []
    for file in task["files"]:
        for _ in model.predict(source=file, stream=True, verbose=False, device="cpu"):
            moments.append(time.monotonic())
    Path(task["moments"]).write_text(json.dumps(moments), encoding="ascii")


if __name__ == "__main__":
    with_suppression()
    {"export": export, "predict": predict}[sys.argv[1]](*sys.argv[2:])
