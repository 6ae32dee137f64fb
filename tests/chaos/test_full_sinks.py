"""Sinks of the real command that cannot write for a while: they are waited for, by themselves, and nothing is lost."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from support import runs
from support.command import Command, Workplace
from support.leftovers import wait_until

FRAMES = 80
SINK = """
import errno
import os
from pathlib import Path

class Full:
    wants_frames = {pixels}
    def open(self, resume):
        self.path = Path("full.txt")
        lines = self.path.read_text().split() if resume and self.path.exists() else []
        return {{"a": int(lines[-1])}} if lines else {{}}
    def write(self, prediction, frame):
        assert (frame is not None) == self.wants_frames
        if prediction.frame.frame_id > 20 and not Path("room").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with self.path.open("a") as file:
            file.write(f"{{prediction.frame.frame_id}}\\n")
"""


def job(place: Workplace, *, pixels: bool, live: bool = False) -> dict[str, Any]:
    place.write("full_disk.py", SINK.format(pixels=pixels))
    source = runs.camera("a") if live else runs.clip("a", FRAMES)
    full = {"name": "full", "kind": "python", "target": "full_disk:Full"}
    return runs.config(source, sinks=({"name": "lines", **runs.JSONL}, full), limits={"stop_timeout": 5})


def written(place: Workplace) -> list[int]:
    path = place.folder / "full.txt"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def assert_complete(place: Workplace, run: Command) -> None:
    assert run.wait() == 0, run.log[-4000:]
    assert written(place) == list(range(1, FRAMES + 1))
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=FRAMES)


@pytest.mark.parametrize("pixels", [False, True])
def test_a_file_job_waits_for_room_and_goes_on(place: Workplace, pixels: bool) -> None:
    run = place.run(job(place, pixels=pixels))
    [told] = run.wait_for("sink_retrying", sink="full")
    assert told["reason"] == "no_space"
    run.wait_for("failed_attempts", sink="full")
    place.write("room", "")
    assert_complete(place, run)
    assert run.events("sink_recovered", sink="full")
    assert not run.events("worker_restart")


@pytest.mark.parametrize("victim", ["sink:full", "inference", "decoder:a"])
def test_who_is_killed_meanwhile_costs_nothing(place: Workplace, victim: str) -> None:
    run = place.run(job(place, pixels=True))
    run.wait_for("sink_retrying", sink="full")
    alive = bool(run.workers(victim))  # the decoder of a short file may be done
    for process in run.workers(victim):
        process.kill()
    if alive:
        run.wait_for("worker_restart", worker=victim)
    if victim == "sink:full":
        run.wait_for("sink_retrying", times=2, sink="full")
    place.write("room", "")
    assert_complete(place, run)


@pytest.mark.parametrize("live", [False, True])
def test_a_stop_meanwhile_is_cut_short_and_says_so(place: Workplace, live: bool) -> None:
    run = place.run(job(place, pixels=False, live=live))
    run.wait_for("sink_retrying", sink="full")
    run.signal(signal.SIGINT)
    assert run.wait() == 1
    assert written(place) == list(range(1, 21)) if not live else max(written(place)) <= 20


def test_the_other_sinks_of_a_live_stream_notice_nothing(place: Workplace) -> None:
    run = place.run(job(place, pixels=True, live=True))
    run.wait_for("sink_retrying", sink="full")
    lines = place.folder / "out.jsonl"
    before = runs.count_lines(lines)
    wait_until(lambda: runs.count_lines(lines) > before + 30, "30 lines of the other sink")
    place.write("room", "")
    run.wait_for("sink_recovered", sink="full")
    wait_until(lambda: max(written(place)) > before + 30, "fresh frames in the sink that was away")
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    assert written(place) == sorted(set(written(place)))


def test_a_video_sink_that_is_told_to_end_from_outside_goes_on_in_the_same_file(place: Workplace) -> None:
    import av

    video = {"name": "video", "kind": "video", "path": "a.mp4", "preset": "ultrafast"}
    run = place.run(
        runs.config(runs.clip("a", FRAMES), sinks=({"name": "lines", **runs.JSONL}, video), detector="Held")
    )
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 5, "5 lines")
    run.worker("sink:video").terminate()
    run.wait_for("worker_restart", worker="sink:video")
    place.write("go", "")
    assert run.wait() == 0
    with av.open(str(place.folder / "a.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
