"""Programs with an `InferencePipeline`: Ctrl-C, TERM, an end without a word. Nothing lives on, nothing is left."""

from __future__ import annotations

import signal
import sys

import psutil
import pytest
from support.command import Command, Workplace
from support.leftovers import wait_until


def program(place: Workplace, way: str) -> Command:
    return place.start_program([sys.executable, "-m", "support.interrupted", way])


def flowing(place: Workplace, way: str) -> Command:
    started = program(place, way)
    started.wait_until(lambda: "flows" in started.output, "frames")
    return started


@pytest.mark.parametrize("way", ["start", "join"])
def test_ctrl_c_ends_the_program(place: Workplace, way: str) -> None:
    started = flowing(place, way)
    started.signal(signal.SIGINT)
    assert started.wait() == 3
    assert started.output.split() == ["flows", "hook", "interrupted"]


@pytest.mark.parametrize(("way", "code"), [("leave", 0), ("raise", 1)])
def test_a_program_that_ends_without_a_word_takes_everything_with_it(place: Workplace, way: str, code: int) -> None:
    started = flowing(place, way)
    assert started.wait() == code
    assert started.output.split() == ["flows", "hook"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_that_is_killed_leaves_nothing(place: Workplace, number: int) -> None:
    started = flowing(place, "start")
    started.signal(number)
    assert started.wait() == -number
    place.wait_until_nothing_left()


def test_ctrl_c_at_once(place: Workplace) -> None:
    started = program(place, "start")
    started.wait_until(started.workers, "the first worker")
    started.signal(signal.SIGINT)
    assert started.wait() == 3


def test_workers_do_not_wait_for_a_copy_of_a_program_that_was_killed(place: Workplace) -> None:
    """A copy that the program has made of itself has all its pipes and locks, and may live long."""
    started = flowing(place, "fork")
    copy = psutil.Process(int(started.output.split()[0]))
    try:
        started.signal(signal.SIGKILL)
        started.wait()
        wait_until(lambda: not started.workers(), "the end of the workers")
    finally:
        copy.kill()
        copy.wait()
    assert flowing(place, "leave").wait() == 0  # and what they could not remove is swept
    place.assert_nothing_left()
