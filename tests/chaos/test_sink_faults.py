"""Sinks of the user's own that misbehave in every way: each hurts only itself, the other sink has everything."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import psutil
import pytest
from support import runs
from support.command import Command, Workplace
from support.leftovers import wait_until

QUICK = runs.QUICK_RESTARTS
COUNT = 80

MODULE = """
import os, subprocess, sys, time
from pathlib import Path

class Recording:
    wants_frames = False

    def write(self, prediction, frame):
        self.misbehave(prediction.frame.frame_id)
        with open("mine.txt", "a") as file:
            print(os.getpid(), prediction.frame.frame_id, file=file)

    def misbehave(self, frame_id):
        pass

    @staticmethod
    def first_time(what):
        try:
            os.close(os.open(what, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

class Slow(Recording):
    def misbehave(self, frame_id):
        time.sleep(0.02 if Path("quick").exists() else 0.3)

class HangsOnce(Recording):
    def misbehave(self, frame_id):
        if frame_id >= 10 and self.first_time("hung"):
            while True:
                time.sleep(60)

class Hangs(Recording):
    def misbehave(self, frame_id):
        while True:
            time.sleep(60)

class Raises(Recording):
    def misbehave(self, frame_id):
        raise OSError("the other side is gone")

class RaisesSometimes(Recording):
    def misbehave(self, frame_id):
        if frame_id % 3 == 0:
            raise OSError("the other side is gone")

class Exits(Recording):
    def misbehave(self, frame_id):
        if frame_id >= 10 and self.first_time("left"):
            os._exit(3)

class Crashes(Recording):
    def misbehave(self, frame_id):
        os.abort()

class Forks(Recording):
    def misbehave(self, frame_id):
        if self.first_time("forked"):
            child = os.fork()
            if child == 0:
                while True:
                    time.sleep(60)
            Path("child.new").write_text(str(child))
            os.rename("child.new", "child")

class Floods(Recording):
    def misbehave(self, frame_id):
        print("no news is good news " * 100, file=sys.stderr)
        os.write(2, b"x" * 300_000)
        os.write(1, b"y" * 10_000)

class Leaks(Recording):
    kept = []

    def misbehave(self, frame_id):
        if not Path("mended").exists():
            self.kept.append(bytearray(os.urandom(1 << 20) * 8))
            time.sleep(0.2)
"""


def start(place: Workplace, sink: str, *sources: dict[str, Any], **more: Any) -> Command:
    """A run into `out.jsonl` and into that class."""
    place.write("faulty.py", MODULE)
    mine = {"kind": "python", "name": "mine", "target": f"faulty:{sink}"}
    return place.run(runs.config(*sources, sinks=(mine, runs.JSONL), **more))


def written(place: Workplace) -> list[int]:
    """The frame ids that the faulty sink has written, in its order."""
    path = place.folder / "mine.txt"
    return [int(line.split()[1]) for line in path.read_text().splitlines()] if path.exists() else []


def assert_complete(place: Workplace) -> None:
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=COUNT)


def wait_for_more(run: Command, place: Workplace, lines: int = 30) -> None:
    """Waits until the other sink has so many lines more."""
    path = place.folder / "out.jsonl"
    before = runs.count_lines(path)
    run.wait_until(lambda: runs.count_lines(path) >= before + lines, f"{lines} more lines")


def finish_live(run: Command, place: Workplace) -> None:
    """Ends a live run; since its first frame the other sink has all but those that were dropped before any sink."""
    run.signal(2)
    run.wait()
    ids = runs.frame_ids(place.folder / "out.jsonl")["cam"]
    assert all(first < second for first, second in pairwise(ids))
    [finished] = run.events("source_finished", source="cam")
    dropped = sum(map(int, re.findall(r"(\d+) [a-z]", finished["message"].partition("dropped: ")[2])))
    assert ids[-1] - ids[0] + 1 - len(ids) <= dropped
    assert not run.events("predictions_dropped", sink="jsonl")


@pytest.mark.parametrize("sink", ["HangsOnce", "Exits", "Forks", "Floods"])
def test_a_file_job_is_complete_in_both_sinks(place: Workplace, sink: str) -> None:
    run = start(place, sink, runs.clip("a", COUNT), supervision={**QUICK, "sink_timeout": 3})
    assert run.wait() == 0
    assert_complete(place)
    assert sorted(set(written(place))) == list(range(1, COUNT + 1))
    restarts = run.events("worker_restart", worker="sink:mine")
    assert bool(restarts) == (sink in ("HangsOnce", "Exits"))
    assert not [each for each in run.events("worker_restart") if each["worker"] != "sink:mine"]


@pytest.mark.parametrize("sink", ["Hangs", "Crashes"])
def test_a_hopeless_sink_is_given_up_and_the_other_is_complete(place: Workplace, sink: str) -> None:
    supervision = {**QUICK, "sink_timeout": 2, "max_restarts": 1}
    run = start(place, sink, runs.clip("a", COUNT), supervision=supervision)
    assert run.wait() == 1
    assert_complete(place)
    assert run.events("worker_fatal", worker="sink:mine")
    assert not written(place)


@pytest.mark.parametrize("sink", ["Slow", "HangsOnce", "Crashes", "Raises", "RaisesSometimes", "Floods"])
def test_in_a_live_run_the_other_sink_notices_nothing(place: Workplace, sink: str) -> None:
    run = start(place, sink, runs.camera("cam"), supervision={**QUICK, "sink_timeout": 2}, limits={"stop_timeout": 2})
    signs = {"Slow": "", "RaisesSometimes": "rejected_predictions", "Floods": "worker_output"}
    if sign := signs.get(sink, "worker_restart"):
        run.wait_for(sign)
    wait_for_more(run, place)
    if sink in ("HangsOnce", "RaisesSometimes"):
        seen = len(written(place))
        run.wait_until(lambda: len(written(place)) >= seen + 10, "more predictions for the sink that goes on")
    finish_live(run, place)
    assert not [each for each in run.events("worker_restart") if each["worker"] != "sink:mine"]


def test_what_a_sink_has_forked_ends_with_it(place: Workplace) -> None:
    run = start(place, "Forks", runs.camera("cam"))
    said = place.folder / "child"
    run.wait_until(said.exists, "a forked process")
    child = psutil.Process(int(said.read_text()))
    psutil.Process(child.ppid()).kill()
    run.wait_for("worker_restart", worker="sink:mine")
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the end of the forked one")
    wait_for_more(run, place)
    finish_live(run, place)


def test_a_sink_that_leaks_is_started_again_at_its_limit(place: Workplace) -> None:
    supervision = {**QUICK, "max_memory_mb": {"sink": 250}}
    run = start(place, "Leaks", runs.clip("a", COUNT), supervision=supervision)
    [first, *_] = run.wait_for("worker_restart", worker="sink:mine")
    assert "MB" in first["message"] or "memory" in first["message"]
    run.wait_until(lambda: run.events(reason="memory_limit"), "the reason")
    (place.folder / "mended").touch()
    assert run.wait() == 0
    assert_complete(place)
    assert sorted(set(written(place))) == list(range(1, COUNT + 1))
    assert not run.events("worker_restart", worker="sink:jsonl")


def test_a_slow_sink_gets_every_frame_of_a_file(place: Workplace) -> None:
    run = start(place, "Slow", runs.clip("a", COUNT))
    run.wait_until(lambda: len(written(place)) >= 3, "3 predictions")
    (place.folder / "quick").touch()
    assert run.wait() == 0
    assert_complete(place)
    assert written(place) == list(range(1, COUNT + 1))
