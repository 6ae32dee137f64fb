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


def test_pauses_grow_to_half_a_minute_and_begin_anew_after_steady_success() -> None:
    clock = ManualClock()
    retrying = Retrying("s", clock, Backoff(rng=random.Random(1)))
    pauses = []
    for _ in range(40):
        retrying.failed(FULL)
        pauses.append(retrying.wait_s())
        clock.advance(pauses[-1])
    assert pauses[0] <= 0.5
    assert 15 < max(pauses) <= 30
    for wait_s, calls in ((0, 11), (60, 1)):
        retrying.succeeded()
        clock.advance(wait_s)
        for _ in range(calls - 1):
            retrying.succeeded()
        retrying.failed(FULL)
        assert retrying.wait_s() <= 0.5
        for _ in range(9):
            retrying.failed(FULL)


def test_a_sink_that_fails_every_other_time_has_growing_pauses_and_few_words(
    events: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    retrying = Retrying("s", clock, Backoff(rng=random.Random(1)))
    pauses = []
    for _ in range(40):
        retrying.failed(FULL)
        pauses.append(retrying.wait_s())
        retrying.succeeded()
        clock.advance(0.5)
        retrying.succeeded()
    assert 15 < max(pauses) <= 30
    assert names(events) == ["sink_retrying", "sink_recovered", "failed_attempts"]
    retrying.close()
    told = {(r.event, r.count) for r in events.records[3:]}  # type: ignore[attr-defined]
    assert told == {("failed_attempts", 38), ("recoveries", 39)}
    clock.advance(60)
    retrying.failed(FULL)
    retrying.succeeded()
    assert names(events)[-2:] == ["sink_retrying", "sink_recovered"]


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
