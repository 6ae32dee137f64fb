"""Trials with cameras and servers that are not as they should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from support.http_server import HttpServer
from support.rtsp_program import RtspProgram

from benchmarks import processes
from benchmarks.side_by_side.runs import Run, Task, running
from benchmarks.side_by_side.sides import Side
from benchmarks.videos import frame_count

_START_S = 60.0
_WATCH_S = 12.0
_SETTLE_S = 10.0  # the frames that a camera has at hand come at once, and weigh on a rate that is measured


def slower_than_declared(side: Side, video: Path) -> dict[str, Any]:
    """A camera that sends 93 % of the frames a second that it declares, and a callable that costs nothing; watched when
    it has run for a while."""
    with RtspProgram({"camera": [video]}) as server:
        server.call("set", camera="camera", speed=0.93)
        with _flowing(side, Task([server.url("camera")]), 3) as run:
            run.wait(_SETTLE_S)
            ids = _watched_ids(run, _WATCH_S)
    return {"processed": len(ids), "sent": ids[-1] - ids[0] + 1}


def file_by_http(side: Side, video: Path) -> dict[str, Any]:
    """A video that a web server has: does it end, and is each of its frames processed?"""
    count = frame_count(video)
    with HttpServer(video.parent) as server:
        server.ranges = True
        with running(side, Task([server.url(video.name)])) as run:
            run.wait(_START_S, until=lambda: bool(run.arrivals()))
            ended = run.wait(_WATCH_S)
            ids = [arrival.frame_id for arrival in run.arrivals()]
    return {
        "ended": ended,
        "frames": len(ids),
        "last_id": max(ids, default=0),
        "in_file": count,
        "processed_of_first_pass": sum(frame_id <= count for frame_id in ids),
    }


def silent_neighbour(side: Side, video: Path) -> dict[str, Any]:
    """Two cameras, of which one sends nothing for five seconds, its connection open."""
    with RtspProgram({"silent": [video], "other": [video]}) as server:
        addresses = [server.url("silent"), server.url("other")]
        with _flowing(side, Task(addresses), 15) as run:
            begin = time.monotonic()
            server.call("stall", camera="silent", seconds=5)
            run.wait(7.0)
            moments = [each.at_s for each in run.arrivals() if each.source == 1 and each.at_s >= begin]
    return {"longest_gap_s": max(b - a for a, b in pairwise([begin, *moments, begin + 7.0]))}


def server_away(side: Side, video: Path) -> dict[str, Any]:
    """The camera's server is killed, and comes back six seconds later."""
    with RtspProgram({"camera": [video]}) as server, _flowing(side, Task([server.url("camera")]), 15) as run:
        server.kill()
        run.wait(1.0)
        cpu_s, begin = processes.cpu_s(run.root), time.monotonic()
        run.wait(5.0)
        cores = (processes.cpu_s(run.root) - cpu_s) / (time.monotonic() - begin)
        before = len(run.arrivals())
        server.start()
        begin = time.monotonic()
        is_back = run.wait(_START_S, until=lambda: len(run.arrivals()) > before)
        return {"cores_while_away": cores, "back_s": run.arrivals()[before].at_s - begin if is_back else None}


def drops_told(side: Side, video: Path) -> dict[str, Any]:
    """A callable that takes 0.2 s at a camera of 15 frames/s: what is missing, and what of it a handler was told."""
    with RtspProgram({"camera": [video]}) as server:
        task = Task([server.url("camera")], logic_s=0.2, events=True)
        with _flowing(side, task, 3) as run:
            ids = _watched_ids(run, _WATCH_S)
            told = {note[2] for note in run.notes() if note[0] == "dropped"}
    missing = set(range(ids[0], ids[-1] + 1)).difference(ids)
    return {"missing": len(missing), "told": len(missing & told)}


def slow_sink_live(side: Side, video: Path) -> dict[str, Any]:
    """A sink that takes twice the time between two frames: how old they are when they come to it."""
    with (
        RtspProgram({"camera": [video]}) as server,
        _flowing(side, Task([server.url("camera")], sink_s=2 / 15), 3) as run,
    ):
        run.wait(_WATCH_S)
        return {"age_s": run.arrivals()[-1].age_s, "seconds": _WATCH_S}


@contextmanager
def _flowing(side: Side, task: Task, frames: int) -> Iterator[Run]:
    """A run of which so many frames of each source have come."""

    def flows() -> bool:
        sources = [arrival.source for arrival in run.arrivals()]
        return all(sources.count(source) >= frames for source in range(len(task.references)))

    with running(side, task) as run:
        if not run.wait(_START_S, until=flows):
            raise SystemExit(f"{side.name}: no frames within {_START_S:.0f} s:\n{run.log[-4000:]}")
        yield run


def _watched_ids(run: Run, seconds: float) -> list[int]:
    """The frame ids that come from now on, growing."""
    before = len(run.arrivals())
    run.wait(seconds)
    return [arrival.frame_id for arrival in run.arrivals()[before:]]
