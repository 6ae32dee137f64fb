"""Objects whose identity is known, for tests of tracking: scenes as detections, and how often numbers change."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mpipeline.frame import Frame, FrameMeta
from mpipeline.prediction import Detections
from mpipeline.sources.synthetic import SyntheticOptions, scene_of
from mpipeline.trackers.tracker import Tracker

MISSED = 10  # a patchy detector misses each object in one frame of so many


class Truth:
    """For `model: {target: "support.tracks:Truth"}`: what a synthetic source shows, object i as class i, all sure.

    The source has the default seed and number of shapes.
    """

    names = tuple(f"object {i}" for i in range(64))
    missed = 0

    def infer(self, frames: Sequence[Frame]) -> list[Any]:
        return [self.rows(frame.meta) for frame in frames]

    def rows(self, meta: FrameMeta) -> Any:
        """The rows of one frame, (N, 6)."""
        scene = scene_of(meta.source, SyntheticOptions(width=meta.width, height=meta.height))
        boxes, _ = scene.truth(meta.frame_id - 1)
        rows = np.concatenate([boxes, np.full((len(boxes), 1), 0.9), np.arange(len(boxes))[:, None]], axis=1)
        if self.missed:
            rows = rows[(meta.frame_id + 3 * np.arange(len(rows))) % self.missed != 0]
        return rows


class Patchy(Truth):
    """Misses each object in one frame of ten, so that none is ever seen more than nine times in a row."""

    missed = MISSED


@dataclass
class Stability:
    """What became of the identities: `objects` that there were, `ids` that were given, and how often an object has
    got another id than it had (`switches`), of `seen` detections, `unnamed` of which had none."""

    objects: int
    ids: int
    switches: int
    seen: int
    unnamed: int


def stability(sightings: Iterable[tuple[Any, int | None]]) -> Stability:
    """Of pairs in the order of time: which object it was, and the id that it was given (None or negative: none)."""
    last: dict[Any, int] = {}
    objects, ids = set(), set()
    switches = seen = unnamed = 0
    for one, number in sightings:
        objects.add(one)
        seen += 1
        if number is None or number < 0:
            unnamed += 1
            continue
        ids.add(number)
        switches += last.setdefault(one, number) != number
        last[one] = number
    return Stability(len(objects), len(ids), switches, seen, unnamed)


def of_lines(lines: Iterable[dict[str, Any]]) -> Stability:
    """Of lines of a jsonl file about one source of which `Truth` was the model."""
    return stability((one["class_id"], one["tracker_id"]) for line in lines for one in line["predictions"])


def boxes(*rows: tuple[float, ...], score: float = 0.9) -> Detections:
    """One detection for each box."""
    count = len(rows)
    columns = (np.array(rows, np.float32).reshape(count, 4), np.full(count, score, np.float32))
    return Detections(*columns, np.zeros(count, np.int32), ("thing",) * count)


def frame(frame_id: int, *, rate: float = 30.0, **other: Any) -> FrameMeta:
    """Frame `frame_id` of a source of that rate."""
    time_s = (frame_id - 1) / rate
    known = {"pts": time_s, "captured_ns": int(time_s * 1e9), "wall_ns": 0, "width": 640, "height": 480, "rate": rate}
    return FrameMeta("a", frame_id, **{**known, **other})


def follow(tracker: Tracker, frames: Iterable[Detections], *, rate: float = 30.0, first: int = 1) -> list[list[int]]:
    """The ids of each frame, one after another from frame `first` on."""
    found = []
    for number, detections in enumerate(frames, first):
        meta = frame(number, rate=rate)
        found.append(tracker.update(detections, meta, (number - 1) / rate).tolist())
    return found


class Held(Truth):
    """Takes much time for each frame until there is a file named `go`."""

    def infer(self, frames: Sequence[Frame]) -> list[Any]:
        for _ in frames:
            if not Path("go").exists():
                time.sleep(0.02)
        return super().infer(frames)


class Still:
    """One thing that never moves, for cameras that come and go."""

    names = ("thing",)

    def infer(self, frames: Sequence[Frame]) -> list[Any]:
        return [np.array([[20, 20, 70, 70, 0.9, 0]]) for _ in frames]
