"""Mishaps of an `InferencePipeline`: broken watchdogs and hooks, no threads, forks; and what is told of the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import media
from support.pipelines import Moment, Notebook, complete, endless, film, make, nothing, nothing_left, number

from mpipeline.errors import SourceError, StreamOperationNotAllowedError
from mpipeline.inference_pipeline.entities import StatusUpdate, VideoFrame
from mpipeline.inference_pipeline.watchdog import BasePipelineWatchDog


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    with nothing_left():
        yield


def test_how_a_source_has_failed_is_told_before_it_is_over(tmp_path: Any) -> None:
    broken = media.cut(Path(film(90, suffix=".mkv")), 0.5)
    for _ in range(5):  # what is told comes from two threads
        updates: list[StatusUpdate] = []
        pipeline = make(None, nothing, video_reference=str(broken), status_update_handlers=[updates.append])
        with pytest.raises(SourceError):
            pipeline.start()
        assert [one.payload["source_id"] for one in updates if one.event_type == "SOURCE_ERROR"] == [0]
        states = [one.payload["new_state"].name for one in updates if one.event_type == "SOURCE_STATE_UPDATE"]
        assert states[-1] == "ERROR"


def test_sources_of_a_pipeline_that_was_ended_have_ended() -> None:
    watchdog, moment = BasePipelineWatchDog(), Moment()
    pipeline = make(moment, nothing, watchdog=watchdog, **endless())
    pipeline.start(use_main_thread=False)
    moment.has_come.wait()
    pipeline.terminate()
    pipeline.join()
    report = watchdog.get_report()
    assert [one.state.name for one in report.sources_metadata] == ["ENDED"]
    told = [one.event_type for one in report.video_source_status_updates]
    assert told[-2:] == ["VIDEO_CONSUMPTION_FINISHED", "INFERENCE_THREAD_FINISHED"]
    with pytest.raises(StreamOperationNotAllowedError, match="ENDED"):
        pipeline.pause_stream()


@pytest.mark.parametrize("step", ["inference_started", "prediction_ready", "prediction_completed"])
def test_a_watchdog_that_raises_does_no_harm(step: str) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no")

    notebook = Notebook()
    watchdog = type("Broken", (BasePipelineWatchDog,), {f"on_model_{step}": fail})()
    make(notebook, watchdog=watchdog).start()
    assert notebook.by_source[0] == complete(30)


def test_a_handler_that_ends_its_thread_ends_the_run() -> None:
    def leave(update: StatusUpdate) -> None:
        if update.event_type == "INFERENCE_THREAD_STARTED":
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        make(None, nothing, status_update_handlers=[leave], **endless()).start()


def test_hooks_cannot_wait_for_the_run_that_they_belong_to() -> None:
    refused: list[str] = []

    def hook() -> None:
        for call in (pipeline.join, pipeline.start):
            try:
                call()
            except (RuntimeError, StreamOperationNotAllowedError) as error:
                refused.append(str(error))

    pipeline = make(on_pipeline_start=hook, on_pipeline_end=hook)
    pipeline.start()
    assert ["terminate()" in text for text in refused] == [True, False, True, False]


def test_a_thread_that_cannot_be_started_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the last thread of all: what runs by then is ended."""
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if thread.name == "mpipeline dispatching":
            raise RuntimeError("can't start new thread")
        start(thread)

    ended: list[bool] = []
    pipeline = make(None, nothing, on_pipeline_end=lambda: ended.append(True), **endless())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", limited)
        with pytest.raises(RuntimeError, match="new thread"):
            pipeline.start(use_main_thread=False)
    pipeline.join()
    assert ended == [True]


def test_a_fork_of_the_program_leaves_the_run_alone() -> None:
    """It ends by an error inside a callback, while the parent's frames lie in shared memory."""
    notebook, forks = Notebook(), list[int]()

    def sink(prediction: Any, frame: VideoFrame) -> None:
        if frame.frame_id in (5, 10):
            process = os.fork()
            if not process:
                raise SystemExit(7)
            forks.append(process)
            assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 7
        notebook(number(frame), frame)

    own = os.getpid()
    try:
        make(sink, nothing, video_reference=film(60)).start()
    except SystemExit as error:
        if os.getpid() != own:
            os._exit(int(str(error.code)))
        raise
    assert notebook.by_source[0] == complete(60)
    assert len(forks) == 2
