"""Sinks of the user's own that fail or hang in `open` or `close`: waited for, or given up; the others are complete."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from support import runs
from support.command import Command, Workplace

FRAMES = 60
MODULE = """
import time
from pathlib import Path

class Recording:
    wants_frames = False

    def write(self, prediction, frame):
        with open("mine.txt", "a") as file:
            print(prediction.frame.frame_id, file=file)

class IsRefused(Recording):
    def open(self):
        if not Path("there").exists():
            raise ConnectionRefusedError(111, "refused")

class IsWrong(Recording):
    def open(self):
        raise ValueError("no such table")

class HangsInOpen(Recording):
    def open(self):
        while not Path("there").exists():
            time.sleep(60)

class RaisesInClose(Recording):
    def close(self):
        raise RuntimeError("the last page cannot be written")

class HangsInClose(Recording):
    most = 1000

    def close(self):
        with open("closings", "a") as file:
            print("closing", file=file)
        while len(Path("closings").read_text().split()) <= self.most:
            time.sleep(60)

class HangsInCloseOnce(HangsInClose):
    most = 1
"""


def start(place: Workplace, sink: str, *, live: bool = False, stop_timeout: float = 1, **supervision: Any) -> Command:
    """A run into `out.jsonl` and into that class."""
    place.write("faulty.py", MODULE)
    mine = {"kind": "python", "name": "mine", "target": f"faulty:{sink}"}
    source = runs.camera("a") if live else runs.clip("a", FRAMES)
    supervision = {**runs.QUICK_RESTARTS, **supervision}
    limits = {"stop_timeout": stop_timeout}
    return place.run(runs.config(source, sinks=(mine, runs.JSONL), supervision=supervision, limits=limits))


def written(place: Workplace) -> list[int]:
    path = place.folder / "mine.txt"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def assert_other_complete(place: Workplace) -> None:
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=FRAMES)


def wait_for_more(run: Command, place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    before = runs.count_lines(path)
    run.wait_until(lambda: runs.count_lines(path) >= before + 20, "20 more lines of the other sink")


@pytest.mark.parametrize("live", [False, True])
def test_what_can_pass_in_open_is_waited_for(place: Workplace, live: bool) -> None:
    run = start(place, "IsRefused", live=live)
    [told] = run.wait_for("sink_retrying", sink="mine")
    assert "faulty.py:" in told["message"]
    run.wait_for("failed_attempts", sink="mine")
    if live:
        wait_for_more(run, place)
    place.write("there", "")
    run.wait_for("sink_recovered", sink="mine")
    if live:
        run.wait_until(lambda: len(written(place)) >= 20, "20 predictions")
        run.signal(signal.SIGINT)
    assert run.wait() == 0
    if not live:
        assert written(place) == list(range(1, FRAMES + 1))
        assert_other_complete(place)
    assert not run.events("worker_restart")


def test_a_stop_while_it_waits_in_open_is_no_success(place: Workplace) -> None:
    run = start(place, "IsRefused", live=True, stop_timeout=60)
    run.wait_for("sink_retrying", sink="mine")
    wait_for_more(run, place)
    run.signal(signal.SIGINT)
    assert run.wait() == 1
    [told] = run.events("never_opened", worker="sink:mine")
    assert "refused" in told["message"]
    assert not run.events("stop_late")


def test_what_cannot_pass_in_open_is_given_up_at_once(place: Workplace) -> None:
    run = start(place, "IsWrong")
    assert run.wait() == 1
    assert_other_complete(place)
    [failed] = run.events("worker_failed", worker="sink:mine")
    assert "no such table (" in failed["message"]
    assert run.events("worker_fatal", worker="sink:mine")
    assert not run.events("worker_restart")


def test_one_that_hangs_in_open_is_ended_and_opened_again(place: Workplace) -> None:
    run = start(place, "HangsInOpen", load_timeout=3)
    run.wait_for("worker_stalled", worker="sink:mine")
    place.write("there", "")
    assert run.wait() == 0
    assert run.events("worker_restart", worker="sink:mine", reason="stalled")
    assert written(place) == list(range(1, FRAMES + 1))
    assert_other_complete(place)


def test_in_a_live_run_the_others_do_not_wait_for_one_that_hangs_in_open(place: Workplace) -> None:
    run = start(place, "HangsInOpen", live=True)
    wait_for_more(run, place)
    run.signal(signal.SIGINT)
    run.wait()
    assert run.events("source_finished", source="a")
    assert not run.events("worker_restart")


@pytest.mark.parametrize("live", [False, True])
def test_what_is_raised_in_close_is_no_success_and_costs_nothing(place: Workplace, live: bool) -> None:
    run = start(place, "RaisesInClose", live=live)
    if live:
        run.wait_until(lambda: len(written(place)) >= 20, "20 predictions")
        run.signal(signal.SIGINT)
    assert run.wait() == 1
    assert written(place)
    if not live:
        assert written(place) == list(range(1, FRAMES + 1))
        assert_other_complete(place)
    [failed] = run.events("worker_failed", worker="sink:mine")
    assert "failed in close: RuntimeError: the last page cannot be written (" in failed["message"]
    assert not run.events("worker_restart")


@pytest.mark.parametrize("sink", ["HangsInCloseOnce", "HangsInClose"])
def test_one_that_hangs_in_close_gets_a_second_time_and_no_third(place: Workplace, sink: str) -> None:
    run = start(place, sink, load_timeout=4)
    once = sink == "HangsInCloseOnce"
    assert run.wait() == (0 if once else 1)
    assert_other_complete(place)
    assert written(place) == list(range(1, FRAMES + 1))
    assert runs.count_lines(place.folder / "closings") == 2
    assert bool(run.events("worker_fatal", worker="sink:mine")) != once


def test_a_stop_waits_for_one_that_hangs_in_close_until_its_deadline(place: Workplace) -> None:
    run = start(place, "HangsInClose", live=True)
    run.wait_until(lambda: len(written(place)) >= 20, "20 predictions")
    run.signal(signal.SIGINT)
    run.wait_until((place.folder / "closings").exists, "the close that hangs")
    assert run.wait() == 1
    assert run.events("stop_late", worker="sink:mine")
    ids = runs.frame_ids(place.folder / "out.jsonl")["a"]
    assert ids == sorted(set(ids))
