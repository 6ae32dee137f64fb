"""A sink class of the user's own, in a module beside the config."""

from __future__ import annotations

import psutil
import pytest
from support import runs
from support.command import Workplace
from support.leftovers import wait_until

MODULE = """
class Careful:
    wants_frames = True

    def __init__(self, path, refuses=0):
        self.path, self.refuses = path, refuses

    def open(self):
        self.file = open(self.path, "a")

    def write(self, prediction, frame):
        if self.refuses and prediction.frame.frame_id % self.refuses == 0:
            raise ValueError("I do not like this one")
        print(prediction.frame.source, prediction.frame.frame_id, int(frame.bgr().sum()), file=self.file, flush=True)

    def end(self, source):
        print(source, "end", file=self.file, flush=True)

    def close(self):
        print("close", file=self.file, flush=True)
"""

PARENT = """
import os, subprocess, sys

class Parent:
    wants_frames = False

    def open(self):
        self.child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        with open("child.new", "w") as file:
            file.write(str(self.child.pid))
        os.replace("child.new", "child")

    def write(self, prediction, frame):
        pass

    def close(self):
        self.child.kill()
        self.child.wait()
"""

LEAVING = """
import os, sys
from pathlib import Path

class Leaving:
    wants_frames = False

    def write(self, prediction, frame):
        if prediction.frame.frame_id == 10 and not Path("left").exists():
            Path("left").touch()
            {leave}(0)
        with open("mine.txt", "a") as file:
            print(prediction.frame.frame_id, file=file)
"""

CLOSING = """
import os, sys

class Closing:
    wants_frames = False

    def write(self, prediction, frame):
        pass

    def close(self):
        {leave}(0)
"""

SLOW = """
import os, time
from pathlib import Path

class Slow:
    wants_frames = False

    def write(self, prediction, frame):
        if not Path("go").exists():
            time.sleep(0.3)
        with open("mine.txt", "a") as file:
            print(os.getpid(), prediction.frame.frame_id, file=file)
"""


def sink(**options: object) -> dict[str, object]:
    return {"kind": "python", "target": "mine:Careful", "options": {"path": "mine.txt", **options}}


def test_it_gets_every_frame_the_ends_and_the_close(place: Workplace) -> None:
    place.write("mine.py", MODULE)
    assert place.run(runs.config(runs.clip("a", 30), runs.clip("b", 10), sinks=(sink(),))).wait() == 0
    lines = [line.split() for line in (place.folder / "mine.txt").read_text().splitlines()]
    assert lines[-1] == ["close"]
    for source, count in (("a", 30), ("b", 10)):
        own = [line[1] for line in lines if line[0] == source]
        assert own == [*map(str, range(1, count + 1)), "end"]


def test_what_it_refuses_is_reported_and_the_run_goes_on(place: Workplace) -> None:
    place.write("mine.py", MODULE)
    run = place.run(runs.config(runs.clip("a", 30), sinks=(sink(refuses=4), runs.JSONL)))
    assert run.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=30)
    written = [line.split()[1] for line in (place.folder / "mine.txt").read_text().splitlines() if line != "close"]
    assert written == [*(str(n) for n in range(1, 31) if n % 4), "end"]
    reports = run.events("rejected_predictions")
    assert reports
    assert "I do not like this one" in reports[0]["message"]
    assert "mine.py:13" in reports[0]["message"]
    assert not run.events("worker_restart")


def test_one_that_refuses_everything_is_given_up_and_the_others_go_on(place: Workplace) -> None:
    place.write("mine.py", MODULE)
    config = runs.config(runs.clip("a", 120), sinks=(sink(refuses=1), runs.JSONL), supervision={"max_restarts": 1})
    run = place.run(config)
    assert run.wait() == 1
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=120)
    [fatal] = run.events("worker_fatal")
    assert fatal["worker"] == "sink:python"
    assert all("I do not like this one" in failed["message"] for failed in run.events("worker_failed"))
    assert run.events("worker_failed", worker="sink:python")


def test_a_module_that_is_not_there_is_a_wrong_config(place: Workplace) -> None:
    run = place.run(runs.config(runs.clip("a", 20), sinks=({"kind": "python", "target": "nowhere:Sink"},)))
    assert run.wait() == 78
    assert "nowhere" in run.log


def test_what_a_killed_sink_has_started_does_not_outlive_it(place: Workplace) -> None:
    place.write("parent.py", PARENT)
    run = place.run(runs.config(runs.camera("cam"), sinks=({"kind": "python", "target": "parent:Parent"}, runs.JSONL)))
    started = place.folder / "child"
    run.wait_until(lambda: started.exists() and started.read_text(), "the sink's child")
    child = psutil.Process(int(started.read_text()))
    dead = run.kill_worker("sink:python")
    run.worker("sink:python", other_than=dead)
    wait_until(lambda: not child.is_running(), "the end of the sink's child")
    run.signal(2)
    assert run.wait() == 0


@pytest.mark.parametrize("leave", ["sys.exit", "os._exit"])
def test_one_that_ends_its_process_as_if_all_were_done_is_started_again(place: Workplace, leave: str) -> None:
    place.write("leaving.py", LEAVING.format(leave=leave))
    leaving = {"kind": "python", "target": "leaving:Leaving"}
    run = place.run(runs.config(runs.clip("a", 60), sinks=(leaving, runs.JSONL)))
    assert run.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=60)
    assert {int(line) for line in (place.folder / "mine.txt").read_text().splitlines()} == set(range(1, 61))
    [restart] = run.events("worker_restart")
    assert restart["worker"] == "sink:python"


@pytest.mark.parametrize("leave", ["sys.exit", "os._exit"])
def test_one_that_ends_its_process_instead_of_closing_makes_the_run_fail(place: Workplace, leave: str) -> None:
    place.write("closing.py", CLOSING.format(leave=leave))
    closing = {"kind": "python", "target": "closing:Closing"}
    run = place.run(runs.config(runs.clip("a", 60), sinks=(closing, runs.JSONL)))
    assert run.wait() == 1
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=60)
    [fatal] = run.events("worker_fatal")
    assert fatal["worker"] == "sink:python"


def test_a_slow_one_hears_the_supervisor_between_its_deliveries(place: Workplace) -> None:
    place.write("slow.py", SLOW)
    run = place.run(runs.config(runs.clip("a", 30), sinks=({"kind": "python", "target": "slow:Slow"}, runs.JSONL)))
    written = place.folder / "mine.txt"
    run.wait_until(lambda: runs.count_lines(written) >= 2, "2 predictions")
    first = run.worker("sink:python")
    first.terminate()
    run.wait_for("worker_restart", worker="sink:python")
    (place.folder / "go").touch()
    assert run.wait() == 0
    lines = [tuple(map(int, line.split())) for line in written.read_text().splitlines()]
    assert sum(pid == first.pid for pid, _ in lines) < 20  # all 30 are on their way to it at once
    assert {frame_id for _, frame_id in lines} == set(range(1, 31))
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=30)
