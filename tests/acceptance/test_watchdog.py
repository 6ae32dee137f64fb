"""Workers that hang or use too much are ended and started again; nothing of a file is lost by that."""

from __future__ import annotations

from typing import Any

from support import runs
from support.command import Workplace

MODULE = '''
import os, time
from support.detectors import Fingerprint


def first(name):
    """Whether this is the first time, over all processes."""
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def hang():
    while True:
        time.sleep(3600)


class Hanging(Fingerprint):
    """Hangs once, in the middle of the work."""

    def infer(self, frames):
        if frames[-1].meta.frame_id >= 20 and first("hung"):
            hang()
        return super().infer(frames)


class Hog(Fingerprint):
    """Takes 300 MB once, and stays at work."""

    kept = None

    def infer(self, frames):
        if frames[-1].meta.frame_id >= 20 and first("hogged"):
            self.kept = bytearray(os.urandom(1 << 20)) * 300
        if self.kept:
            time.sleep(0.05 * len(frames))  # far from the end when it is looked at for the third time
        return super().infer(frames)


class Spinning(Fingerprint):
    """Computes without end once."""

    spins = False

    def infer(self, frames):
        self.spins = self.spins or (frames[-1].meta.frame_id >= 5 and first("spun"))
        end = time.monotonic() + 0.5
        while self.spins and time.monotonic() < end:
            pass
        return super().infer(frames)


class Sink:
    wants_frames = False

    def write(self, prediction, frame):
        if prediction.frame.frame_id == 10 and first("sink-hung"):
            hang()
'''


def config(detector: str, *sinks: dict[str, Any], frames: int = 60, **supervision: Any) -> dict[str, Any]:
    made = runs.config(runs.clip("a", frames), sinks=(runs.JSONL, *sinks))
    made["model"] = {"target": f"mine:{detector}"}
    made["supervision"] = {**runs.QUICK_RESTARTS, **supervision}
    return made


def test_an_inference_that_hangs_is_killed_and_nothing_is_lost(place: Workplace) -> None:
    place.write("mine.py", MODULE)
    run = place.run(config("Hanging", inference_timeout=3))
    assert run.wait() == 0, run.log
    [stalled] = run.events("worker_stalled")
    assert (stalled["worker"], stalled["reason"]) == ("inference", "stalled")
    [restart] = run.events("worker_restart")
    assert restart["reason"] == "stalled"
    assert "has not been heard of" in restart["message"]
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=60)


def test_a_sink_that_hangs_is_killed_and_gets_the_rest(place: Workplace) -> None:
    place.write("mine.py", MODULE)
    run = place.run(config("Fingerprint", {"name": "own", "kind": "python", "target": "mine:Sink"}, sink_timeout=3))
    assert run.wait() == 0, run.log
    assert [event["worker"] for event in run.events("worker_stalled")] == ["sink:own"]
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=60)


def test_a_worker_over_its_memory_limit_is_started_again(place: Workplace) -> None:
    place.write("mine.py", MODULE)
    run = place.run(config("Hog", frames=400, max_memory_mb={"inference": 250}))
    assert run.wait() == 0, run.log
    [over] = run.events("worker_over_limit")
    assert (over["worker"], over["reason"]) == ("inference", "memory_limit")
    assert "250 are allowed" in over["message"]
    [restart] = run.events("worker_restart")
    assert restart["reason"] == "memory_limit"
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=400)


def test_a_worker_over_its_processor_limit_is_started_again(place: Workplace) -> None:
    place.write("mine.py", MODULE)
    run = place.run(config("Spinning", frames=2000, max_cpu={"inference": 0.1}))
    run.wait_for("worker_over_limit", worker="inference", reason="cpu_limit")
    run.wait_for("worker_restart", worker="inference", reason="cpu_limit")
    assert run.wait() == 0, run.log
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=2000)
