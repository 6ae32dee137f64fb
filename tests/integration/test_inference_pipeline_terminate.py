"""An `InferencePipeline` ends when it is told to: at any moment, from any thread, from inside its own callbacks."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.pipelines import Moment, endless, make, nothing, nothing_left
from support.producers import Clip

from mpipeline.inference_pipeline.entities import StatusUpdate, VideoFrame
from mpipeline.inference_pipeline.pipeline import InferencePipeline


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    with nothing_left():
        yield


def from_inside(place: str) -> Callable[[InferencePipeline], dict[str, Any]]:
    """Arguments with which the pipeline ends itself in its fifth frame."""

    def arguments(pipeline: list[InferencePipeline]) -> dict[str, Any]:
        def end(frame_id: int) -> None:
            if frame_id == 5:
                pipeline[0].terminate()

        def logic(frames: list[VideoFrame]) -> list[None]:
            if place == "logic":
                end(frames[0].frame_id)
            return [None]

        def sink(_: Any, frame: VideoFrame) -> None:
            if place == "sink":
                end(frame.frame_id)

        def handler(update: StatusUpdate) -> None:
            if place == "handler" and update.event_type == "VIDEO_CONSUMPTION_STARTED":
                pipeline[0].terminate()

        return {"logic": logic, "sink": sink, "status_update_handlers": [handler]}

    return arguments  # type: ignore[return-value]


@pytest.mark.parametrize("use_main_thread", [True, False])
@pytest.mark.parametrize("place", ["logic", "sink", "handler"])
def test_a_pipeline_ends_itself(place: str, use_main_thread: bool) -> None:
    box: list[Any] = []
    box.append(make(**from_inside(place)(box), **endless()))  # type: ignore[arg-type]
    box[0].start(use_main_thread=use_main_thread)
    box[0].join()


def test_another_thread_ends_it_and_what_comes_then_is_not_called() -> None:
    moment = Moment()
    pipeline = make(moment, nothing, **endless())
    ender = threading.Thread(target=lambda: (moment.has_come.wait(), pipeline.terminate(), pipeline.terminate()))
    ender.start()
    pipeline.start()
    ender.join()
    pipeline.terminate()
    pipeline.join()


def test_several_threads_end_it_at_once() -> None:
    moment = Moment()
    pipeline = make(moment, nothing, **endless())
    pipeline.start(use_main_thread=False)
    moment.has_come.wait()
    enders = [threading.Thread(target=pipeline.terminate) for _ in range(8)]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()
    pipeline.join()


def test_it_ends_at_once_after_the_start() -> None:
    pipeline = make(None, nothing, **endless())
    pipeline.start(use_main_thread=False)
    pipeline.terminate()
    pipeline.join()


def test_it_ends_while_a_callback_does_not_return() -> None:
    """Processes and memory are gone when `terminate` returns; the callback ends as it likes, `join` waits for it."""
    inside, free = threading.Event(), threading.Event()

    def logic(frames: list[VideoFrame]) -> list[int]:
        inside.set()
        free.wait()
        return [int(frames[0].image[0, 0, 0])]  # still there

    pipeline = make(None, logic, **endless())
    pipeline.start(use_main_thread=False)
    inside.wait()
    pipeline.terminate()
    free.set()
    pipeline.join()


def test_a_context_ends_it() -> None:
    moment = Moment()
    with make(moment, nothing, **endless()) as pipeline:
        pipeline.start(use_main_thread=False)
        moment.has_come.wait()


def test_join_inside_a_callback_is_refused() -> None:
    errors: list[str] = []

    def sink(*_: Any) -> None:
        try:
            pipeline.join()
        except RuntimeError as error:
            errors.append(str(error))

    pipeline = make(sink)
    pipeline.start()
    assert len(errors) == 30
    assert "terminate()" in errors[0]


def test_one_that_was_made_and_dropped_leaves_nothing() -> None:
    make(**endless())
    gc.collect()


def test_a_producer_ends_the_pipeline(caplog: pytest.LogCaptureFixture) -> None:
    """The run waits for the producer, so that the producer is not made to wait for the run."""

    class Ending(Clip):
        def grab(self) -> bool:
            if self.number == 5:
                pipeline.terminate()
            return super().grab()

    pipeline = make(None, nothing, video_reference=lambda: Ending(1000))
    pipeline.start()
    assert "left behind" not in caplog.text


def test_a_producer_cannot_join() -> None:
    refused: list[str] = []

    class Joining(Clip):
        def grab(self) -> bool:
            if self.number == 5:
                with pytest.raises(RuntimeError) as caught:
                    pipeline.join()
                refused.append(str(caught.value))
            return super().grab()

    pipeline = make(None, nothing, video_reference=lambda: Joining(20))
    pipeline.start()
    assert ["terminate()" in text for text in refused] == [True]


def test_who_hears_of_a_drop_ends_the_pipeline(caplog: pytest.LogCaptureFixture) -> None:
    waits = threading.Event()

    def handler(update: StatusUpdate) -> None:
        if update.event_type == "FRAME_DROPPED":
            pipeline.terminate()

    logic = lambda frames: [waits.wait(0.3)] * len(frames)  # noqa: E731
    pipeline = make(None, logic, status_update_handlers=[handler], video_reference=lambda: Clip(-1, is_file=False))
    pipeline.start()
    assert "left behind" not in caplog.text
