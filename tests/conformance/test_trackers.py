"""The contract of `trackers/tracker.py`, once for all kinds: built-in ones and those of entry points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.tracks import boxes, follow, frame, stability

from mpipeline import registry
from mpipeline.config.tracker import TrackerSpec
from mpipeline.prediction import Detections
from mpipeline.sources.synthetic_scene import SyntheticScene
from mpipeline.trackers.tracker import UNTRACKED, Tracker

pytest.importorskip("trackers", reason="needs the library: pip install --no-deps 'trackers>=2.6,<3'")

ALL = sorted(registry.kinds("trackers"))


def make(kind: str, rate: float = 30.0) -> Tracker:
    spec = TrackerSpec.from_mapping({"kind": kind})
    made: Tracker = registry.load("trackers", kind)(spec.options, rate)
    return made


def walk(n: int, count: int = 3) -> Detections:
    """Objects side by side that walk to the right."""
    return boxes(*[(10 + 4 * n, 10 + 100 * i, 60 + 4 * n, 80 + 100 * i) for i in range(count)])


@pytest.mark.parametrize("kind", ALL)
def test_one_number_for_each_object_in_the_order_of_the_detections(kind: str) -> None:
    tracker = make(kind)
    random = np.random.default_rng(1)
    names: list[tuple[int, int]] = []
    for n in range(30):
        order = random.permutation(3)
        there = walk(n)
        shuffled = replace(there, xyxy=there.xyxy[order], score=there.score[order])
        ids = tracker.update(shuffled, frame(n + 1), n / 30)
        assert (ids.shape, ids.dtype) == ((3,), np.int64)
        names += zip(order.tolist(), ids.tolist(), strict=True)
    found = stability(names)
    assert (found.objects, found.ids, found.switches) == (3, 3, 0)
    assert found.unnamed <= 12


@pytest.mark.parametrize("kind", ALL)
def test_numbers_begin_at_nought_and_are_never_given_to_another(kind: str) -> None:
    tracker = make(kind)
    first = follow(tracker, [walk(n, 1) for n in range(10)])
    gone = follow(tracker, [Detections.empty()] * 200, first=11)
    second = follow(tracker, [walk(n, 1) for n in range(10)], first=211)
    assert first[-1] == [0]
    assert gone == [[]] * 200
    assert second[-1][0] > 0


@pytest.mark.parametrize("kind", ALL)
def test_a_missed_frame_costs_no_number(kind: str) -> None:
    frames = [Detections.empty() if n in (12, 20) else walk(n) for n in range(30)]
    ids = follow(make(kind), frames)
    assert ids[-1] == ids[8]
    assert UNTRACKED not in ids[-1]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("rate", [0.0, 0.5, 12.5, 1000.0])
def test_any_rate_and_times_that_do_not_fit_it(kind: str, rate: float) -> None:
    tracker = make(kind, rate)
    time_s = 0.0
    for n, step in enumerate([0.001, 0.04, 3.0, 0.001, 500.0] * 4):
        time_s += step
        assert len(tracker.update(walk(n), frame(n + 1), time_s)) == 3


@pytest.mark.parametrize("kind", ALL)
def test_odd_boxes_are_taken(kind: str) -> None:
    """Without an area, far outside, huge, many upon each other; finite is all that is promised."""
    odd = boxes((5, 5, 5, 5), (9, 9, 9, 40), (-1e6, -1e6, -9e5, -9e5), (0, 0, 1e7, 1e7), (1, 1, 2, 2), (1, 1, 2, 2))
    tracker = make(kind)
    for n in range(20):
        ids = tracker.update(
            odd if n % 3 else boxes(*[(i, i, i + 30, i + 30) for i in range(100)]), frame(n + 1), n / 30
        )
        given = ids[ids >= 0].tolist()
        assert len(set(given)) == len(given)


@pytest.mark.parametrize("kind", ALL)
def test_each_tracker_counts_for_itself(kind: str) -> None:
    one, other = make(kind), make(kind)
    for n in range(10):
        first = one.update(walk(n, 2), frame(n + 1), n / 30)
        second = other.update(walk(n, 1), frame(n + 1), n / 30)
    assert sorted(first.tolist()) == [0, 1]
    assert second.tolist() == [0]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("missed", [0, 10])
def test_identities_of_scenes_are_kept(kind: str, missed: int) -> None:
    """Three scenes of ten bouncing shapes that overlap a little, 200 frames each: no number changes."""
    names = []
    for seed in range(3):
        scene, tracker = SyntheticScene(1280, 720, seed, 10), make(kind)
        for n in range(200):
            there = np.arange(10)
            if missed:
                there = there[(n + 3 * there) % missed != 0]
            ids = tracker.update(boxes(*scene.truth(n)[0][there]), frame(n + 1), n / 30)
            names += [((seed, one), number) for one, number in zip(there.tolist(), ids.tolist(), strict=True)]
    found = stability((key, number if number < 0 else key[0] * 1000 + number) for key, number in names)
    assert (found.objects, found.switches, found.ids) == (30, 0, 30)
    assert found.unnamed <= (0.3 if missed else 0.01) * found.seen  # `ocsort` is not sure after each gap
