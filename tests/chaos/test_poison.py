"""A frame that kills or hangs the model's process: it costs itself, as an explicit failure, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import runs
from support.command import Command, Workplace

FRAMES = 60
DETECTOR = """
import os, signal, time
from support.detectors import Fingerprint

class Deadly(Fingerprint):
    frames = {frames}
    def infer(self, frames):
        if any(frame.meta.frame_id in self.frames and frame.meta.source == "a" for frame in frames):
            {fate}
        return super().infer(frames)
"""
SEGFAULT = "os.kill(os.getpid(), signal.SIGSEGV)"
ABORT = "os.abort()"
HANG = "time.sleep(3600)"
RAISE = 'raise ValueError("poison")'


def job(place: Workplace, fate: str, frames: set[int], **supervision: Any) -> dict[str, Any]:
    place.write("poison.py", DETECTOR.format(fate=fate, frames=frames))
    config = runs.config(runs.clip("a", FRAMES), runs.clip("b", FRAMES))
    config["model"] = {"target": "poison:Deadly", "backend": "python"}
    config["supervision"] = {**runs.QUICK_RESTARTS, **supervision}
    return config


def failures(folder: Path) -> dict[tuple[str, int], str]:
    """Source and frame id → reason, of the lines that are failures."""
    lines = runs.by_source(folder / "out.jsonl")
    return {
        (source, line["frame_id"]): line["error"]["reason"]
        for source, each in lines.items()
        for line in each
        if "error" in line
    }


def assert_only_these_failed(place: Workplace, run: Command, reason: str, *frames: int) -> None:
    assert run.wait() == 0, run.log[-4000:]
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=FRAMES, b=FRAMES)
    assert failures(place.folder) == {("a", frame): reason for frame in frames}


@pytest.mark.parametrize("fate", [SEGFAULT, pytest.param(ABORT, marks=pytest.mark.long)])
def test_a_frame_that_crashes_the_engine_costs_only_itself(place: Workplace, fate: str) -> None:
    run = place.run(job(place, fate, {23}))
    assert_only_these_failed(place, run, "crashed", 23)
    assert len(run.events("worker_restart", worker="inference")) == 2
    [given_up] = run.events("frame_given_up")
    assert (given_up["source"], given_up["reason"]) == ("a", "crashed")


def test_two_such_frames_next_to_each_other(place: Workplace) -> None:
    run = place.run(job(place, SEGFAULT, {23, 24}))
    assert_only_these_failed(place, run, "crashed", 23, 24)
    assert len(run.events("worker_restart", worker="inference")) <= 4


def test_the_first_and_the_last_frame(place: Workplace) -> None:
    run = place.run(job(place, SEGFAULT, {1, FRAMES}))
    assert_only_these_failed(place, run, "crashed", 1, FRAMES)


def test_a_frame_that_hangs_the_engine_costs_only_itself(place: Workplace) -> None:
    run = place.run(job(place, HANG, {23}, inference_timeout=2))
    assert_only_these_failed(place, run, "crashed", 23)
    assert run.events("worker_stalled", worker="inference")


def test_a_kill_from_outside_blames_no_frame(place: Workplace) -> None:
    config = runs.config(runs.clip("a", FRAMES), runs.clip("b", FRAMES), detector="Held")
    run = place.run(config)
    pid = 0
    for at in (1, 2, 3):
        run.wait_until(lambda at=at: runs.count_lines(place.folder / "out.jsonl") >= at, f"{at} lines")  # type: ignore[misc]
        pid = run.worker("inference", other_than=pid).pid
        run.kill_worker("inference")
    place.write("go", "")
    assert_only_these_failed(place, run, "crashed")


def test_a_frame_that_makes_the_engine_raise_costs_only_itself(place: Workplace) -> None:
    run = place.run(job(place, RAISE, {23, 24}))
    assert_only_these_failed(place, run, "inference_failed", 23, 24)
    assert not run.events("worker_restart")


def test_an_engine_that_fails_at_every_frame_is_given_up_with_the_reason(place: Workplace) -> None:
    config = job(place, RAISE, set(range(1, 1001)), max_restarts=1)
    run = place.run(config | {"sources": [runs.clip("a", 1000)]})
    assert run.wait() == 1
    assert len(run.events("worker_restart", worker="inference")) == 1
    assert run.events("worker_fatal", worker="inference")
    for failed in run.events("worker_failed", worker="inference"):
        assert "30 frames in a row failed, last: poison:Deadly: the call raised ValueError: poison" in failed["message"]


def test_an_engine_that_crashes_at_every_frame_is_given_up_with_the_reason(place: Workplace) -> None:
    run = place.run(job(place, SEGFAULT, set(range(1, FRAMES + 1)), max_restarts=3))
    assert run.wait() == 1
    [fatal] = run.events("worker_fatal", worker="inference")
    assert "SIGSEGV" in fatal["message"]
