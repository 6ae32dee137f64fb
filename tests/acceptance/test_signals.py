"""Ctrl-C and SIGTERM, in every state of a run: an orderly end and nothing left; 0, or 1 if work was cut short."""

from __future__ import annotations

import signal

import pytest
from support import runs
from support.command import Command, Workplace


def flowing(place: Workplace, detector: str = "Fingerprint", **more: object) -> Command:
    """A run of two cameras that has written some lines."""
    run = place.run(runs.config(runs.camera("north"), runs.camera("south"), detector=detector, **more))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 10, "10 lines")
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_a_live_run_in_order(place: Workplace, number: signal.Signals) -> None:
    run = flowing(place)
    run.signal(number)
    assert run.wait() == 0
    assert run.events("stopping")
    assert not run.events("stop_late")
    for ids in runs.frame_ids(place.folder / "out.jsonl").values():
        assert ids == sorted(set(ids))


def test_a_stopped_file_job_has_written_all_that_was_decoded(place: Workplace) -> None:
    run = place.run(runs.config(runs.clip("a", 0), detector="Leisurely"))  # a file without an end
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 30, "30 lines")
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    ids = runs.frame_ids(place.folder / "out.jsonl")["a"]
    assert ids == list(range(1, len(ids) + 1))
    [finished] = run.events("source_finished", source="a")
    assert f"{len(ids)} frames" in finished["message"]


def test_a_second_signal_ends_the_run_at_once(place: Workplace) -> None:
    run = place.run(runs.config(runs.camera("cam"), detector="Stuck", limits={"stop_timeout": 3000}))
    run.wait_until((place.folder / "stuck").exists, "a call that does not return")
    run.signal(signal.SIGINT)
    run.wait_for("stopping")
    run.signal(signal.SIGINT)
    assert run.wait() == 1
    assert run.events("killed")


def test_a_worker_that_does_not_drain_is_ended_by_the_deadline(place: Workplace) -> None:
    run = place.run(runs.config(runs.camera("cam"), detector="Stuck", limits={"stop_timeout": 0.5}))
    run.wait_until((place.folder / "stuck").exists, "a call that does not return")
    run.signal(signal.SIGINT)
    assert run.wait() == 1
    assert run.events("stop_late", worker="inference")


@pytest.mark.parametrize("name", ["sink:jsonl", "inference", "decoder:cam"])
def test_a_signal_while_workers_are_starting(place: Workplace, name: str) -> None:
    run = place.run(runs.config(runs.camera("cam")))
    run.worker(name)
    run.signal(signal.SIGTERM)
    assert run.wait() == 0


def test_a_signal_while_a_source_cannot_be_reached(place: Workplace) -> None:
    offline = {"name": "gate", "uri": "rtsp://127.0.0.1:9/gate"}
    run = place.run(runs.config(offline, runs.camera("cam")))
    run.wait_for("reconnects", source="gate")
    run.signal(signal.SIGINT)
    assert run.wait() == 0


def test_a_signal_while_a_worker_waits_for_its_restart(place: Workplace) -> None:
    slow_restarts = {"first_delay": 3000, "max_delay": 3600}
    run = place.run(runs.config(runs.camera("cam"), supervision=slow_restarts, limits={"stop_timeout": 0.5}))
    first = run.kill_worker("sink:jsonl")  # the first restart is immediate, the second is not
    second = run.worker("sink:jsonl", other_than=first)
    second.kill()
    run.wait_for("worker_restart", times=2, worker="sink:jsonl")
    run.signal(signal.SIGINT)
    run.wait()
    assert run.events("stopping")


@pytest.mark.parametrize("name", ["decoder:a", "inference", "sink:jsonl"])
def test_a_worker_that_is_told_to_end_by_somebody_else_is_started_again(place: Workplace, name: str) -> None:
    run = place.run(runs.config(runs.clip("a", 400), detector="Held"))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 10, "10 lines")
    run.worker(name).terminate()
    run.wait_for("worker_restart", worker=name)
    (place.folder / "go").touch()
    assert run.wait() == 0
    assert run.events("terminated", worker=name)
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=400)
