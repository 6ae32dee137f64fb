"""How findings differ: pairs, detections that come and go, other classes, and classes of whole frames."""

from __future__ import annotations

import numpy as np
import pytest

from mpipeline.hosted.differences import Differences
from mpipeline.prediction import Classification, Detections, Embedding

Row = tuple[float, float, float, float, float, int]  # x1, y1, x2, y2, score, class


def found(*rows: Row) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    ids = table[:, 5].astype(np.int32)
    return Detections(table[:, :4], table[:, 4], ids, tuple(str(i) for i in ids))


def classes(**scores: float) -> Classification:
    order = sorted(scores, key=lambda name: -scores[name])
    ids = np.array([ord(name) for name in order], np.int32)
    return Classification(np.array([scores[name] for name in order], np.float32), ids, tuple(order))


def test_boxes() -> None:
    differences = Differences(0.4)
    first = found((0, 0, 10, 10, 0.9, 1), (20, 0, 30, 10, 0.8, 1), (40, 0, 50, 10, 0.42, 2), (60, 0, 70, 10, 0.7, 2))
    second = found((0, 0, 10, 10, 0.88, 1), (20, 0, 30, 9, 0.7, 2), (80, 0, 90, 10, 0.41, 1), (0, 80, 9, 90, 0.6, 1))
    differences.add(first, second)
    differences.add(found(), found())
    assert differences.as_dict() == {
        "frames": 2,
        "detections": 4,
        "same": 1,
        "flipped": 1,
        "lost": 2,
        "lost_near": 1,
        "new": 2,
        "new_near": 1,
        "score_change_median": pytest.approx(0.06),
        "score_change_max": pytest.approx(0.1),
        "iou_median": pytest.approx(0.95),
    }


def test_a_partner_of_the_same_class_goes_before_one_that_fits_better() -> None:
    differences = Differences(0.4)
    one = found((0, 0, 10, 10, 0.9, 1))
    differences.add(one, found((0, 0, 10, 10, 0.9, 2), (0, 0, 10, 8, 0.5, 1)))
    told = differences.as_dict()
    assert (told["same"], told["flipped"], told["new"]) == (1, 0, 1)


def test_nothing_on_either_side() -> None:
    differences = Differences(0.4)
    differences.add(found(), found((0, 0, 1, 1, 0.5, 0)))
    told = differences.as_dict()
    assert (told["detections"], told["new"], told["new_near"]) == (0, 1, 0)
    assert told["score_change_median"] is told["score_change_max"] is told["iou_median"] is None


def test_classes_of_whole_frames() -> None:
    differences = Differences(0.4)
    differences.add(classes(a=0.9, b=0.1), classes(a=0.8, b=0.2))
    differences.add(classes(a=0.51, b=0.49), classes(b=0.52, a=0.48))
    differences.add(classes(), classes())
    differences.add(classes(a=0.5), classes())
    assert differences.as_dict() == {
        "frames": 4,
        "classified": 4,
        "same_top": 2,
        "score_change_median": pytest.approx(0.065),
        "score_change_max": pytest.approx(0.1),
    }


def test_vectors() -> None:
    differences = Differences(0.4)
    one, two, none = (Embedding(np.array(vector, np.float32)) for vector in ([3, 4], [4, 3], [0, 0]))
    for first, second in ((one, one), (one, two), (one, none), (none, none)):
        differences.add(first, second)
    assert differences.as_dict() == {
        "frames": 4,
        "cosine_median": pytest.approx(0.98),
        "cosine_min": 0.0,
        "score_change_median": None,
        "score_change_max": None,
    }
