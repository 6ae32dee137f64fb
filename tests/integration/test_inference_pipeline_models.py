"""`InferencePipeline.init`: models in files, models that are objects, and the dictionaries of their predictions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.onnx_models import detector
from support.pipelines import Notebook, film, nothing_left, number

from mpipeline import InferencePipeline
from mpipeline.errors import ConfigError, InvalidArgument, ModelError
from mpipeline.inference_pipeline import pipeline as pipeline_module
from mpipeline.inference_pipeline.entities import StatusUpdate, VideoFrame

ANSWER = np.array([[10, 26, 50.6, 66.4, 0.9, 0], [100, 40, 200, 120, 0.6, 1], [1, 10, 5, 20, 0.3, 1]], np.float32)


@pytest.fixture(autouse=True)
def _clean(model: str) -> Iterator[None]:
    InferencePipeline.init(film(5), model)  # the library that runs models keeps a descriptor once it is loaded
    with nothing_left():
        yield


@pytest.fixture
def model(tmp_path: Path) -> str:
    """It sees a cat and two dogs in every frame of 320 x 180, whose letterbox has 6 rows of padding above."""
    metadata = {"task": "detect", "end2end": "True", "imgsz": "[192, 320]", "names": "{0: 'cat', 1: 'dog'}"}
    return str(detector(tmp_path / "m.onnx", ANSWER, size=(192, 320), batch="N", metadata=metadata))


def test_predictions_are_the_dictionaries_that_users_know(model: str) -> None:
    found: list[Any] = []
    pipeline = InferencePipeline.init(film(10), model, lambda prediction, frame: found.append(prediction))
    pipeline.start()
    assert len(found) == 10
    assert found[0]["image"] == {"width": 320, "height": 180}
    cat, dog = found[0]["predictions"]
    assert cat.pop("detection_id") != dog.pop("detection_id")
    assert cat.pop("confidence") == pytest.approx(0.9, abs=1e-3)
    # Corners 10, 20, 50.6 and 60.4, rounded to whole pixels.
    assert cat == {"x": 30.5, "y": 40.0, "width": 41.0, "height": 40.0, "class": "cat", "class_id": 0}
    assert (dog["class"], dog["x"], dog["y"]) == ("dog", 150.0, 74.0)


def test_every_frame_of_several_files_comes_with_its_prediction_and_its_picture(model: str) -> None:
    seen: list[tuple[int | None, int | None, int]] = []

    def sink(predictions: list[Any], frames: list[VideoFrame | None]) -> None:
        for prediction, frame in zip(predictions, frames, strict=True):
            assert (prediction is None) is (frame is None)
            if frame is not None:
                seen.append((frame.source_id, number(frame), len(prediction["predictions"])))

    InferencePipeline.init([film(40), film(25)], model, sink, confidence=0.2).start()
    assert [n for source, n, _ in seen if source == 0] == list(range(40))
    assert [n for source, n, _ in seen if source == 1] == list(range(25))
    assert {count for *_, count in seen} == {3}


def test_a_sink_that_looks_at_no_picture_and_keeps_all(model: str) -> None:
    kept: list[VideoFrame] = []
    InferencePipeline.init(film(30), model, lambda _, frame: kept.append(frame)).start()
    assert [number(frame) for frame in kept] == list(range(30))


def test_predictions_have_the_numbers_of_objects_if_asked_for(model: str) -> None:
    pytest.importorskip("trackers", reason="needs the library: pip install --no-deps 'trackers>=2.6,<3'")
    found, tracked = list[Any](), list[Any]()
    InferencePipeline.init(film(5), model, lambda one, _: found.append(one)).start()
    InferencePipeline.init(film(5), model, lambda one, _: tracked.append(one), tracker="bytetrack").start()
    assert not any("tracker_id" in row for one in found for row in one["predictions"])
    ids = [[row["tracker_id"] for row in one["predictions"]] for one in tracked]
    assert ids == [[None, None]] + [[1, None]] * 4  # the dog, of confidence 0.6, begins no track
    options = {"kind": "bytetrack", "track_activation_threshold": 0.5}
    InferencePipeline.init(film(5), model, lambda one, _: tracked.append(one), tracker=options).start()
    assert [row["tracker_id"] for row in tracked[-1]["predictions"]] == [1, 2]
    with pytest.raises(ConfigError, match="did you mean 'bytetrack'"):
        InferencePipeline.init(film(5), model, tracker="bytetrak")
    with pytest.raises(InvalidArgument, match="only for models that are files"):
        InferencePipeline.init(film(5), Model(), tracker="bytetrack")


def test_options_that_are_left_out_come_from_the_environment(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    monkeypatch.setenv("CONFIDENCE", "0.7")
    monkeypatch.setenv("MAX_DETECTIONS", "2")
    sink = lambda prediction, _: counts.append(len(prediction["predictions"]))  # noqa: E731
    InferencePipeline.init(film(5), model, sink).start()
    InferencePipeline.init(film(5), model, sink, confidence=0.1).start()
    assert counts == [1] * 5 + [2] * 5
    monkeypatch.setenv("CONFIDENCE", "high")
    with pytest.raises(ConfigError, match="CONFIDENCE: expected a number, got 'high'"):
        InferencePipeline.init(film(5), model)


def test_models_that_do_not_work_are_told_before_anything_starts(tmp_path: Path, model: str) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match="no such model file"):
        InferencePipeline.init(film(5), str(tmp_path / "none.onnx"))
    with pytest.raises(ModelError):
        InferencePipeline.init(film(5), str(tmp_path / "text.onnx"))
    for wrong in ({"active_learning_enabled": True}, {"mask_decode_mode": "fast"}, {"max_candidates": 10}):
        with pytest.raises(InvalidArgument, match="leave"):
            InferencePipeline.init(film(5), model, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="model_id"):
        InferencePipeline.init(film(5), 7)


class Answer:
    """A result as those of pydantic models."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.sizes = sizes

    def dict(self, **options: bool) -> dict[str, Any]:
        assert options == {"by_alias": True, "exclude_none": True}
        return {"sizes": self.sizes}


class Model:
    """A model that is an object: it cannot be pickled, and need not be."""

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []
        self.secret = lambda: None

    def infer(self, images: list[Any], **options: Any) -> list[Answer]:
        self.options.append(options)
        return [Answer(image.shape) for image in images]


def test_a_model_that_is_an_object_is_called_here_with_its_options() -> None:
    model, notebook = Model(), Notebook()
    InferencePipeline.init([film(10), film(10)], model, notebook, confidence=0.3, iou_threshold=0.6).start()
    assert notebook.by_source[1] == [(n, {"sizes": (180, 320, 3)}) for n in range(1, 11)]
    assert len(model.options) == 10
    assert {"confidence": 0.3, "iou_threshold": 0.6}.items() <= model.options[0].items()


def test_frames_at_which_the_model_fails_are_told_and_left_out(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No empty prediction takes the place of one that could not be made."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setattr(pipeline_module, "model_entry", lambda *_: {"target": "support.detectors:Poisoned"})
    notebook, updates = Notebook(), list[StatusUpdate]()
    InferencePipeline.init(film(30), model, notebook, status_update_handlers=[updates.append]).start()
    assert notebook.ids() == [n for n in range(1, 31) if n % 7]
    errors = [one.payload for one in updates if one.event_type == "INFERENCE_ERROR"]
    assert ["seven is poison" in error["error_message"] for error in errors] == [True] * 4
    dropped = [one.payload for one in updates if one.event_type == "FRAME_DROPPED"]
    assert [one["frame_id"] for one in dropped if one["cause"] == "inference_failed"] == [7, 14, 21, 28]
