"""SIGKILL of the supervisor, alone and with all its workers: nothing stays, and the next run of that name works."""

from __future__ import annotations

import signal

import psutil
import pytest
from support import runs
from support.command import Command, Workplace
from support.leftovers import wait_until


def flowing(place: Workplace, detector: str = "Fingerprint") -> Command:
    """A run of two cameras whose frames are being written."""
    video = {"kind": "video", "path": "{source}.mp4", "preset": "ultrafast"}
    sources = (runs.camera("north"), runs.camera("south"))
    (place.folder / "out.jsonl").unlink(missing_ok=True)
    run = place.run(runs.config(*sources, sinks=(runs.JSONL, video), detector=detector))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 10, "10 lines")
    return run


def end(run: Command) -> None:
    run.signal(signal.SIGINT)
    assert run.wait() == 0


def test_everything_ends_with_the_supervisor(place: Workplace) -> None:
    run = flowing(place)
    assert len(run.workers()) == 5
    assert run.segments()
    run.signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    place.wait_until_nothing_left()
    end(flowing(place))


def test_the_next_start_need_not_wait(place: Workplace) -> None:
    for _ in range(2):
        run = flowing(place)
        run.signal(signal.SIGKILL)
        run.wait()
    end(flowing(place))
    place.wait_until_nothing_left()


def test_a_busy_inference_process_ends_with_the_supervisor(place: Workplace) -> None:
    run = flowing(place, "Overloaded")
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()


@pytest.mark.parametrize("name", ["sink:jsonl", "inference", "decoder:south"])
def test_workers_that_are_still_starting_end_with_the_supervisor(place: Workplace, name: str) -> None:
    run = place.run(runs.config(runs.camera("north"), runs.camera("south")))
    run.worker(name)
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()


def test_what_a_killed_group_leaves_is_swept_by_the_next_start(place: Workplace) -> None:
    run = flowing(place)
    workers = run.workers()
    for worker in workers:
        worker.suspend()  # so that none can clean up when the supervisor goes
    # A stop is only asked for by that: a thread that is just running goes on for a moment.
    wait_until(lambda: all(worker.status() == psutil.STATUS_STOPPED for worker in workers), "their standstill")
    for process in (run.process, *workers):
        process.kill()
    run.wait()
    wait_until(lambda: not run.workers(), "the end of the group")
    assert run.segments()
    assert place.leftovers()
    following = flowing(place)
    assert not run.segments()
    assert following.events("swept")
    end(following)


def test_a_start_leaves_other_living_runs_alone(place: Workplace) -> None:
    first = flowing(place)
    segments = first.segments()
    other = place.run(runs.config(runs.clip("a", 20), sinks=({"kind": "jsonl", "path": "b.jsonl"},)), name="other")
    assert other.wait() == 0
    assert first.segments() == segments
    lines = runs.count_lines(place.folder / "out.jsonl")
    first.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") > lines + 10, "more lines")
    end(first)
