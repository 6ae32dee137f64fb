"""What handlers and watchdogs raise: it is logged, not at each frame, and does no harm."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.inference_pipeline.events import INFERENCE_COMPLETED_EVENT
from mpipeline.inference_pipeline.reporting import Failures, Reporter, Watch
from mpipeline.inference_pipeline.watchdog import BasePipelineWatchDog


def fail(*_: Any) -> None:
    raise ValueError("no")


def test_a_handler_that_raises_keeps_nobody_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []
    failures = Failures()
    reporter = Reporter([fail, heard.append], failures)
    for _ in range(100):
        reporter.tell(INFERENCE_COMPLETED_EVENT)
    failures.flush()
    assert len(heard) == 100
    assert caplog.records[0].exc_info
    assert "a status update handler failed: ValueError: no" in caplog.text
    assert "98 errors of a status update handler, last was" in caplog.text or len(caplog.records) < 100


def test_what_is_said_later_names_the_line(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures()
    reporter = Reporter([fail], failures)
    reporter.tell(INFERENCE_COMPLETED_EVENT)
    reporter.tell(INFERENCE_COMPLETED_EVENT)
    assert caplog.records[1].getMessage().endswith("in fail)")
    assert __file__ in caplog.records[1].getMessage()


def test_a_watchdog_that_raises_is_logged_with_the_name_of_its_method(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(BasePipelineWatchDog):
        on_model_inference_started = fail
        on_model_prediction_ready = fail
        on_model_prediction_completed = fail

    watch = Watch(Broken(), Failures())
    for step, name in ((watch.started, "inference_started"), (watch.ready, "ready"), (watch.completed, "completed")):
        caplog.clear()
        step([])
        assert f"{name} of the watchdog failed: ValueError: no" in caplog.text


def test_a_watchdog_may_lack_what_it_does_not_need_and_change_what_it_gets() -> None:
    class Old:
        def on_model_inference_started(self, frames: list[Any]) -> None:
            frames.clear()

    frames: list[Any] = [None]
    watch = Watch(Old(), Failures())  # type: ignore[arg-type]
    for step in (watch.started, watch.ready, watch.completed):
        step(frames)
    assert frames == [None]
