"""§5.3: `multi_sink` and failures that stay with their sink."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest
from support.video_frames import detections, frame

from mpipeline.inference_pipeline.sinks import calling_thread, multi_sink


@pytest.fixture(autouse=True)
def _nothing_was_reported_this_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling_thread, "_MEMORY", calling_thread._Memory())


def broken(predictions: Any, video_frame: Any, what: str = "no disk") -> None:
    raise OSError(what)


def test_5_3_every_sink_gets_the_same_in_order() -> None:
    got: list[tuple[int, Any, Any]] = []
    sinks = [lambda p, f, number=number: got.append((number, p, f)) for number in range(3)]
    prediction, made = detections(), frame()
    partial(multi_sink, sinks=sinks)(prediction, made)
    assert [number for number, _, _ in got] == [0, 1, 2]
    assert all(p is prediction and f is made for _, p, f in got)


def test_5_3_a_failure_is_an_error_in_the_log_and_the_others_are_called(caplog: pytest.LogCaptureFixture) -> None:
    got: list[Any] = []
    sinks = [broken, lambda p, f: got.append(f)]
    with caplog.at_level(logging.WARNING, "mpipeline"):
        multi_sink(detections(), frame(7, 2), sinks)
    assert len(got) == 1
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "broken failed with frame 7 of source 2: OSError: no disk" in record.getMessage()
    assert "test_fan_out.py" in record.getMessage()


@pytest.mark.parametrize("video_frame", [[frame(1), None], [], [None], "something else"])
def test_5_3_a_failure_with_a_batch_is_told_as_well(caplog: pytest.LogCaptureFixture, video_frame: Any) -> None:
    with caplog.at_level(logging.WARNING, "mpipeline"):
        multi_sink([], video_frame, [partial(broken, what="full")])
    assert "broken failed with" in caplog.text
    assert "full" in caplog.text


def test_5_3_a_sink_that_always_fails_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mpipeline"):
        for number in range(1000):
            multi_sink(detections(), frame(number), [broken])
    assert 1 <= len(caplog.records) < 100


def test_5_3_an_interrupt_is_no_failure_of_a_sink() -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        multi_sink(detections(), frame(), [interrupted])
