"""The end of a run, by itself and by Ctrl-C, with workers that load, wait for a restart, or come back."""

from __future__ import annotations

import signal

import pytest
from support.children import FakeChild
from support.ending import Run

from mpipeline.messages import Heartbeat
from mpipeline.supervisor.child import ProcessState
from mpipeline.supervisor.shutdown import Phase

KILL = signal.SIGKILL


def test_nothing_happens_while_a_source_flows() -> None:
    run = Run()
    run.a.exit()
    run.pass_time(100)
    assert run.phase is Phase.RUNNING
    assert run.asked == []


def test_ends_by_itself_in_the_order_of_the_flow() -> None:
    run = Run()
    run.a.exit()
    run.b.state = ProcessState.FATAL
    run.pass_time(1)
    assert run.phase is Phase.OVER
    assert run.asked == ["inference#1", "sink:x#1", "sink:y#1"]
    assert all(one.signals == [] for one in run.children.values())


def test_a_run_that_ends_by_itself_gives_inference_and_sinks_all_the_time_they_need() -> None:
    run = Run()
    run.stubborn = {"inference", "sink:x"}
    run.a.exit()
    run.b.exit()
    run.pass_time(1000)
    assert run.phase is Phase.INFERENCE
    run.inference.exit()
    run.pass_time(1000)
    assert run.phase is Phase.SINKS
    assert run.inference.signals == run.x.signals == []
    run.x.exit()
    run.look()
    assert run.phase is Phase.OVER


def test_stopped_once_everyone_is_asked_and_nobody_is_killed() -> None:
    run = Run()
    run.stops = 1
    run.pass_time(1)
    assert run.phase is Phase.OVER
    assert run.asked == ["decoder:a#1", "decoder:b#1", "inference#1", "sink:x#1", "sink:y#1"]
    assert all(one.signals == [] for one in run.children.values())


def test_each_is_asked_once() -> None:
    run = Run(obedient=False)
    run.stops = 1
    run.pass_time(1)
    assert run.asked == ["decoder:a#1", "decoder:b#1"]


def test_a_decoder_that_waits_for_its_restart_is_let_go() -> None:
    run = Run()
    run.a.state = ProcessState.BACKOFF
    run.stops = 1
    run.pass_time(1)
    assert run.a.state is ProcessState.EXITED
    assert run.phase is Phase.OVER


@pytest.mark.parametrize("role", ["inference", "x"])
def test_others_that_wait_for_their_restart_get_it_within_the_deadline(role: str) -> None:
    run = Run()
    waiting: FakeChild = getattr(run, role)
    waiting.state = ProcessState.BACKOFF
    run.stops = 1
    run.pass_time(5)
    assert run.phase is not Phase.OVER
    waiting.restart()
    run.pass_time(1)
    assert run.phase is Phase.OVER
    assert f"{waiting.name}#2" in run.asked


@pytest.mark.parametrize("role", ["inference", "x"])
def test_and_are_let_go_after_it(role: str) -> None:
    run = Run()
    waiting: FakeChild = getattr(run, role)
    waiting.state = ProcessState.BACKOFF
    run.stops = 1
    run.pass_time(12)
    assert run.phase is Phase.OVER
    assert waiting.signals == []


def test_one_that_comes_back_while_it_drains_is_asked_again() -> None:
    run = Run()
    run.stubborn = {"inference"}
    run.a.exit()
    run.b.exit()
    run.look()
    run.inference.state = ProcessState.BACKOFF
    run.look()
    assert not run.shutdown.abandons(run.inference)  # type: ignore[arg-type]
    run.inference.restart()
    run.inference.ready = None
    run.look()
    assert run.asked == ["inference#1"]
    run.stubborn = set()
    run.inference.ready = run.x.ready
    run.pass_time(1)
    assert run.asked[:2] == ["inference#1", "inference#2"]
    assert run.phase is Phase.OVER


def test_a_decoder_that_crashes_while_it_stops_is_not_needed_any_more() -> None:
    run = Run(obedient=False)
    assert not run.shutdown.abandons(run.a)  # type: ignore[arg-type]
    run.stops = 1
    run.look()
    assert run.shutdown.abandons(run.a)  # type: ignore[arg-type]
    assert not run.shutdown.abandons(run.x)  # type: ignore[arg-type]


def test_one_sink_of_two_may_fail() -> None:
    run = Run()
    run.x.state = ProcessState.FATAL
    run.pass_time(10)
    assert run.phase is Phase.RUNNING


def test_without_sinks_a_run_goes_on() -> None:
    run = Run()
    del run.children["sink:x"], run.children["sink:y"]
    run.pass_time(10)
    assert run.phase is Phase.RUNNING
    run.stops = 1
    run.pass_time(1)
    assert run.phase is Phase.OVER


def test_a_stop_while_the_model_loads_does_not_wait_for_it() -> None:
    run = Run()
    run.inference.state, run.inference.ready = ProcessState.STARTING, None
    run.stops = 1
    run.pass_time(1)
    assert run.phase is Phase.OVER
    assert run.inference.signals == [KILL]
    assert not run.shutdown.cut_short


@pytest.mark.parametrize(("published", "cut_short"), [(0, False), (5, True)])
def test_frames_that_a_model_never_got_to_see_are_told(published: int, cut_short: bool) -> None:
    run = Run()
    run.inference.state, run.inference.ready = ProcessState.STARTING, None
    run.b.heartbeat = Heartbeat(published, {}, "STREAMING")
    run.stops = 1
    run.pass_time(1)
    assert run.phase is Phase.OVER
    assert run.inference.signals == [KILL]
    assert run.shutdown.cut_short is cut_short


def test_a_successor_that_loads_during_a_stop_is_waited_for() -> None:
    """It takes back what its predecessor left unfinished."""
    run = Run()
    run.inference.state, run.inference.ready, run.inference.incarnation = ProcessState.STARTING, None, 2
    run.stops = 1
    run.pass_time(1)
    assert run.phase is Phase.INFERENCE
    assert run.inference.signals == []


def test_a_decoder_that_waits_for_its_restart_is_given_up_with_notice() -> None:
    run = Run()
    run.a.state = ProcessState.BACKOFF
    run.stops = 1
    run.pass_time(1)
    assert run.phase is Phase.OVER
    assert run.buried == ["decoder:a"]


@pytest.mark.parametrize("stops", [0, 1])
def test_a_sink_that_still_waits_to_be_opened_is_let_go_and_that_is_no_success(
    stops: int, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run()
    run.stops = stops
    run.x.ready, run.x.heartbeat = None, Heartbeat(0, {}, "RETRYING", "write_failed", "its server is away")
    for decoder in (run.a, run.b):
        decoder.exit()
    run.pass_time(1)
    assert run.phase is Phase.OVER
    assert run.x.signals == [KILL]
    assert run.y.signals == []
    assert run.shutdown.cut_short
    assert ["its server is away" in record.getMessage() for record in caplog.records].count(True) == 1


def test_who_hangs_in_the_end_gets_a_second_time_and_no_third() -> None:
    run = Run()
    run.stubborn = {"sink:x"}
    for decoder in (run.a, run.b):
        decoder.exit()
    run.pass_time(1)
    run.x.has_hung = True
    assert not run.shutdown.cannot_finish(run.x)  # type: ignore[arg-type]
    run.x.incarnation = 2
    run.pass_time(1)
    assert run.shutdown.cannot_finish(run.x)  # type: ignore[arg-type]
    run.x.has_hung = False
    assert not run.shutdown.cannot_finish(run.x)  # type: ignore[arg-type]
