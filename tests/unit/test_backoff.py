"""Back-off: bounds that double up to a limit, with full jitter."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline.backoff import Backoff


class Upper(random.Random):
    """Always draws the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_bounds_double_up_to_the_limit() -> None:
    backoff = Backoff(0.5, 30.0, rng=Upper())
    assert [backoff.next() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.attempts == 8


def test_a_reset_starts_small_again() -> None:
    backoff = Backoff(0.5, 30.0, rng=Upper())
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.next() == 0.5


@settings(deadline=None)
@given(seed=st.integers(), first=st.floats(0.001, 10), limit=st.floats(0.001, 100), tries=st.integers(1, 60))
def test_every_pause_is_between_zero_and_the_limit(seed: int, first: float, limit: float, tries: int) -> None:
    backoff = Backoff(first, limit, rng=random.Random(seed))
    assert all(0 <= backoff.next() <= limit for _ in range(tries))


def test_pauses_differ() -> None:
    backoff = Backoff(1.0, 1.0, rng=random.Random(1))
    assert len({backoff.next() for _ in range(20)}) == 20


def test_very_many_attempts_do_not_overflow() -> None:
    backoff = Backoff(0.5, 30.0, rng=Upper())
    backoff.attempts = 1_000_000
    assert backoff.next() == 30.0


@settings(deadline=None)
@given(seed=st.integers(), limit=st.floats(0.001, 100))
def test_the_longest_pause_is_near_the_limit_and_no_attempt(seed: int, limit: float) -> None:
    backoff = Backoff(0.001, limit, rng=random.Random(seed))
    assert limit / 2 <= backoff.longest() <= limit
    assert backoff.attempts == 0
