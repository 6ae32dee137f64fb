"""Findings as dictionaries with the keys of `InferencePipeline` predictions; docs/predictions.md describes them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mpipeline.coco_masks import coco_runs
from mpipeline.frame import FrameMeta
from mpipeline.masks import Masks

if TYPE_CHECKING:
    from mpipeline.prediction import Classification, Detections, Embedding

Record = dict[str, Any]

_DETECTION_NAMESPACE = uuid.UUID("7a6f1d0e-5f0e-4c55-9c55-6d70697065ff")
_CLASS_DIGITS = 4  # of the confidences of a single-label classification


def identities(frame: FrameMeta, model: str, places: Iterable[int]) -> list[str]:
    """UUIDs made from source, model, frame id and row, so that the same work done twice gives the same ones."""
    start = f"{frame.source}:{model}/{frame.frame_id}" if model else f"{frame.source}/{frame.frame_id}"
    return [str(uuid.uuid5(_DETECTION_NAMESPACE, f"{start}/{row}")) for row in places]


def rows(
    found: Detections, detection_ids: Iterable[str], *, whole_pixels: bool = False, masks: str = "polygon"
) -> list[Record]:
    """A dictionary for each detection; x, y is the centre and width, height the size of the box in source pixels."""
    corners = np.rint(found.xyxy) if whole_pixels else found.xyxy
    columns = (corners.tolist(), found.score.tolist(), found.class_id.tolist(), found.class_name, detection_ids)
    records: list[Record] = [
        {
            "x": (x1 + x2) / 2,
            "y": (y1 + y2) / 2,
            "width": x2 - x1,
            "height": y2 - y1,
            "confidence": score,
            "class": name,
            "class_id": class_id,
            "detection_id": detection_id,
        }
        for (x1, y1, x2, y2), score, class_id, name, detection_id in zip(*columns, strict=True)
    ]
    if found.masks is not None:
        for i, record in enumerate(records):
            record.update(_runs(found.masks, i) if masks == "rle" else _outline(found.masks, i))
    if found.keypoints is not None:
        for record, points in zip(records, found.keypoints, strict=True):
            record["keypoints"] = _points(points, found.keypoint_name, whole_pixels)
    if found.tracker_id is not None:
        for record, track in zip(records, found.tracker_id.tolist(), strict=True):
            record["tracker_id"] = track if track >= 0 else None
    return records


def rounded(records: list[Record]) -> list[Record]:
    """The same to a thousandth of a pixel and five digits of confidence; outlines in whole numbers, which they are."""
    for record in records:
        for entry in (record, *record.get("keypoints", ())):
            for key in ("x", "y", "width", "height"):
                if key in entry:
                    entry[key] = round(entry[key], 3)
            entry["confidence"] = round(entry["confidence"], 5)
        if "points" in record:
            record["points"] = [{"x": int(point["x"]), "y": int(point["y"])} for point in record["points"]]
    return records


def classes(found: Classification) -> list[Record]:
    """A dictionary for each class that is told, the likeliest first."""
    columns = (found.class_name, found.class_id.tolist(), found.score.tolist())
    return [
        {"class": name, "class_id": class_id, "confidence": round(score, _CLASS_DIGITS)}
        for name, class_id, score in zip(*columns, strict=True)
    ]


def classification_fields(found: Classification) -> Record:
    """`predictions`, with `top` and `confidence` if a frame is of one class, else with `predicted_classes`."""
    if not found.multi_label:
        ranked = sorted(classes(found), key=lambda record: (-record["confidence"], record["class_id"]))
        top = ranked[0] if ranked else {"class": "", "confidence": 0.0}
        return {"predictions": ranked, "top": top["class"], "confidence": top["confidence"]}
    order = np.argsort(found.class_id, kind="stable").tolist()
    scores, ids = found.score.tolist(), found.class_id.tolist()
    table = {found.class_name[i]: {"confidence": scores[i], "class_id": ids[i]} for i in order}
    return {
        "predictions": table,
        "predicted_classes": [found.class_name[i] for i in order if scores[i] > found.threshold],
    }


def embedding_fields(found: Embedding) -> Record:
    """`embedding`, the vector, to seven digits: float32 has no more."""
    return {"embedding": [float(f"{number:.7g}") for number in found.vector.tolist()]}


def _outline(masks: Masks, index: int) -> Record:
    points = [{"x": float(x), "y": float(y)} for x, y in masks.outline(index).tolist()]
    return {"points": points, "mask_format": "polygon"}


def _runs(masks: Masks, index: int) -> Record:
    return {"rle": coco_runs(masks, index), "mask_format": "rle"}


def _points(points: npt.NDArray[np.float32], names: tuple[str, ...], whole_pixels: bool) -> list[Record]:
    """Those key points that were found."""
    places = np.rint(points[:, :2]) if whole_pixels else points[:, :2]
    columns = zip(places.tolist(), points[:, 2].tolist(), names, strict=True)
    return [
        {"x": x, "y": y, "confidence": score, "class_id": i, "class": name}
        for i, ((x, y), score, name) in enumerate(columns)
        if score > 0
    ]
