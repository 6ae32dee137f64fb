"""Scoring predictions against the truth of synthetic scenes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpipeline.demo.accuracy import Accuracy, Expected, expected_of, matched_ious, score_file, total
from mpipeline.errors import MpipelineError
from mpipeline.sources.synthetic_scene import CLASS_NAMES, SyntheticScene

SCENE = SyntheticScene(320, 240, 5, 3)


def boxes(*rows: tuple[float, float, float, float]) -> Any:
    return np.array(rows, np.float32).reshape(-1, 4)


def ids(*values: int) -> Any:
    return np.array(values, np.int32)


def line(frame_id: int, scene: SyntheticScene = SCENE, source: str = "gate", shift: float = 0.0) -> dict[str, Any]:
    """A line of a JSON-lines file whose predictions are the truth of the frame, moved to the right."""
    predictions = [
        {
            "x": float(x1 + x2) / 2 + shift,
            "y": float(y1 + y2) / 2,
            "width": float(x2 - x1),
            "height": float(y2 - y1),
            "confidence": 0.9,
            "class": CLASS_NAMES[class_id],
            "class_id": int(class_id),
        }
        for (x1, y1, x2, y2), class_id in zip(*scene.truth(frame_id - 1), strict=True)
    ]
    return {"source": source, "frame_id": frame_id, "width": 320, "height": 240, "predictions": predictions}


def written(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in lines))
    return path


def test_matches_need_the_class_and_half_the_overlap() -> None:
    truth = boxes((0, 0, 10, 10), (50, 50, 60, 60))
    assert matched_ious(truth, ids(0, 1), truth, ids(0, 1)) == [1, 1]
    assert matched_ious(truth, ids(0, 1), truth, ids(1, 1)) == [1]
    assert matched_ious(truth, ids(0, 1), truth + 5, ids(0, 1)) == []
    assert matched_ious(truth, ids(0, 1), truth + boxes((2, 0, 2, 0)), ids(0, 1)) == pytest.approx([2 / 3, 2 / 3])


def test_each_truth_and_each_prediction_is_used_once() -> None:
    one, two = boxes((0, 0, 10, 10)), boxes((0, 0, 10, 10), (1, 0, 11, 10))
    assert matched_ious(one, ids(0), two, ids(0, 0)) == [1]
    assert matched_ious(two, ids(0, 0), one, ids(0)) == [1]


def test_the_best_pair_goes_first() -> None:
    truth, predicted = boxes((0, 0, 10, 10), (2, 0, 12, 10)), boxes((2, 0, 12, 10), (-1, 0, 9, 10))
    assert matched_ious(truth, ids(0, 0), predicted, ids(0, 0)) == pytest.approx([1, 9 / 11])


@pytest.mark.parametrize("empty", ["truth", "predicted", "both"])
def test_nothing_matches_nothing(empty: str) -> None:
    some, none = (boxes((0, 0, 10, 10)), ids(0)), (boxes(), ids())
    truth, predicted = none if empty != "predicted" else some, none if empty != "truth" else some
    assert matched_ious(*truth, *predicted) == []


def test_the_truth_scores_one(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", *(line(n) for n in range(1, 11)))
    [accuracy] = score_file(path, {"gate": Expected(SCENE, 10)})
    assert (accuracy.source, accuracy.frames, accuracy.missing_frames) == ("gate", 10, 0)
    assert (accuracy.precision, accuracy.recall) == (1, 1)
    assert accuracy.mean_iou == pytest.approx(1, abs=1e-4)


def test_frame_ids_count_from_one(tmp_path: Path) -> None:
    late = {**line(100), "frame_id": 1}
    [accuracy] = score_file(written(tmp_path / "p.jsonl", late), {"gate": Expected(SCENE, 1)})
    assert accuracy.matches < accuracy.truths


def test_missing_frames_cost_recall_only(tmp_path: Path) -> None:
    [accuracy] = score_file(written(tmp_path / "p.jsonl", line(1), line(4)), {"gate": Expected(SCENE, 4)})
    assert (accuracy.frames, accuracy.missing_frames) == (2, 2)
    assert (accuracy.precision, accuracy.recall) == (1, 0.5)


def test_a_failed_frame_is_one_where_nothing_was_found(tmp_path: Path) -> None:
    failed = {"source": "gate", "frame_id": 2, "error": {"reason": "failed", "message": "out of memory"}}
    [accuracy] = score_file(written(tmp_path / "p.jsonl", line(1), failed), {"gate": Expected(SCENE, 2)})
    assert (accuracy.frames, accuracy.missing_frames, accuracy.recall) == (2, 0, 0.5)


def test_a_frame_told_twice_counts_once(tmp_path: Path) -> None:
    [accuracy] = score_file(written(tmp_path / "p.jsonl", line(1), line(1)), {"gate": Expected(SCENE, 1)})
    assert (accuracy.frames, accuracy.predictions) == (1, 3)


def test_wrong_boxes_cost_both(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", line(1), line(2, shift=200))
    [accuracy] = score_file(path, {"gate": Expected(SCENE, 2)})
    assert (accuracy.precision, accuracy.recall) == (0.5, 0.5)


def test_sources_are_scored_apart_and_together(tmp_path: Path) -> None:
    other = SyntheticScene(640, 480, 9, 2)
    path = written(tmp_path / "p.jsonl", line(1), line(1, other, "yard", shift=500))
    accuracies = score_file(path, {"gate": Expected(SCENE, 1), "yard": Expected(other, 1)})
    assert [(a.source, a.recall) for a in accuracies] == [("gate", 1), ("yard", 0)]
    both = total(accuracies)
    assert (both.source, both.frames, both.truths, both.matches) == ("total", 2, 5, 3)
    assert both.recall == pytest.approx(3 / 5)


def test_shares_of_nothing() -> None:
    nothing = Accuracy("gate")
    assert (nothing.precision, nothing.recall, nothing.mean_iou) == (1, 1, 0)


@pytest.mark.parametrize(
    "wrong", ["{", "[]", "{}", '{"source": "else", "frame_id": 1, "predictions": []}', '{"source": "gate"}']
)
def test_other_files_are_refused_with_the_line(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(line(1)) + "\n" + wrong + "\n")
    with pytest.raises(MpipelineError, match=r"p\.jsonl:2: "):
        score_file(path, {"gate": Expected(SCENE, 1)})


def test_expectations_come_from_the_config() -> None:
    sources = [{"name": "gate", "kind": "synthetic", "width": 320, "height": 240, "seed": 5, "shapes": 3, "count": 7}]
    expected = expected_of({"sources": sources})["gate"]
    assert expected.frames == 7
    assert np.array_equal(expected.scene.truth(3)[0], SCENE.truth(3)[0])
