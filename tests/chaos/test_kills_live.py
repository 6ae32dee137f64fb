"""SIGKILL of workers while live streams flow: they flow again, in order, and nobody stays behind dead."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from support import runs
from support.command import Command, Workplace
from support.leftovers import wait_until, zombies_of

CAMERAS = ("north", "south")


def last_ids(path: Path) -> dict[str, int]:
    """The last frame id of each source in a jsonl file that is being written."""
    if not path.exists():
        return {}
    found: dict[str, int] = {}
    for line in path.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            source, frame_id = line.split(",")[:2]
            found[source.rpartition(":")[2].strip('"')] = int(frame_id.rpartition(":")[2])
    return found


def wait_for_flow(run: Command, path: Path, beyond: dict[str, int]) -> None:
    """Waits until every camera has ten frames more than that."""

    def flows() -> bool:
        now = last_ids(path)
        return all(now.get(source, 0) >= beyond.get(source, 0) + 10 for source in CAMERAS)

    run.wait_until(flows, f"frames beyond {beyond}")


def assert_in_order(path: Path) -> None:
    """Ids grow within each source, none comes twice."""
    for source, ids in runs.frame_ids(path).items():
        assert all(first < second for first, second in pairwise(ids)), source


@pytest.mark.parametrize("victim", ["decoder:north", "inference", "sink:jsonl"])
def test_after_a_kill_every_stream_flows_again(place: Workplace, victim: str) -> None:
    path = place.folder / "out.jsonl"
    run = place.run(runs.config(*(runs.camera(name) for name in CAMERAS)))
    wait_for_flow(run, path, {})
    dead = run.kill_worker(victim)
    at_death = last_ids(path)
    run.wait_for("worker_restart", worker=victim)
    run.worker(victim, other_than=dead)
    wait_for_flow(run, path, at_death)
    wait_until(lambda: not zombies_of(run.pid), "the collection of the dead")
    run.signal(2)
    assert run.wait() == 0
    assert_in_order(path)


def test_one_killed_after_another_and_all_at_once(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    video = {"kind": "video", "path": "{source}.mp4", "preset": "ultrafast"}
    run = place.run(runs.config(*(runs.camera(name) for name in CAMERAS), sinks=(runs.JSONL, video)))
    wait_for_flow(run, path, {})
    for victims in (["sink:video"], ["inference"], [""]):
        for victim in victims:
            for process in run.workers(victim):
                process.kill()
        wait_for_flow(run, path, last_ids(path))
    run.signal(2)
    assert run.wait() == 0
    assert_in_order(path)


def test_a_killed_decoder_leaves_a_gap_and_no_frame_id_twice(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    run = place.run(runs.config(*(runs.camera(name) for name in CAMERAS)))
    wait_for_flow(run, path, {})
    before = last_ids(path)
    dead = run.kill_worker("decoder:south")
    run.worker("decoder:south", other_than=dead)
    wait_for_flow(run, path, before)
    run.signal(2)
    assert run.wait() == 0
    assert_in_order(path)
    ids = runs.frame_ids(path)["south"]
    assert ids[-1] > len(ids), "the frame that was lost has no id of its own"
