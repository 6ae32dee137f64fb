"""The fork server dies or hangs in the middle of a run: nobody loses a frame by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import runs
from support.command import Command, Workplace
from support.leftovers import wait_until

COUNT = 240


def started(place: Workplace) -> Command:
    """A job of two files, of which some frames are written."""
    run = place.run(runs.config(runs.clip("a", COUNT), runs.clip("b", COUNT), detector="Leisurely"))
    wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 20, "the first lines", lambda: run.log[-4000:])
    return run


@pytest.mark.parametrize("victim", ["", "decoder:a", "inference", "sink:jsonl"])
def test_files_are_complete_when_the_fork_server_is_killed(tmp_path: Path, victim: str) -> None:
    """Alone, or with a worker; the workers that it has made go on, and end in good order."""
    with Workplace(tmp_path) as place:
        run = started(place)
        run.fork_server().kill()
        if victim:
            run.kill_worker(victim)
            run.wait_for("fork_server_lost")
        assert run.wait() == 0, run.log[-4000:]
        assert runs.frame_ids(tmp_path / "out.jsonl") == runs.complete(a=COUNT, b=COUNT)


def test_files_are_complete_when_the_fork_server_hangs(tmp_path: Path) -> None:
    """It is given up after a while, and the worker that needed it is started otherwise."""
    with Workplace(tmp_path) as place:
        run = started(place)
        run.fork_server().suspend()
        run.kill_worker("decoder:a")
        run.wait_for("fork_server_lost")
        assert run.wait() == 0, run.log[-4000:]
        assert runs.frame_ids(tmp_path / "out.jsonl") == runs.complete(a=COUNT, b=COUNT)
