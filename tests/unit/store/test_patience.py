"""How often is tried again, and how long is waited between."""

from __future__ import annotations

import pytest

from mpipeline.clock import NS_PER_S, ManualClock
from mpipeline.errors import DownloadError, Reason
from mpipeline.store.patience import Attempts, Patience

PASSING = DownloadError("busy", Reason.SERVER_ERROR, retryable=True)


def test_the_last_failure_is_raised() -> None:
    attempts = Attempts(Patience(attempts=3), ManualClock())
    attempts.failed(PASSING)
    attempts.failed(PASSING)
    with pytest.raises(DownloadError, match="busy"):
        attempts.failed(PASSING)


def test_what_will_fail_again_is_raised_at_once() -> None:
    with pytest.raises(DownloadError, match="no"):
        Attempts(Patience(), ManualClock()).failed(DownloadError("no", Reason.NO_SPACE))


def test_progress_forgives_earlier_failures() -> None:
    attempts = Attempts(Patience(attempts=2), ManualClock())
    for _ in range(20):
        attempts.failed(PASSING)
        attempts.progressed()


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (100_000.0, 60.0)])
def test_the_servers_word_is_heeded_within_reason(asked: float, waited: float) -> None:
    clock = ManualClock(0)
    Attempts(Patience(), clock).failed(DownloadError("x", Reason.SERVER_ERROR, retryable=True, retry_after=asked))
    assert clock.monotonic_ns() == waited * NS_PER_S
