"""A sink that cannot write for a while: growing pauses, a state to be seen, few words in the log."""

from __future__ import annotations

import logging
import random

import pytest

from mpipeline.backoff import Backoff
from mpipeline.clock import ManualClock
from mpipeline.errors import Reason, SinkError
from mpipeline.workers.retrying import Retrying

FULL = SinkError("cannot write to out: the disk is full", reason=Reason.NO_SPACE, retryable=True)


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("mpipeline"), "propagate", True)
    caplog.set_level(logging.INFO)
    return caplog


def names(events: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in events.records]  # type: ignore[attr-defined]


def test_pauses_grow_to_half_a_minute_and_begin_anew_after_a_success() -> None:
    clock = ManualClock()
    retrying = Retrying("s", clock, Backoff(rng=random.Random(1)))
    pauses = []
    for _ in range(40):
        retrying.failed(FULL)
        pauses.append(retrying.wait_s())
        clock.advance(pauses[-1])
    assert pauses[0] <= 0.5
    assert 15 < max(pauses) <= 30
    retrying.succeeded()
    retrying.failed(FULL)
    assert retrying.wait_s() <= 0.5


def test_is_told_once_then_summed_up_and_its_end_says_how_long_it_was(events: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    retrying = Retrying("s", clock)
    for _ in range(100):
        retrying.failed(FULL)
        clock.advance(0.3)
    assert names(events) == ["sink_retrying", "failed_attempts"]
    clock.advance(60)
    retrying.failed(FULL)
    assert "last was: cannot write to out" in events.records[-1].getMessage()
    retrying.succeeded()
    assert names(events) == ["sink_retrying", "failed_attempts", "failed_attempts", "sink_recovered"]
    assert "sink s writes again, 90.0 s and 101 attempts after" in events.records[-1].getMessage()
    assert [(r.sink, r.reason) for r in events.records[:1]] == [("s", "no_space")]  # type: ignore[attr-defined]


def test_a_success_without_a_failure_is_nothing_to_tell(events: pytest.LogCaptureFixture) -> None:
    Retrying("s", ManualClock()).succeeded()
    assert names(events) == []
