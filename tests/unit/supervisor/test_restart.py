"""Decisions after a worker's end."""

from __future__ import annotations

import random

import pytest

from mpipeline.backoff import Backoff
from mpipeline.clock import NS_PER_S
from mpipeline.config.schema import RestartSpec
from mpipeline.errors import EXIT_CONFIG, EXIT_DONE, EXIT_FAILED, EXIT_SOURCE_FAILED, EXIT_TEMPORARY
from mpipeline.supervisor.restart import Done, Fatal, Restart, RestartPolicy


def policy(**spec: float) -> RestartPolicy:
    """Its back-off draws the bound itself."""
    made = RestartSpec.from_mapping(spec)
    rng = random.Random()
    rng.uniform = lambda low, high: high  # type: ignore[method-assign]
    return RestartPolicy(made, Backoff(made.first_delay, made.max_delay, rng=rng))


def test_done_is_done() -> None:
    assert policy().on_exit(EXIT_DONE, 0, 0) == Done()


@pytest.mark.parametrize(("code", "words"), [(EXIT_CONFIG, "configuration"), (EXIT_SOURCE_FAILED, "source")])
def test_what_cannot_succeed_is_not_tried_again(code: int, words: str) -> None:
    decision = policy().on_exit(code, 10**12, 0)
    assert isinstance(decision, Fatal)
    assert words in decision.reason


@pytest.mark.parametrize("code", [EXIT_FAILED, EXIT_TEMPORARY, -9, -11, 139])
def test_the_first_restart_is_immediate_and_then_pauses_grow(code: int) -> None:
    made = policy(first_delay=0.5, max_delay=3)
    delays = [made.on_exit(code, NS_PER_S, n * NS_PER_S) for n in range(6)]
    assert delays == [Restart(d) for d in (0.0, 0.5, 1.0, 2.0, 3.0, 3.0)]


def test_a_healthy_time_begins_anew() -> None:
    made = policy(first_delay=1, healthy_after=30)
    for n in range(4):
        made.on_exit(1, NS_PER_S, n * NS_PER_S)
    assert made.on_exit(1, 30 * NS_PER_S, 40 * NS_PER_S) == Restart(0.0)
    assert made.on_exit(1, NS_PER_S, 41 * NS_PER_S) == Restart(1.0)


def test_a_crash_loop_is_fatal() -> None:
    made = policy(max_restarts=3, window=60)
    decisions = [made.on_exit(1, 0, n * NS_PER_S) for n in range(4)]
    assert [type(d) for d in decisions] == [Restart, Restart, Restart, Fatal]
    assert decisions[-1] == Fatal("it ended 4 times within 60 s")


def test_restarts_long_ago_do_not_count() -> None:
    made = policy(max_restarts=3, window=60)
    assert all(isinstance(made.on_exit(1, 0, n * 21 * NS_PER_S), Restart) for n in range(50))


def test_no_restarts_at_all() -> None:
    assert isinstance(policy(max_restarts=0).on_exit(1, 0, 0), Fatal)
    assert policy(max_restarts=0).on_exit(0, 0, 0) == Done()
