"""Trials with callbacks that are slow or fail, and of how a program ends, or starts again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.side_by_side.runs import Run, Task, running
from benchmarks.side_by_side.sides import Side
from benchmarks.videos import frame_count, repeated

_START_S = 60.0
_LIMIT_S = 8.0  # a program that has nothing left to do has ended by then, or hangs


def slow_sink_file(side: Side, video: Path) -> dict[str, Any]:
    """A sink that takes 50 ms: how much more memory the process tree has eight seconds after the first prediction."""
    with running(side, Task([str(repeated(video, 4))], logic="pixels", sink_s=0.05)) as run:
        _first(run, 1)
        before = processes.memory_mib(run.root)
        run.wait(_LIMIT_S)
        return {"growth_mib": processes.memory_mib(run.root) - before, "seconds": _LIMIT_S}


def last_frames(side: Side, video: Path) -> dict[str, Any]:
    """The newest frame is always taken: at the end that is the file's last one."""
    task = Task([str(video)], logic_s=0.02, arguments={"source_buffer_consumption_strategy": "EAGER"})
    with running(side, task) as run:
        run.wait(_START_S)
        return {"last_id": max(arrival.frame_id for arrival in run.arrivals()), "in_file": frame_count(video)}


def short_results(side: Side, video: Path) -> dict[str, Any]:
    """Every tenth time the callable returns one result too few."""
    with running(side, Task([str(video)], short_every=10)) as run:
        run.wait(_START_S)
        return {"predictions": len(run.arrivals()), "in_file": frame_count(video), "raised": _raised(run)[1]}


def callable_raises(side: Side, video: Path) -> dict[str, Any]:
    """The callable raises at the twentieth frame."""
    return _ending(side, Task([str(repeated(video, 4))], raise_at=20))


def missing_file(side: Side, video: Path) -> dict[str, Any]:
    """The only file is not there."""
    return _ending(side, Task(["/nowhere/missing.mp4"]))


def one_missing_file(side: Side, video: Path) -> dict[str, Any]:
    """The second of two files is not there."""
    return _ending(side, Task([str(repeated(video, 4)), "/nowhere/missing.mp4"]))


def interrupted(side: Side, video: Path) -> dict[str, Any]:
    """SIGINT while frames flow."""
    with running(side, Task([str(repeated(video, 4))], logic_s=0.02)) as run:
        _first(run, 20)
        begin = time.monotonic()
        run.interrupt()
        exited = run.wait(_LIMIT_S)
        seconds = run.ended_s - begin if exited else None
    return {"exited": exited, "seconds": seconds, "limit_s": _LIMIT_S}


def again_after_end(side: Side, video: Path) -> dict[str, Any]:
    """`start` of the same object, when the file has ended."""
    return _again(side, video, Task([str(video)], starts=2))


def again_after_terminate(side: Side, video: Path) -> dict[str, Any]:
    """`start` of the same object, when the sink has ended it at the twentieth frame."""
    return _again(side, video, Task([str(video)], starts=2, terminate_at=20))


def _ending(side: Side, task: Task) -> dict[str, Any]:
    """Whether the caller is told, and whether the process ends by itself after the program's last line."""
    with running(side, task) as run:
        run.wait(_START_S, until=lambda: bool(run.moments("ended")))
        exited = run.wait(_LIMIT_S)
        stage, raised = _raised(run)
        code = run.exit_code if exited else None
    return {"stage": stage, "raised": raised, "exited": exited, "exit_code": code, "limit_s": _LIMIT_S}


def _again(side: Side, video: Path, task: Task) -> dict[str, Any]:
    with running(side, task) as run:
        run.wait(_START_S, until=lambda: len(run.moments("starting")) == 2)
        run.wait(_LIMIT_S, until=lambda: bool(run.moments("ended")))
        exited = run.wait(_LIMIT_S)
        second = run.moments("starting")[-1][0]
        frames = sum(arrival.at_s >= second for arrival in run.arrivals())
        _, raised = _raised(run)
    return {
        "second": frames,
        "in_file": frame_count(video),
        "exited": exited,
        "raised": raised,
        "limit_s": _LIMIT_S,
    }


def _first(run: Run, count: int) -> None:
    if not run.wait(_START_S, until=lambda: len(run.arrivals()) >= count):
        raise SystemExit(f"no {count} frames within {_START_S:.0f} s:\n{run.log[-4000:]}")


def _raised(run: Run) -> tuple[str, str]:
    """Where the caller saw which error; empty texts if none."""
    moments = run.moments("raised")
    return (moments[0][1], moments[0][2]) if moments else ("", "")
