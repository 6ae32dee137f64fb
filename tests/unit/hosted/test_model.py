"""`get_model`: a model in the caller's own process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.model_hub import NAMES, small_detector, write_legacy_package, write_package
from support.onnx_tasks import classifier, detr, yolo_model

import mpipeline
from mpipeline.errors import ConfigError, ModelError, ModelUnavailable
from mpipeline.hosted.model import Model, get_model


def black(width: int = 128, height: int = 128) -> Any:
    return np.zeros((height, width, 3), np.uint8)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODEL_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("ROBOFLOW_API_KEY", "API_KEY", "OFFLINE_MODE"):
        monkeypatch.delenv(name, raising=False)
    write_legacy_package(tmp_path / "cache" / "coco" / "3")
    return tmp_path / "cache"


@pytest.fixture
def model(cache: Path) -> Model:
    return get_model("yolov8n-640")


def test_the_package_exports_it() -> None:
    assert mpipeline.get_model is get_model


def test_what_it_says_of_itself(model: Model) -> None:
    assert model.class_names == NAMES
    assert model.task_type == "object-detection"
    assert model.input_size == (64, 64)
    assert "The model package says family, size, names, normalisation." in model.notes


def test_one_picture(model: Model) -> None:
    (result,) = model.infer(black())
    assert result["image"] == {"width": 128, "height": 128}
    (found,) = result["predictions"]
    assert {key: found[key] for key in found if key != "detection_id"} == {
        "x": 32.0,
        "y": 64.0,
        "width": 16.0,
        "height": 32.0,
        "confidence": pytest.approx(0.9),
        "class": "box",
        "class_id": 1,
    }


def test_a_list_of_pictures_of_any_number_and_size(model: Model) -> None:
    assert model.infer([]) == []
    results = model.infer([black(64 + n, 100) for n in range(19)])
    assert [result["image"]["width"] for result in results] == [64 + n for n in range(19)]
    ids = [found["detection_id"] for result in results for found in result["predictions"]]
    assert len(set(ids)) == len(ids) == 19
    other = model.infer(black())[0]["predictions"][0]["detection_id"]
    assert other not in ids


def test_options_hold_for_one_call(model: Model) -> None:
    assert len(model.infer(black(), confidence=0.3)[0]["predictions"]) == 2
    assert len(model.infer(black(), confidence=0.3, iou_threshold=0.99)[0]["predictions"]) == 3
    assert len(model.infer(black(), confidence=0.3, iou_threshold=0.99, max_detections=1)[0]["predictions"]) == 1
    assert len(model.infer(black())[0]["predictions"]) == 1


def test_options_of_the_model(cache: Path) -> None:
    model = get_model("coco/3", confidence=0.95, names=["a", "b", "c"])
    assert model.class_names == ["a", "b", "c"]
    assert model.infer(black())[0]["predictions"] == []


def test_a_package_allows_so_many_pictures_at_once(tmp_path: Path) -> None:
    model = get_model(write_package(tmp_path / "package"))
    assert model._predictor.max_batch == 4
    assert len(model.infer([black()] * 9)) == 9


def test_a_file_alone(tmp_path: Path) -> None:
    model = get_model(small_detector(tmp_path / "m.onnx"))
    assert model.class_names == ["0", "1", "2"]
    assert model.infer(black())[0]["predictions"][0]["class"] == "1"


def test_the_task_of_a_file_alone_is_seen_from_the_file(tmp_path: Path) -> None:
    files = {
        "object-detection": small_detector(tmp_path / "boxes.onnx"),
        "instance-segmentation": detr(tmp_path / "masks.onnx", (96, 64), masks=True),
        "keypoint-detection": yolo_model(tmp_path / "points.onnx", (96, 64), "pose", points=17),
        "classification": classifier(tmp_path / "classes.onnx", (64, 64)),
    }
    assert {task: get_model(file).task_type for task, file in files.items()} == {task: task for task in files}


def test_threads_take_turns(model: Model) -> None:
    results: list[list[dict[str, Any]]] = []
    thresholds = [0.3, 0.4] * 4
    threads = [
        threading.Thread(target=lambda t=t: results.append(model.infer(black(), confidence=t))) for t in thresholds
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(result[0]["predictions"]) for result in results) == [1] * 4 + [2] * 4


def test_what_goes_wrong_is_raised_by_the_call(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelUnavailable, match="ROBOFLOW_API_KEY"):
        get_model("coco/4")
    monkeypatch.setenv("OFFLINE_MODE", "true")
    with pytest.raises(ModelUnavailable, match="OFFLINE_MODE"):
        get_model("coco/4", api_key="key")
    with pytest.raises(ModelError, match="no such model file"):
        get_model(tmp_path / "missing.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="not an ONNX file, it begins with b'no model'"):
        get_model(tmp_path / "broken.onnx")
    whole = (cache / "coco" / "3" / "weights.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"cut\.onnx: is cut off: it has \d+ bytes"):
        get_model(tmp_path / "cut.onnx")


@pytest.mark.parametrize(
    "options", [{"confidence": 2}, {"confidnce": 0.5}, {"path": "x"}, {"target": "a:b"}, {"family": "x"}]
)
def test_wrong_options(cache: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        get_model("coco/3", **options)


def test_wrong_options_of_a_call(model: Model) -> None:
    with pytest.raises(ConfigError, match="iou_threshold"):
        model.infer(black(), iou_threshold=-1)


def test_a_closed_model_says_so(model: Model) -> None:
    with model:
        pass
    model.close()
    with pytest.raises(mpipeline.MpipelineError, match="closed"):
        model.infer(black())
