"""The arguments of `InferencePipeline`: names, order, defaults, and what each of them does or is refused for.

What other tests show is not shown again here; `inference_pipeline_rows.py` says which tests those are.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.onnx_models import detector
from support.pipelines import Notebook, complete, film, make

from mpipeline import InferencePipeline, SinkMode
from mpipeline.config.schema import ModelSpec
from mpipeline.errors import InvalidArgument
from mpipeline.inference_pipeline.arguments import feed_of
from mpipeline.inference_pipeline.assembly import Feed
from mpipeline.inference_pipeline.entities import StatusUpdate
from mpipeline.inference_pipeline.windows import FixedTimeout, SelfTuned

REQUIRED = inspect.Parameter.empty
OF_EVERY_SOURCE = {
    "source_buffer_filling_strategy": None,
    "source_buffer_consumption_strategy": None,
}
OF_EVERY_BATCH = {
    "batch_collection_timeout": None,
    "video_processing_mode": None,
    "max_staleness": None,
    "sink_mode": SinkMode.ADAPTIVE,
    "predictions_queue_size": 512,
    "decoding_buffer_size": 64,
    "exec_session_id": None,
}
INIT = {
    "video_reference": REQUIRED,
    "model_id": REQUIRED,
    "on_prediction": None,
    "api_key": None,
    "max_fps": None,
    "watchdog": None,
    "status_update_handlers": None,
    **OF_EVERY_SOURCE,
    "class_agnostic_nms": None,
    "confidence": None,
    "iou_threshold": None,
    "max_candidates": None,
    "max_detections": None,
    "mask_decode_mode": "accurate",
    "tradeoff_factor": 0.0,
    "active_learning_enabled": None,
    "video_source_properties": None,
    "active_learning_target_dataset": None,
    **OF_EVERY_BATCH,
    "tracker": None,
}
CUSTOM_LOGIC = {
    "video_reference": REQUIRED,
    "on_video_frame": REQUIRED,
    "on_prediction": None,
    "on_pipeline_start": None,
    "on_pipeline_end": None,
    "max_fps": None,
    "watchdog": None,
    "status_update_handlers": None,
    **OF_EVERY_SOURCE,
    "video_source_properties": None,
    **OF_EVERY_BATCH,
    "allow_tensor_frames": False,
}


@pytest.mark.parametrize(
    ("method", "expected"),
    [(InferencePipeline.init, INIT), (InferencePipeline.init_with_custom_logic, CUSTOM_LOGIC)],
)
def test_parameters_have_their_names_order_and_defaults(method: Callable[..., Any], expected: dict[str, Any]) -> None:
    found = {name: one.default for name, one in inspect.signature(method).parameters.items()}
    assert list(found.items()) == list(expected.items())


@pytest.mark.parametrize(("name", "default"), [("use_main_thread", True)])
def test_start_dispatches_in_the_main_thread_unless_told_otherwise(name: str, default: bool) -> None:
    parameters = inspect.signature(InferencePipeline.start).parameters
    assert {key: one.default for key, one in parameters.items() if key != "self"} == {name: default}


@pytest.mark.parametrize("verb", ["pause_stream", "mute_stream", "resume_stream"])
def test_a_stream_is_named_by_source_id_or_all_are_meant(verb: str) -> None:
    parameters = inspect.signature(getattr(InferencePipeline, verb)).parameters
    assert {key: one.default for key, one in parameters.items() if key != "self"} == {"source_id": None}


def test_without_arguments_and_environment_a_model_has_the_defaults_of_the_original() -> None:
    spec = ModelSpec.from_mapping({"path": "m.onnx"})
    assert (spec.confidence, spec.iou_threshold, spec.max_detections) == (0.4, 0.3, 300)
    assert spec.class_agnostic_nms is False


def test_the_list_of_handlers_is_copied_and_the_watchdog_hears_after_them() -> None:
    heard: dict[int, list[str]] = {}
    registered: list[int] = []

    def note(name: str) -> None:
        heard.setdefault(threading.get_ident(), []).append(name)

    class Watchdog:
        def register_video_sources(self, video_sources: list[Any]) -> None:
            registered.append(len(video_sources))

        def on_status_update(self, status_update: StatusUpdate) -> None:
            note("watchdog")

        def on_model_inference_started(self, frames: list[Any]) -> None:
            pass

        on_model_prediction_ready = on_model_prediction_completed = on_model_inference_started

    handlers = [lambda _: note("first"), lambda _: note("second")]
    pipeline = make(video_reference=[film(5), film(6)], status_update_handlers=handlers, watchdog=Watchdog())
    handlers.append(lambda _: note("stranger"))
    pipeline.start()
    assert set(registered) == {2}
    assert heard
    for names in heard.values():
        assert names == ["first", "second", "watchdog"] * (len(names) // 3)


def test_a_session_has_the_id_that_is_given_or_one_of_its_own() -> None:
    assert make(exec_session_id="monday").exec_session_id == "monday"
    first, second = make().exec_session_id, make().exec_session_id
    assert re.fullmatch(r"\d{19}_[0-9a-f]{4}", first)
    assert first != second


def test_a_queue_of_one_prediction_is_enough() -> None:
    notebook = Notebook()
    make(notebook, predictions_queue_size=1).start()
    assert notebook.by_source[0] == complete(30)


def test_buffers_of_the_environment_have_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INFERENCE_PIPELINE_PREDICTIONS_QUEUE_SIZE", "VIDEO_SOURCE_BUFFER_SIZE"):
        monkeypatch.setenv(name, "no number")
    monkeypatch.setenv("ENABLE_FRAME_DROP_ON_VIDEO_FILE_RATE_LIMITING", "True")
    notebook = Notebook()
    make(notebook, video_reference=film(10), max_fps=200).start()
    assert notebook.by_source[0] == complete(10)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"active_learning_enabled": True}, "not uploaded"),
        ({"active_learning_target_dataset": "mine"}, "not uploaded"),
        ({"mask_decode_mode": "fast"}, "mask_decode_mode"),
        ({"tradeoff_factor": 0.5}, "tradeoff_factor"),
        ({"max_candidates": 100}, "max_candidates"),
        ({"model_id": ""}, "model_id"),
        ({"tracker": 7}, "tracker=7: expected a kind"),
    ],
)
def test_what_a_model_cannot_honour_is_refused(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    metadata = {"task": "detect", "end2end": "True", "imgsz": "[64, 64]", "names": "{0: 'cat'}"}
    model = detector(tmp_path / "m.onnx", np.zeros((1, 6), np.float32), batch="N", metadata=metadata)
    given = {"video_reference": film(5), "model_id": str(model), **wrong}
    with pytest.raises(InvalidArgument, match=said):
        InferencePipeline.init(**given)
    accepted = {"active_learning_enabled": False, "max_candidates": 3000, "mask_decode_mode": "accurate"}
    assert InferencePipeline.init(film(5), str(model), **accepted)  # type: ignore[arg-type]


# --- how frames are taken ---------------------------------------------------------------------------------------------


def feed(reference: Any = "TestPatternStreamProducer", **arguments: Any) -> Feed:
    given = {"max_fps": None, "strategies": (None, None), "properties": None, "batch_collection_timeout": None}
    given |= {"processing": (None, None), "decoding_buffer_size": 64, **arguments}
    return feed_of(reference, **given)


@pytest.mark.parametrize(
    ("mode", "eager", "window", "staleness"),
    [
        (None, None, FixedTimeout, None),
        ("legacy", None, FixedTimeout, None),
        ("none", None, FixedTimeout, None),
        ("freshest", True, FixedTimeout, None),
        ("every_frame", False, SelfTuned, None),
        ("auto", False, SelfTuned, 0.5),
    ],
)
def test_each_processing_mode_says_what_is_taken_and_how_long_is_waited(
    mode: str | None, eager: bool | None, window: type, staleness: float | None
) -> None:
    made = feed(processing=(mode, None))
    assert (made.rules.eager, made.max_staleness_s) == (eager, staleness)
    assert isinstance(made.make_window(), window)


def test_freshest_collects_for_20_ms() -> None:
    window = feed(processing=("freshest", None)).make_window()
    window.begin(0)
    assert window.closes_ns == 20_000_000


def test_max_staleness_can_be_chosen_in_auto() -> None:
    assert feed(processing=("auto", 0.2)).max_staleness_s == 0.2


def test_max_fps_is_shared_by_the_sources() -> None:
    assert feed(["TestPatternStreamProducer"] * 4, max_fps=10).batches_per_second == 2.5
    assert feed(max_fps=10).batches_per_second == 10
    assert feed().batches_per_second is None
