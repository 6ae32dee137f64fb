"""Predictions as the dictionaries that users of `InferencePipeline` know."""

from __future__ import annotations

from typing import Any

from mpipeline.prediction import Prediction


def as_dictionary(prediction: Prediction) -> dict[str, Any]:
    """One frame's detections, best first: centre, width and height in pixels of the frame.

    Corners are rounded to whole pixels, so a centre may end in .5. `detection_id` is a UUID that is the same whenever
    the same frame is processed again.
    """
    frame, found = prediction.frame, prediction.detections
    records = prediction.records()
    if found is not None:
        for record, corners, score in zip(records, found.xyxy.tolist(), found.score.tolist(), strict=True):
            left, top, right, bottom = (float(round(corner)) for corner in corners)
            record["x"], record["y"] = (left + right) / 2, (top + bottom) / 2
            record["width"], record["height"] = right - left, bottom - top
            record["confidence"] = score
    return {"image": {"width": frame.width, "height": frame.height}, "predictions": records}
