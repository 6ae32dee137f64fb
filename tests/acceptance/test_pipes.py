"""A named pipe as a source: nobody waits for its writer but its own decoder, which may wait as long as it likes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support import runs
from support.command import Command, Workplace

COUNT = 40


@pytest.fixture
def pipe(place: Workplace) -> Path:
    path = place.folder / "film.mkv"
    os.mkfifo(path)
    return path


def start(place: Workplace) -> Command:
    return place.run(runs.config({"name": "pipe", "uri": "film.mkv"}, runs.clip("a", COUNT), runs.camera("cam")))


def lines_of(place: Workplace, source: str) -> int:
    path = place.folder / "out.jsonl"
    return path.read_bytes().count(b'{"source":"%s",' % source.encode()) if path.exists() else 0


def test_check_does_not_wait_for_its_writer(place: Workplace, pipe: Path) -> None:
    place.write("run.yaml", runs.config({"name": "pipe", "uri": pipe.name}))
    check = place.start("check", "run.yaml")
    assert check.wait() == 0
    assert "(assumed)" in check.output


def test_without_a_writer_the_others_flow_and_a_stop_is_in_order(place: Workplace, pipe: Path) -> None:
    run = start(place)
    run.wait_until(lambda: lines_of(place, "a") == COUNT and lines_of(place, "cam") >= 20, "the others")
    run.wait_until(
        lambda: any("pipe CONNECTING" in event["message"] for event in run.events("progress")), "that it is waited for"
    )
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    assert not run.events("worker_restart")
