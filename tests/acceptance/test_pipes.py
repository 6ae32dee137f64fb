"""A named pipe as a source: nobody waits for its writer but its own decoder, which may wait as long as it likes."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from support import media, runs
from support.command import Command, Workplace

COUNT = 40


@pytest.fixture
def pipe(place: Workplace) -> Path:
    path = place.folder / "film.mkv"
    os.mkfifo(path)
    return path


def start(place: Workplace, **options: str) -> Command:
    pipe = {"name": "pipe", "uri": "film.mkv", **options}
    return place.run(runs.config(pipe, runs.clip("a", COUNT), runs.camera("cam")))


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


def test_writers_that_come_later_one_after_the_other_are_read(place: Workplace, pipe: Path) -> None:
    film = media.video(media.VideoSpec(suffix=".mkv", frames=30))
    run = start(place, delivery="every_frame")
    run.wait_until(lambda: lines_of(place, "cam") >= 20, "lines of the others")
    for count in (30, 60):
        with film.open("rb") as read, pipe.open("wb") as written:  # opening waits for the decoder
            shutil.copyfileobj(read, written)
        run.wait_until(lambda count=count: lines_of(place, "pipe") >= count, f"{count} frames of the pipe")
        run.wait_for("reconnects", source="pipe", reason="end_of_stream")  # or it would read on, as in the same film
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl")["pipe"] == list(range(1, 61))
    assert not run.events("worker_restart")
