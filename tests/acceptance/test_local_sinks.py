"""Sinks that write files, filtered or not, whose processes or whole runs are killed: each frame is there once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import runs
from support.command import Command, Workplace

COUNTS = {"a": 150, "b": 90}

# Two boxes, then one, then none; and slow enough to be struck.
FINDER = """
import time

class Finder:
    names = ("cat", "dog")

    def infer(self, frames):
        time.sleep(0.004 * len(frames))
        return [self.boxes(frame.meta.frame_id) for frame in frames]

    def boxes(self, frame_id):
        box = {"y": 20, "width": 16, "height": 16, "confidence": 0.8}
        return [{**box, "x": 16 + i, "class_id": i} for i in range(2 - frame_id // 20 % 3)]
"""
SINKS: tuple[dict[str, Any], ...] = (
    {"kind": "csv", "path": "out/all.csv"},
    {"name": "dogs", "kind": "csv", "path": "out/dogs-{source}.csv", "filter": {"classes": ["dog"]}},
    {"name": "some", "kind": "jsonl", "path": "out/some-{source}.jsonl", "filter": {"every": 7}},
    {"name": "images", "kind": "images", "path": "out/pictures/{source}", "max_fps": 10},
    {"kind": "console", "interval": 0},
)


def start(place: Workplace, *arguments: str) -> Command:
    place.write("finder.py", FINDER)
    sources = [runs.clip(name, count) for name, count in COUNTS.items()]
    config = {**runs.config(*sources, sinks=SINKS), "model": {"target": "finder:Finder"}}
    return place.run(config, *arguments)


def output(folder: Path) -> dict[str, Any]:
    """All that was written, without the times of capture; lines of the file of all sources by source."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "out").rglob("*")):
        if path.suffix == ".jsonl":
            found[path.name] = runs.by_source(path)
        elif path.suffix == ".csv":
            lines = [line.split(",") for line in path.read_text().splitlines()]
            found[path.name] = sorted((line[:4] + line[5:] for line in lines), key=lambda line: line[0])
        elif path.is_file():
            found[path.name] = path.read_bytes()
    return found


def lines(place: Workplace) -> int:
    return runs.count_lines(place.folder / "out" / "all.csv")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The output of the job when nothing happens to it."""
    with Workplace(tmp_path_factory.mktemp("undisturbed")) as place:
        run = start(place)
        assert run.wait() == 0, run.log
        found = output(place.folder)
        assert [line["frame_id"] for line in found["some-a.jsonl"]["a"]] == list(range(1, COUNTS["a"] + 1, 7))
        assert [len(found[name]) for name in ("dogs-a.csv", "all.csv")] == [1 + 59, 1 + 209 + 129]
        assert len([name for name in found if name.endswith(".jpg")]) > 20
        assert len(run.output.splitlines()) == sum(COUNTS.values())
        yield found


def test_sinks_that_are_killed_go_on_where_they_were(place: Workplace, undisturbed: dict[str, Any]) -> None:
    run = start(place)
    for count, name in ((40, "csv"), (80, "dogs"), (120, "some"), (160, "images"), (200, "console")):
        run.wait_until(lambda count=count: lines(place) >= count, f"{count} lines")
        run.kill_worker(f"sink:{name}")
    assert run.wait() == 0, run.log
    assert len(run.events("worker_restart")) == 5
    assert output(place.folder) == undisturbed


def test_a_run_that_was_killed_is_resumed(place: Workplace, undisturbed: dict[str, Any]) -> None:
    run = start(place)
    run.wait_until(lambda: lines(place) >= 150, "150 lines")
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()
    resumed = start(place, "--resume")
    assert resumed.wait() == 0, resumed.log
    assert output(place.folder) == undisturbed


def test_a_console_does_not_make_a_resumed_run_begin_anew(place: Workplace) -> None:
    place.write("finder.py", FINDER)
    config = runs.config(runs.clip("a", 60), sinks=(runs.JSONL, {"kind": "console", "interval": 0}))
    assert place.run(config).wait() == 0
    again = place.run(config, "--resume")
    assert again.wait() == 0, again.log
    assert again.events("finished")[0]["frames"] == 0
    assert again.output == ""


def test_a_reader_of_the_console_who_goes_away_does_not_end_the_run(place: Workplace) -> None:
    config = runs.config(runs.clip("a", 60), sinks=(runs.JSONL, {"kind": "console", "interval": 0}))
    place.write("run.yaml", config)
    command = f"set -o pipefail; {sys.executable} -m mpipeline run run.yaml --json | head -n 3"
    piped = place.start_program(["bash", "-c", command])
    assert piped.wait() == 0, piped.log
    assert piped.output.splitlines() == [f"a frame {n}: 1 frame" for n in (1, 2, 3)]
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=60)
