"""Scores the predictions of synthetic sources against the scenes' exact truth: precision, recall, mean IoU.

A prediction is right if it and a truth of its class overlap by at least `MATCH_IOU` and neither has a better partner
that is still free: pairs are taken greedily, the largest IoU first. Confidence plays no part: what was reported counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpipeline import registry
from mpipeline.boxes import Boxes, iou_table, pairs
from mpipeline.errors import MpipelineError
from mpipeline.sources.synthetic_scene import SyntheticScene

MATCH_IOU = 0.5

_Ids = npt.NDArray[np.int32]
Found = tuple[Boxes, _Ids]
"""What was found in a frame: boxes (N, 4) as xyxy in its pixels, and their class ids (N,)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a synthetic source shows: its scene, and how many frames of it."""

    scene: SyntheticScene
    frames: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How good the predictions of one source are, or of all together. A share of nothing is 1."""

    source: str
    frames: int = 0
    """Frames that predictions were made for, each counted once."""
    missing_frames: int = 0
    """Frames of the scene that no line tells of; what they show counts as not found."""
    truths: int = 0
    predictions: int = 0
    matches: int = 0
    iou_sum: float = 0.0

    @property
    def precision(self) -> float:
        """The share of predictions that are right."""
        return self.matches / self.predictions if self.predictions else 1.0

    @property
    def recall(self) -> float:
        """The share of truths that were found."""
        return self.matches / self.truths if self.truths else 1.0

    @property
    def mean_iou(self) -> float:
        """How well the boxes of right predictions fit, 0.5 to 1; 0 if there is none."""
        return self.iou_sum / self.matches if self.matches else 0.0


def expected_of(config: Mapping[str, Any]) -> dict[str, Expected]:
    """Source name → what it shows, from the synthetic sources of a config as a plain mapping."""
    kind, expected = registry.load("sources", "synthetic"), {}
    for source in config["sources"]:
        options = kind.Options.model_validate({k: v for k, v in source.items() if k not in ("name", "kind")})
        expected[source["name"]] = Expected(kind(source["name"], options).scene, options.count)
    return expected


def score_file(path: Path, expected: Mapping[str, Expected]) -> list[Accuracy]:
    """The accuracy of each source of a JSON-lines file, in the order of `expected`.

    Frame id n shows frame n - 1 of the scene. A frame that is told twice counts once; a frame with an error instead of
    predictions counts as one where nothing was found. Raises MpipelineError with the line for what is no such file.
    """
    seen: dict[str, dict[int, Found]] = {name: {} for name in expected}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                found = _found([] if "error" in record else record["predictions"])
                seen[record["source"]].setdefault(int(record["frame_id"]), found)
            except (ValueError, KeyError, TypeError) as error:
                raise MpipelineError(f"{path}:{number}: not a prediction of one of {', '.join(expected)}") from error
    return [score_source(name, wanted, seen[name]) for name, wanted in expected.items()]


def score_source(name: str, expected: Expected, frames: Mapping[int, Found]) -> Accuracy:
    """The accuracy of one source from what was found in it, by frame id."""
    truths = predictions = 0
    ious: list[float] = []
    nothing = _found([])
    ids = set(range(1, expected.frames + 1)) | set(frames)
    for frame_id in sorted(ids):
        truth_boxes, truth_ids = expected.scene.truth(frame_id - 1)
        boxes, class_ids = frames.get(frame_id, nothing)
        ious += matched_ious(truth_boxes, truth_ids, boxes, class_ids)
        truths += len(truth_ids)
        predictions += len(class_ids)
    return Accuracy(name, len(frames), len(ids) - len(frames), truths, predictions, len(ious), sum(ious))


def total(accuracies: Iterable[Accuracy]) -> Accuracy:
    """All sources together, each prediction and each truth counted alike."""
    parts = list(accuracies)
    return Accuracy(
        "total",
        sum(part.frames for part in parts),
        sum(part.missing_frames for part in parts),
        sum(part.truths for part in parts),
        sum(part.predictions for part in parts),
        sum(part.matches for part in parts),
        sum(part.iou_sum for part in parts),
    )


def matched_ious(truth_boxes: Boxes, truth_ids: _Ids, boxes: Boxes, class_ids: _Ids) -> list[float]:
    """The IoU of each right prediction. Boxes are (N, 4) xyxy."""
    iou = iou_table(truth_boxes, boxes)
    iou[truth_ids[:, None] != class_ids[None, :]] = 0.0
    return [float(iou[pair]) for pair in pairs(iou, MATCH_IOU)]


def _found(predictions: list[dict[str, Any]]) -> Found:
    """Boxes as xyxy and class ids of prediction records, whose x and y are the centre."""
    rows = [(p["x"], p["y"], p["width"], p["height"]) for p in predictions]
    centred = np.array(rows, np.float32).reshape(-1, 4)
    boxes = np.concatenate([centred[:, :2] - centred[:, 2:] / 2, centred[:, :2] + centred[:, 2:] / 2], axis=1)
    return boxes, np.array([p["class_id"] for p in predictions], np.int32)
