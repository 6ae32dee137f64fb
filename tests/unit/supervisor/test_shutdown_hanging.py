"""The end of a run whose workers hang, or that is told to end at once."""

from __future__ import annotations

import signal

import pytest
from support.children import FakeChild
from support.ending import Run

from mpipeline.supervisor.child import ProcessState
from mpipeline.supervisor.shutdown import Phase

TERM, KILL = signal.SIGTERM, signal.SIGKILL


def test_a_hanging_decoder_is_killed_soon() -> None:
    run = Run()
    run.stubborn = {"decoder:a"}
    run.a.dies_of = (KILL,)
    run.stops = 1
    run.pass_time(3)
    assert run.a.signals == [KILL]
    assert run.phase is Phase.OVER


@pytest.mark.parametrize(("role", "name"), [("inference", "inference"), ("x", "sink:x")])
def test_a_hanging_worker_is_pressed_with_term_then_kill(role: str, name: str) -> None:
    run = Run(stop_timeout=10)
    hanging: FakeChild = getattr(run, role)
    run.stubborn = {name}
    hanging.dies_of = (KILL,)
    run.stops = 1
    run.pass_time(9.8)
    assert hanging.signals == []
    run.pass_time(0.7)
    assert hanging.signals == [TERM]
    run.pass_time(1)
    assert hanging.signals == [TERM, KILL]
    assert run.phase is Phase.OVER


def test_term_is_enough_for_one_that_listens() -> None:
    run = Run()
    run.stubborn = {"inference"}
    run.stops = 1
    run.pass_time(20)
    assert run.inference.signals == [TERM]
    assert run.phase is Phase.OVER


def test_stopped_while_inference_drains_by_itself_sets_a_deadline() -> None:
    run = Run()
    run.stubborn = {"inference"}
    run.a.exit()
    run.b.exit()
    run.pass_time(60)
    run.stops = 1
    run.pass_time(9)
    assert run.inference.signals == []
    run.pass_time(3)
    assert run.inference.signals == [TERM]


def test_stopped_twice_ends_everyone_at_once() -> None:
    run = Run(obedient=False)
    run.stops = 1
    run.look()
    run.stops = 2
    run.look()
    assert run.phase is Phase.OVER
    assert all(one.signals == [KILL] for one in run.children.values())
    run.stops = 3
    run.look()
    assert run.phase is Phase.OVER


def test_stopped_twice_between_two_looks() -> None:
    run = Run(obedient=False)
    run.stops = 2
    run.look()
    assert run.phase is Phase.OVER
    assert all(one.signals == [KILL] for one in run.children.values())


def test_who_was_terminated_is_not_started_again() -> None:
    run = Run()
    run.stubborn = {"inference"}
    run.inference.dies_of = ()
    run.stops = 1
    run.pass_time(11)
    assert run.inference.signals[0] == TERM
    assert run.shutdown.abandons(run.inference)  # type: ignore[arg-type]


@pytest.mark.parametrize("failed", [["inference"], ["x", "y"]])
def test_a_run_that_cannot_go_on_ends(failed: list[str]) -> None:
    run = Run()
    run.stubborn = {"decoder:a"}  # hangs in a network read
    for role in failed:
        getattr(run, role).state = ProcessState.FATAL
    run.pass_time(3)
    assert run.phase is Phase.OVER
    assert run.a.signals == [KILL]


def test_work_that_was_given_up_is_told() -> None:
    run = Run()
    run.stubborn, run.x.dies_of = {"sink:x"}, (KILL,)
    run.stops = 1
    run.pass_time(20)
    assert run.phase is Phase.OVER
    assert run.x.signals == [TERM, KILL]
    assert run.shutdown.cut_short
