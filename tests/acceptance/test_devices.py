"""A model on several devices, real processes without a GPU: nothing is lost, whoever is killed."""

from __future__ import annotations

from support import runs
from support.command import Workplace

MODULE = '''
import time


class Reporter:
    """Finds in every frame the name of the device that it was given."""

    def __init__(self, device):
        self.device = device

    def infer(self, frames):
        time.sleep(0.002 * len(frames))
        box = {"x": 20, "y": 20, "width": 10, "height": 10, "confidence": 0.9, "class": self.device}
        return [[box] for _ in frames]


class Looking:
    """A sink that looks at the pixels, and so reads every ring."""

    wants_frames = True

    def open(self):
        self.file = open("seen.txt", "a")

    def write(self, prediction, frame):
        print(prediction.frame.source, prediction.frame.frame_id, frame is not None, file=self.file, flush=True)

    def close(self):
        self.file.close()
'''
COUNT = 150
NAMES = ("a", "b", "c")
SINKS = (runs.JSONL, {"kind": "python", "target": "gpus:Looking"})


def config(sources: list[dict[str, object]]) -> dict[str, object]:
    model = {"target": "gpus:Reporter", "device": ["cuda:0", "cuda:1"]}
    return {**runs.config(*sources, sinks=SINKS), "model": model}


def devices(place: Workplace) -> dict[str, set[str]]:
    """Source → the devices that its predictions name."""
    found = runs.by_source(place.folder / "out.jsonl")
    return {source: {line["predictions"][0]["class"] for line in lines} for source, lines in found.items()}


def test_each_source_goes_through_one_of_them_and_no_frame_is_lost_though_one_is_killed(place: Workplace) -> None:
    place.write("gpus.py", MODULE)
    run = place.run(config([runs.clip(name, COUNT) for name in NAMES]))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") > 30, "some lines")
    run.kill_worker("inference:cuda:1")
    assert run.wait() == 0, run.log
    assert len(run.events("worker_restart", worker="inference:cuda:1")) == 1
    assert not run.events("worker_restart", worker="inference:cuda:0")
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(**dict.fromkeys(NAMES, COUNT))
    assert devices(place) == {"a": {"cuda:0"}, "b": {"cuda:1"}, "c": {"cuda:0"}}
    seen = [line.split() for line in (place.folder / "seen.txt").read_text().splitlines()]
    assert {(source, int(frame_id)) for source, frame_id, _ in seen} == {
        (name, number) for name in NAMES for number in range(1, COUNT + 1)
    }
    assert {there for *_, there in seen} == {"True"}


def test_one_that_is_given_up_leaves_the_other_its_sources(place: Workplace) -> None:
    broken = MODULE.replace("self.device = device", "self.device = {'cuda:0': device}[device]")
    place.write("gpus.py", broken)
    quickly = {**runs.QUICK_RESTARTS, "max_restarts": 1}
    run = place.run({**config([runs.clip(name, 30) for name in NAMES]), "supervision": quickly})
    assert run.wait() == 1
    assert run.events("worker_fatal", worker="inference:cuda:1")
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=30, c=30)
