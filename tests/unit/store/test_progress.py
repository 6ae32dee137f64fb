"""The log of a download."""

from __future__ import annotations

import logging

import pytest

from mpipeline.clock import ManualClock
from mpipeline.store.progress import LoggedProgress

MIB = 1 << 20


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("mpipeline"), "propagate", True)
    caplog.set_level(logging.INFO, logger="mpipeline")
    return caplog


def test_small_files_are_not_worth_a_line(logged: pytest.LogCaptureFixture) -> None:
    progress = LoggedProgress(ManualClock())
    progress.begin("class_names.txt", 120, 0)
    progress.advance(120)
    progress.end()
    assert not logged.messages


def test_a_line_at_the_beginning_and_now_and_then(logged: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    progress = LoggedProgress(clock)
    progress.begin("weights.onnx", 8 * MIB, 2 * MIB)
    for _ in range(4):
        progress.advance(MIB)
        clock.advance(3)
    assert logged.messages == [
        "fetching weights.onnx, 8.0 MiB, 2.0 of them are here already",
        "weights.onnx: 5.0 MiB, 62%",
    ]


def test_a_length_that_is_not_told(logged: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    progress = LoggedProgress(clock)
    progress.begin("weights.onnx", None, 0)
    clock.advance(6)
    progress.advance(MIB)
    assert logged.messages == ["weights.onnx: 1.0 MiB"]
