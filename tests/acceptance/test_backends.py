"""`mpipeline run` with each backend that executes model files: the same predictions, and the log tells by what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import runs
from support.command import Workplace
from support.onnx_tasks import detr, yolo_model

FRAMES = 6
SIZE = (96, 64)
MODELS = {
    "segmentation": lambda path: yolo_model(path, SIZE, "segment", masks=32),
    "detr": lambda path: detr(path, SIZE),
}


@pytest.mark.parametrize("task", MODELS)
def test_openvino_finds_what_onnx_runtime_finds(task: str, place: Workplace) -> None:
    MODELS[task](place.folder / "model.onnx")
    found = {}
    for backend, library in (("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO")):
        run = place.run(config_for(backend, place.folder), "--name", backend)
        assert run.wait() == 0, run.log
        said = [record["message"] for record in run.events("model_described")]
        assert any(text.startswith(f"{library} ") and "infers in float32 on the CPU" in text for text in said), said
        lines = runs.by_source(place.folder / f"{backend}.jsonl")["a"]
        assert [line["frame_id"] for line in lines] == list(range(1, FRAMES + 1))
        found[backend] = [entry for line in lines for entry in line["predictions"]]
    assert found["onnxruntime"]
    assert [one["class"] for one in found["openvino"]] == [one["class"] for one in found["onnxruntime"]]
    np.testing.assert_allclose(numbers(found["openvino"]), numbers(found["onnxruntime"]), atol=0.01)


def test_another_precision_is_for_openvino_and_the_log_tells_it(place: Workplace) -> None:
    MODELS["detr"](place.folder / "model.onnx")
    config = config_for("auto", place.folder)
    config["model"]["precision"] = "bfloat16"
    run = place.run(config)
    assert run.wait() == 0, run.log
    said = [record["message"] for record in run.events("model_described")]
    assert any(text.startswith("OpenVINO ") and "infers in bfloat16" in text for text in said) or run.events(
        "precision_not_in_effect"
    ), said


def test_a_precision_that_the_backend_lacks_is_told_before_anything_starts(place: Workplace) -> None:
    config = config_for("onnxruntime", place.folder)
    config["model"]["precision"] = "bfloat16"
    run = place.run(config)
    assert run.wait() == 78
    assert "model.precision: backend 'onnxruntime' has no bfloat16; it is for auto and openvino" in run.log


def config_for(backend: str, folder: Path) -> dict[str, Any]:
    return {
        "sources": [runs.clip("a", FRAMES, width=160, height=120)],
        "model": {"path": "model.onnx", "confidence": 0.25, "threads": 1, "backend": backend},
        "sinks": [{"kind": "jsonl", "path": str(folder / f"{backend}.jsonl")}],
        "supervision": runs.QUICK_RESTARTS,
    }


def numbers(entries: list[dict[str, Any]]) -> list[list[float]]:
    """What of each entry must be equal but for the last digits, whoever has done the sums."""
    return [[entry[key] for key in ("x", "y", "width", "height", "confidence")] for entry in entries]
