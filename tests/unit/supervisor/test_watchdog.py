"""Who hangs: told by silence, and by standing still with work at hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpipeline.clock import ManualClock
from mpipeline.config.supervision import RestartSpec
from mpipeline.messages import Role
from mpipeline.supervisor.watchdog import Look, Watchdog, total

SPEC = RestartSpec(decoder_timeout=10, inference_timeout=30, sink_timeout=20, load_timeout=900)
TIMEOUTS = [(Role.DECODER, 10), (Role.INFERENCE, 30), (Role.SINK, 20)]


class Bench:
    """A worker that beats all the time unless it is told to be silent."""

    def __init__(self, role: Role) -> None:
        self.clock = ManualClock()
        self.dog = Watchdog(SPEC)
        self.look = Look("w#1", role, self.clock.monotonic_ns(), at_work=True)

    def after(self, seconds: float, *, silent: bool = False, **changes: object) -> str:
        self.clock.advance(seconds)
        now = self.clock.monotonic_ns()
        heard = self.look.heard_ns if silent else now
        self.look = replace(self.look, heard_ns=heard, **changes)  # type: ignore[arg-type]
        return self.dog.judge(self.look, now)


@pytest.mark.parametrize(("role", "limit"), TIMEOUTS)
def test_silence_is_a_hang_after_the_limit_of_the_role(role: Role, limit: int) -> None:
    bench = Bench(role)
    assert bench.after(limit - 1, silent=True) == ""
    assert bench.after(1, silent=True) == f"has not been heard of for {limit} s"


@pytest.mark.parametrize(("role", "limit"), TIMEOUTS)
def test_beating_without_advancing_is_a_hang_if_there_is_work(role: Role, limit: int) -> None:
    bench = Bench(role)
    assert bench.after(0, owes="frames wait for it", done=(1.0,)) == ""
    assert bench.after(limit - 1) == ""
    assert bench.after(1) == f"has not advanced for {limit} s, although frames wait for it"


@pytest.mark.parametrize(("role", "limit"), TIMEOUTS)
def test_without_work_one_may_rest_for_ever(role: Role, limit: int) -> None:
    bench = Bench(role)
    for _ in range(50):
        assert bench.after(limit) == ""


def test_every_piece_of_work_begins_the_time_anew() -> None:
    bench = Bench(Role.INFERENCE)
    for number in range(20):
        assert bench.after(29, owes="frames wait for it", done=(float(number),)) == ""


def test_the_time_counts_from_when_there_was_work() -> None:
    bench = Bench(Role.SINK)
    bench.after(0, done=(7.0,))
    bench.after(1000)
    assert bench.after(1, owes="predictions wait for it") == ""
    assert bench.after(19) == ""
    assert bench.after(0.5, owes="") == ""
    assert bench.after(1, owes="predictions wait for it") == ""
    assert bench.after(19) == ""
    assert bench.after(1) != ""


def test_time_in_which_nobody_can_tell_is_not_counted() -> None:
    bench = Bench(Role.SINK)
    bench.after(0, owes="predictions wait for it")
    assert bench.after(15) == ""
    for _ in range(100):
        assert bench.after(1, owes=None) == ""
    assert bench.after(4, owes="predictions wait for it") == ""
    assert bench.after(1) == "has not advanced for 20 s, although predictions wait for it"


@pytest.mark.parametrize("role", list(dict(TIMEOUTS)))
def test_loading_and_draining_may_take_long(role: Role) -> None:
    bench = Bench(role)
    assert bench.after(899, silent=True, at_work=False, owes="frames wait for it") == ""
    assert bench.after(1, silent=True) == "has not been heard of for 900 s"


def test_one_that_beats_may_drain_for_ever() -> None:
    bench = Bench(Role.SINK)
    for _ in range(10):
        assert bench.after(899, at_work=False, owes="predictions wait for it") == ""


def test_an_incarnation_inherits_no_blame() -> None:
    bench = Bench(Role.DECODER)
    bench.after(0, owes="there is room for a frame")
    bench.after(9)
    bench.dog.forget("w#1")
    assert bench.after(1, identity="w#2") == ""
    assert bench.after(9) == ""
    assert bench.after(1) != ""


def test_a_supervisor_that_was_stopped_itself_hears_before_it_judges() -> None:
    """After a SIGSTOP of the supervisor the beats are in the socket: `heard_ns` is renewed first."""
    bench = Bench(Role.INFERENCE)
    assert bench.after(3600, silent=False) == ""


def test_metrics_are_summed_over_their_labels() -> None:
    metrics = {"frames_inferred{source=a}": 3.0, "frames_inferred{source=b}": 4, "frames_failed": 1, "batches": 9}
    assert total(metrics, "frames_inferred", "frames_failed") == 8
