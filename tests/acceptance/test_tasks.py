"""`mpipeline run` with models of every task: lines of JSON with their fields, and annotated videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from support import onnx_detectors, runs
from support.command import Workplace
from support.onnx_tasks import classifier, detr, yolo_model

FRAMES = 6
SIZE = (96, 64)
BOX = {"x", "y", "width", "height", "confidence", "class", "class_id", "detection_id"}

MODELS: dict[str, tuple[Callable[[Path], Path], set[str]]] = {
    "segmentation": (lambda path: yolo_model(path, SIZE, "segment", masks=32), {*BOX, "points", "mask_format"}),
    "key points": (lambda path: yolo_model(path, SIZE, "pose", points=17), {*BOX, "keypoints"}),
    "detr": (lambda path: detr(path, SIZE), BOX),
    "detr with masks": (lambda path: detr(path, SIZE, masks=True), {*BOX, "points", "mask_format"}),
    "rt-detr with finished boxes": (lambda path: onnx_detectors.finished_queries(path, SIZE), BOX),
    "yolo-nas": (lambda path: onnx_detectors.yolo_nas(path, SIZE, most=20), BOX),
    "semantic segmentation": (lambda path: onnx_detectors.segmenter(path, SIZE), {*BOX, "points", "mask_format"}),
    "embedding": (lambda path: onnx_detectors.embedder(path, (64, 64)), set()),
    "classification": (lambda path: classifier(path, (64, 64)), {"class", "class_id", "confidence"}),
}


@pytest.mark.parametrize("task", MODELS)
def test_every_task_goes_from_the_file_to_every_sink(task: str, place: Workplace) -> None:
    make, fields = MODELS[task]
    make(place.folder / "model.onnx")
    config: dict[str, Any] = {
        "sources": [runs.clip("a", FRAMES, width=160, height=120)],
        "model": {"path": "model.onnx", "confidence": 0.25, "threads": 1},
        "sinks": [runs.JSONL, {"kind": "video", "path": "{source}.mp4"}],
        "supervision": runs.QUICK_RESTARTS,
    }
    run = place.run(config)
    assert run.wait() == 0, run.log
    lines = runs.by_source(place.folder / "out.jsonl")["a"]
    assert [line["frame_id"] for line in lines] == list(range(1, FRAMES + 1))
    assert all("error" not in line for line in lines)
    entries = [entry for line in lines for entry in line.get("predictions", ())]
    assert entries or all(len(line["embedding"]) == 16 for line in lines)
    assert all(set(entry) == fields for entry in entries)
    if task == "classification":
        assert all(line["top"] == line["predictions"][0]["class"] for line in lines if line["predictions"])
    with av.open(str(place.folder / "a.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == FRAMES
