"""What a tracker costs a frame beside the time that a frame lasts, and how often objects change their number.

Boxes are those of synthetic scenes, whose objects are known. A detector's faults are made: with `missed` 0.1 one box in
ten is not there, and every box is off by a normal error of 3 % of its size.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.machine import about, sentence
from mpipeline import registry
from mpipeline.config.tracker import TrackerSpec
from mpipeline.frame import FrameMeta
from mpipeline.prediction import Detections
from mpipeline.sources.synthetic_scene import SyntheticScene

RATE = 30.0
ERROR = 0.03
MISSED = (0.0, 0.1, 0.3)
NUMBERS = (1, 10, 50)


@dataclass(frozen=True)
class Row:
    """One line: median processor time of a frame in microseconds, objects, numbers given, and changes of number."""

    kind: str
    objects: int
    missed: float
    median_us: float
    ids: int
    switches: int


def frames(seed: int, objects: int, missed: float, count: int) -> Iterator[tuple[Detections, npt.NDArray[np.intp]]]:
    """What a faulty detector finds in each frame of a scene, and which objects these are."""
    scene, random = SyntheticScene(1280, 720, seed, objects), np.random.default_rng(seed)
    for n in range(count):
        boxes, class_ids = scene.truth(n)
        there = np.flatnonzero(random.random(objects) >= missed)
        size = np.tile(boxes[there, 2:] - boxes[there, :2], 2)
        found = (boxes[there] + random.normal(0, ERROR if missed else 0, (len(there), 4)) * size).astype(np.float32)
        score = np.full(len(there), 0.9, np.float32)
        yield Detections(found, score, class_ids[there], ("shape",) * len(there)), there


def measure(kind: str, objects: int, missed: float, count: int, scenes: int) -> Row:
    """Follows the objects of so many scenes of `count` frames each."""
    spec = TrackerSpec.from_mapping({"kind": kind})
    costs, ids, switches = [], 0, 0
    for seed in range(scenes):
        tracker = registry.load("trackers", kind)(spec.options, RATE)
        last: dict[int, int] = {}
        given: set[int] = set()
        for n, (found, there) in enumerate(frames(seed, objects, missed, count)):
            meta = FrameMeta("bench", n + 1, n / RATE, 0, 0, 1280, 720, RATE)
            begun = time.thread_time()
            tracks = tracker.update(found, meta, n / RATE)
            costs.append(time.thread_time() - begun)
            for one, number in zip(there.tolist(), tracks.tolist(), strict=True):
                if number >= 0:
                    switches += last.get(one, number) != number
                    last[one] = number
                    given.add(number)
        ids += len(given)
    return Row(kind, objects * scenes, missed, float(np.median(costs)) * 1e6, ids, switches)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=600, help="of each scene; default: 600, twenty seconds")
    parser.add_argument("--scenes", type=int, default=10, help="for the changes; default: 10")
    arguments = parser.parse_args()
    print(sentence(about()))
    print(f"\nA frame lasts {1e6 / RATE:.0f} us.\n")
    print("| kind | detections | us a frame | share of a core at 30 fps |\n|---|---|---|---|")
    for kind in sorted(registry.kinds("trackers")):
        for number in NUMBERS:
            row = measure(kind, number, 0.0, arguments.frames, 1)
            print(f"| {kind} | {number} | {row.median_us:.0f} | {row.median_us * RATE / 1e4:.1f} % |")
    print("\n| kind | missed | objects | numbers given | changes of number |\n|---|---|---|---|---|")
    for kind in sorted(registry.kinds("trackers")):
        for missed in MISSED:
            row = measure(kind, 10, missed, arguments.frames, arguments.scenes)
            print(f"| {kind} | {missed:.0%} | {row.objects} | {row.ids} | {row.switches} |")


if __name__ == "__main__":
    main()
