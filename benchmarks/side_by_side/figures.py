"""Speed, processor time and memory of both sides over files and cameras, in turns, as medians and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.rtsp_program import RtspProgram

from benchmarks import processes
from benchmarks.side_by_side.runs import Task, running
from benchmarks.side_by_side.sides import Side

_LIMIT_S = 240.0
_SETTLE_FRAMES = 15
FIGURES = {  # figure → whether more is better
    "frames_per_s": True,
    "whole_run_s": False,
    "first_prediction_s": False,
    "cpu_s": False,
    "memory_mib": False,
    "frames": True,
    "age_ms": False,
}


@dataclass(frozen=True)
class Case:
    """What is measured: these files, this callable."""

    name: str
    references: Sequence[str]
    logic: str
    model: str = ""

    @property
    def task(self) -> Task:
        """For the program."""
        return Task(self.references, logic=self.logic, model=self.model)


def cases(one: Path, several: Path, detector: Path | None) -> list[Case]:
    """One source and four of them, with each callable."""
    return [
        Case(f"{count} file{'s' if count > 1 else ''}, {logic}", references, logic, str(detector or ""))
        for count, references in ((1, [str(one)]), (4, [str(several)] * 4))
        for logic in ("nothing", "pixels", *(["detector"] if detector else []))
    ]


def measure_file(side: Side, case: Case) -> dict[str, float]:
    """One run for the times, and one for the memory: looking at memory takes processor time."""
    with running(side, case.task) as run:
        if not run.wait(_LIMIT_S):
            raise SystemExit(f"{side.name}, {case.name}: not ended after {_LIMIT_S:.0f} s:\n{run.log[-4000:]}")
        arrivals = run.arrivals()
        if run.exit_code or len(arrivals) < 2:
            raise SystemExit(f"{side.name}, {case.name}: exit code {run.exit_code}:\n{run.log[-4000:]}")
        found = {
            "frames_per_s": (len(arrivals) - 1) / (arrivals[-1].at_s - arrivals[0].at_s),
            "whole_run_s": run.ended_s - run.begun_s,
            "first_prediction_s": arrivals[0].at_s - run.begun_s,
            "cpu_s": run.usage().cpu_s,
        }
    with running(side, case.task) as run:
        run.wait(_LIMIT_S, sampled=True)
        found["memory_mib"] = run.usage().memory_mib
    return found


def measure_live(side: Side, addresses: Sequence[str], seconds: float) -> dict[str, float]:
    """Cameras, whose pixels are looked at: what comes of their frames in so many seconds, and what it takes."""
    with running(side, Task(addresses, logic="pixels")) as run:

        def flows() -> bool:
            counts = [sum(each.source == source for each in run.arrivals()) for source in range(len(addresses))]
            return min(counts) >= _SETTLE_FRAMES

        if not run.wait(_LIMIT_S, until=flows):
            raise SystemExit(f"{side.name}: the cameras do not flow:\n{run.log[-4000:]}")
        before, cpu_s = len(run.arrivals()), processes.cpu_s(run.root)
        run.wait(seconds)
        cpu_s = processes.cpu_s(run.root) - cpu_s
        arrivals = run.arrivals()[before:]
        memory = processes.memory_mib(run.root)
    return {
        "frames": float(len(arrivals)),
        "age_ms": 1000 * statistics.median(each.age_s for each in arrivals),
        "cpu_s": cpu_s,
        "memory_mib": memory,
    }


def measure_cameras(sides: Sequence[Side], camera: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Four cameras that show this video, one side after the other."""
    names = [f"camera{number}" for number in range(4)]
    with RtspProgram({name: [camera] for name in names}) as server:
        return {side.name: measure_live(side, [server.url(name) for name in names], seconds) for side in sides}


def measure(
    sides: Sequence[Side], files: Sequence[Case], camera: Path, repetitions: int, live_s: float
) -> dict[str, Any]:
    """All cases, in turns: each repetition measures each case on both sides, one after the other."""
    samples: dict[str, list[dict[str, dict[str, float]]]] = {}
    for repetition in range(repetitions):
        order = list(sides) if repetition % 2 == 0 else list(reversed(sides))
        for case in files:
            print(f"{repetition + 1}/{repetitions}: {case.name}", flush=True)
            samples.setdefault(case.name, []).append({side.name: measure_file(side, case) for side in order})
        if live_s:
            print(f"{repetition + 1}/{repetitions}: 4 cameras", flush=True)
            found = measure_cameras(order, camera, live_s)
            samples.setdefault(f"4 cameras, pixels, {live_s:.0f} s", []).append(found)
    return {
        name: {"samples": each, "figures": summary(each, [side.name for side in sides])}
        for name, each in samples.items()
    }


def summary(samples: Sequence[dict[str, dict[str, float]]], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Per figure the medians of both sides, and the ratio of the first to the second: its median, least and largest
    of all repetitions, each within one repetition."""
    first, second = names
    found = {}
    for figure in samples[0][first]:
        ratios = [sample[first][figure] / sample[second][figure] for sample in samples]
        found[figure] = {
            first: statistics.median(sample[first][figure] for sample in samples),
            second: statistics.median(sample[second][figure] for sample in samples),
            "ratio": statistics.median(ratios),
            "least_ratio": min(ratios),
            "largest_ratio": max(ratios),
        }
    return found
