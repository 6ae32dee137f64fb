"""The life of an `InferencePipeline`: hooks, errors, ends at any moment and from anywhere, and beginning again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.pipelines import Moment, Notebook, complete, endless, film, make, nothing, nothing_left

from mpipeline.errors import ConfigError, SourceError, StreamOperationNotAllowedError
from mpipeline.inference_pipeline.entities import StatusUpdate, VideoFrame
from mpipeline.inference_pipeline.pipeline import InferencePipeline


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    with nothing_left():
        yield


def started_and_joined(pipeline: InferencePipeline, use_main_thread: bool) -> None:
    pipeline.start(use_main_thread=use_main_thread)
    pipeline.join()


# --- beginning and end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_main_thread", [True, False])
def test_sinks_are_called_where_it_was_asked_for(use_main_thread: bool) -> None:
    threads: set[threading.Thread] = set()
    pipeline = make(lambda *_: threads.add(threading.current_thread()))
    pipeline.start(use_main_thread=use_main_thread)
    pipeline.join()
    assert (threads == {threading.main_thread()}) is use_main_thread
    assert len(threads) == 1


def test_hooks_are_called_once_a_run_and_around_all_frames() -> None:
    told: list[str] = []
    pipeline = make(
        lambda *_: told.append("sink"),
        lambda frames: [told.append("logic")],
        on_pipeline_start=lambda: told.append("start"),
        on_pipeline_end=lambda: told.append("end"),
    )
    for _ in range(2):
        pipeline.start()
        pipeline.join()
        pipeline.join()
        assert (told[0], told[-1], told.count("start"), told.count("end")) == ("start", "end", 1, 1)
        told.clear()


def test_a_start_hook_that_raises_ends_the_start() -> None:
    def fail() -> None:
        raise OSError("no licence")

    pipeline = make(on_pipeline_start=fail, **endless())
    with pytest.raises(OSError, match="no licence"):
        pipeline.start()
    pipeline.terminate()


def test_an_end_hook_that_raises_is_told() -> None:
    def fail() -> None:
        raise OSError("no room for the report")

    pipeline = make(on_pipeline_end=fail)
    pipeline.start(use_main_thread=False)
    with pytest.raises(OSError, match="no room"):
        pipeline.join()


def test_one_that_has_ended_can_be_started_again() -> None:
    notebook = Notebook()
    pipeline = make(notebook)
    for _ in range(3):
        notebook.by_source.clear()
        pipeline.start()
        assert notebook.by_source[0] == complete(30)


def test_one_that_was_terminated_can_be_started_again() -> None:
    notebook, moment = Notebook(), Moment()
    pipeline = make(lambda *arguments: (notebook(*arguments), moment(*arguments)))
    pipeline.start(use_main_thread=False)
    moment.has_come.wait()
    pipeline.terminate()
    pipeline.join()
    notebook.by_source.clear()
    pipeline.start()
    assert notebook.by_source[0] == complete(30)


def test_one_that_runs_cannot_be_started() -> None:
    moment = Moment()
    with make(moment, nothing, **endless()) as pipeline:
        pipeline.start(use_main_thread=False)
        moment.has_come.wait()
        with pytest.raises(StreamOperationNotAllowedError, match="runs already"):
            pipeline.start()


def test_before_the_start_nothing_happens() -> None:
    pipeline = make(on_pipeline_end=lambda: pytest.fail("it has never begun"))
    pipeline.terminate()
    pipeline.join()
    with pipeline:
        pass


def test_what_keeps_it_from_starting_is_raised_by_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPIPELINE_RUN_ROOT", "/proc/nowhere")
    pipeline = make()
    for _ in range(2):
        with pytest.raises(ConfigError, match="MPIPELINE_RUN_ROOT"):
            pipeline.start(use_main_thread=False)
    pipeline.terminate()


# --- errors -----------------------------------------------------------------------------------------------------------


def test_a_sink_that_raises_is_reported_and_the_stream_goes_on() -> None:
    notebook = Notebook()
    updates: list[StatusUpdate] = []

    def sink(prediction: Any, frame: VideoFrame) -> None:
        notebook(prediction, frame)
        if frame.frame_id % 10 == 0:
            raise ValueError("ten again")

    make(sink, status_update_handlers=[updates.append]).start()
    assert notebook.by_source[0] == complete(30)
    errors = [one.payload for one in updates if one.event_type == "INFERENCE_RESULTS_DISPATCHING_ERROR"]
    assert [error["error_message"] for error in errors] == ["ten again"] * 3


@pytest.mark.parametrize("use_main_thread", [True, False])
def test_logic_that_raises_ends_the_pipeline_and_is_raised(use_main_thread: bool) -> None:
    seen: list[int] = []

    def logic(frames: list[VideoFrame]) -> list[int]:
        if frames[0].frame_id == 7:
            raise KeyError("seven")
        return [frames[0].frame_id]

    pipeline = make(lambda prediction, _: seen.append(prediction), logic)
    with pytest.raises(KeyError, match="seven"):
        started_and_joined(pipeline, use_main_thread)
    with pytest.raises(KeyError, match="seven"):
        pipeline.join()
    assert seen == list(range(1, 7))


def test_logic_that_gives_no_result_for_a_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match="given 1 frames"):
        make(logic=lambda frames: []).start()


def test_a_handler_that_raises_does_no_harm() -> None:
    def fail(_: StatusUpdate) -> None:
        raise RuntimeError("no")

    notebook = Notebook()
    make(notebook, status_update_handlers=[fail]).start()
    assert notebook.by_source[0] == complete(30)


def test_a_file_that_is_no_video_is_told_before_anything_starts(tmp_path: Any) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video at all\n" * 100)
    with pytest.raises(SourceError):
        make(video_reference=str(text))
    with pytest.raises(SourceError, match="no such file"):
        make(video_reference=[film(5), str(tmp_path / "missing.mp4")])


def test_a_file_that_breaks_off_is_an_error_at_the_end(tmp_path: Any) -> None:
    from pathlib import Path

    from support import media

    notebook = Notebook()
    broken = media.cut(Path(film(90, suffix=".mkv")), 0.5)
    pipeline = make(notebook, video_reference=[film(20), str(broken)])
    with pytest.raises(SourceError):
        pipeline.start()
    assert notebook.by_source[0] == complete(20)
