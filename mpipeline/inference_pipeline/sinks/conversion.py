"""Predictions as dictionaries → the objects that annotators of `supervision` draw."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from mpipeline.errors import MissingDependency

_MASK_KEYS = ("points", "rle", "rle_mask")
_SMALLEST_POLYGON = 3
_COCO_KEY_POINTS = 17
_COCO_JOINT = "left_shoulder"


def supervision() -> Any:
    """The library. Raises MissingDependency, which names the extra."""
    try:
        return importlib.import_module("supervision")
    except ModuleNotFoundError as error:
        if error.name != "supervision":
            raise
        raise MissingDependency("supervision", "supervision", "drawing predictions") from error


def boxes(prediction: Mapping[str, Any]) -> Any:
    """`supervision.Detections` of all detections, without masks.

    The library itself gives no tracks at all as soon as one detection has none; here that one has -1.
    """
    rows = [{key: value for key, value in row.items() if key not in _MASK_KEYS} for row in prediction["predictions"]]
    found = supervision().Detections.from_inference({**prediction, "predictions": rows})
    tracks = [row.get("tracker_id") for row in rows]
    if any(track is not None for track in tracks):
        found.tracker_id = np.array([-1 if track is None else track for track in tracks], np.int64)
    return found


def masks(prediction: Mapping[str, Any]) -> Any | None:
    """`supervision.Detections` of those that have a mask, in a compact form; None if none has."""
    rows = [row for row in prediction["predictions"] if _has_mask(row)]
    if not rows:
        return None
    return supervision().Detections.from_inference({**prediction, "predictions": rows}, compact_masks=True)


def boxes_and_masks(prediction: Mapping[str, Any]) -> Any:
    """`supervision.Detections` of all detections with their masks, empty ones for those that have none.

    The library itself gives no masks at all as soon as one is missing.
    """
    detections = boxes(prediction)
    rows = prediction["predictions"]
    where = [number for number, row in enumerate(rows) if _has_mask(row)]
    if where:
        masked = {**prediction, "predictions": [rows[number] for number in where]}
        found = supervision().Detections.from_inference(masked).mask
        if found is not None:
            detections.mask = np.zeros((len(rows), *found.shape[1:]), bool)
            detections.mask[where] = found
    return detections


def key_points(prediction: Mapping[str, Any]) -> Any | None:
    """`supervision.KeyPoints` of the detections that have some; None if none has."""
    rows = [dict(row) for row in prediction["predictions"] if row.get("keypoints")]
    if not rows:
        return None
    return supervision().KeyPoints.from_inference({**prediction, "predictions": rows})


def is_coco_pose(prediction: Mapping[str, Any]) -> bool:
    """Whether the key points are those of a person as COCO numbers them."""
    return any(
        point.get("class") == _COCO_JOINT for row in prediction["predictions"] for point in row.get("keypoints", ())
    )


def padded_coco_pose(prediction: Mapping[str, Any]) -> Any | None:
    """`key_points` with all 17 places of a COCO skeleton, those that were not found at (0, 0), which is not drawn."""
    rows = [dict(row) for row in prediction["predictions"] if row.get("keypoints")]
    last = {"x": 0.0, "y": 0.0, "confidence": 0.0, "class_id": _COCO_KEY_POINTS - 1, "class": "right_ankle"}
    for row in rows:
        if all(point.get("class_id") != last["class_id"] for point in row["keypoints"]):
            row["keypoints"] = [*row["keypoints"], last]
    return key_points({**prediction, "predictions": rows})


def _has_mask(row: Mapping[str, Any]) -> bool:
    if row.get("rle") or row.get("rle_mask"):
        return True
    return len(row.get("points") or ()) >= _SMALLEST_POLYGON
