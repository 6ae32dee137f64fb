"""Somebody empties or removes the run directory of a living run: who dies afterwards comes back all the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import runs
from support.command import Workplace

COUNTS = {"a": 300, "b": 200}
SINKS = (runs.JSONL, {"kind": "video", "path": "{source}.mp4", "preset": "ultrafast"})


def remove(root: Path, what: str) -> None:
    """The `sockets`, the `folder` with its lock, or the whole `root`."""
    for path in list(root.iterdir()) if what != "root" else [root]:
        if what == "sockets" and path.is_dir():
            for socket in path.glob("*.sock"):
                socket.unlink()
        elif what != "sockets":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("what", "victims"),
    [
        ("sockets", ("inference",)),
        ("folder", ("sink:jsonl", "decoder:a")),
        ("root", ("inference", "sink:video", "decoder:b")),
    ],
)
def test_who_dies_afterwards_comes_back(place: Workplace, what: str, victims: tuple[str, ...]) -> None:
    run = place.run(
        runs.config(*(runs.clip(name, count) for name, count in COUNTS.items()), sinks=SINKS, detector="Held")
    )
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 10, "10 lines")
    remove(place.run_root, what)
    for victim in victims:
        run.kill_worker(victim)
    run.wait_for("run_directory_vanished")
    place.write("go", "")
    assert run.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(**COUNTS)
    assert {event["worker"] for event in run.events("worker_restart")} == set(victims)


def test_the_name_stays_taken(place: Workplace) -> None:
    config = runs.config(runs.clip("a", 900), detector="Held", name="taken")
    run = place.run(config)
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 1, "a line")
    remove(place.run_root, "folder")
    run.wait_for("run_directory_vanished")
    assert place.run(config).wait() == 78
    place.write("go", "")
    assert run.wait() == 0
