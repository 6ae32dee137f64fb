"""Draws a prediction, whatever its task, into a picture."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.sinks import conversion
from mpipeline.inference_pipeline.sinks.classes import draw_classes, draw_regions

Annotators = Any  # one of supervision's, or of the user's own, or a list of them, or None

Read = TypeVar("Read")

_SHAPE_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError)


class UnknownFormat(Exception):
    """The prediction has none of the forms that can be drawn; the message says what is wrong with it."""


def annotated(canvas: Pixels, prediction: Any, annotators: Annotators = None) -> Pixels:
    """`canvas` with the prediction drawn into it, or the new picture that an annotator has made of it.

    Raises UnknownFormat, and MissingDependency without `supervision`. What an annotator raises is passed on.
    """
    if hasattr(prediction, "dict"):  # pydantic models, as other programs make them
        prediction = prediction.dict(exclude_none=True, by_alias=True)
    chosen = _as_list(annotators)
    if _is_detections(prediction):
        return _apply(canvas, _default_annotators() if chosen is None else chosen, prediction, None)
    if not isinstance(prediction, Mapping) or "predictions" not in prediction:
        keys = f", with the keys {sorted(map(str, prediction))}" if isinstance(prediction, Mapping) else ""
        raise UnknownFormat(f"it is a {type(prediction).__name__}{keys}, not a dictionary with 'predictions'")
    rows = prediction["predictions"]
    if _is_detections(rows):
        return _apply(canvas, _default_annotators() if chosen is None else chosen, rows, None)
    if isinstance(rows, Mapping) and "segmentation_mask" in rows:
        return _reading(draw_regions, canvas, rows)
    if isinstance(rows, Mapping) or "top" in prediction:
        return _reading(draw_classes, canvas, prediction)
    if chosen is not None:
        return _apply(
            canvas,
            chosen,
            _reading(conversion.boxes_and_masks, prediction),
            _reading(conversion.key_points, prediction),
        )
    return _draw_all(canvas, prediction)


def _as_list(annotators: Annotators) -> list[Any] | None:
    if annotators is None:
        return None
    return list(annotators) if isinstance(annotators, (list, tuple)) else [annotators]


def _draw_all(canvas: Pixels, prediction: Mapping[str, Any]) -> Pixels:
    """Masks first, then boxes, skeletons, and names on top."""
    sv = conversion.supervision()
    boxes, masks = _reading(conversion.boxes, prediction), _reading(conversion.masks, prediction)
    if masks is not None:
        canvas = sv.MaskAnnotator().annotate(canvas, masks)
    canvas = sv.BoxAnnotator().annotate(canvas, boxes)
    if _reading(conversion.is_coco_pose, prediction):
        points = _reading(conversion.padded_coco_pose, prediction)
        canvas = sv.EdgeAnnotator(color=sv.Color.GREEN).annotate(canvas, points)
    else:
        points = _reading(conversion.key_points, prediction)
    if points is not None:
        canvas = sv.VertexAnnotator().annotate(canvas, points)
    drawn: Pixels = sv.LabelAnnotator().annotate(canvas, boxes)
    return drawn


def _apply(canvas: Pixels, annotators: list[Any], detections: Any, key_points: Any) -> Pixels:
    for each in annotators:
        if "key_points" not in inspect.signature(each.annotate).parameters:
            canvas = each.annotate(scene=canvas, detections=detections)
        elif key_points is not None:
            canvas = each.annotate(scene=canvas, key_points=key_points)
    return canvas


def _default_annotators() -> list[Any]:
    sv = conversion.supervision()
    return [sv.MaskAnnotator(), sv.BoxAnnotator(), sv.LabelAnnotator()]


def _is_detections(value: Any) -> bool:
    """Whether it is a `supervision.Detections`, without loading that library."""
    return type(value).__name__ == "Detections" and hasattr(value, "xyxy") and hasattr(value, "data")


def _reading(read: Callable[..., Read], *arguments: Any) -> Read:
    try:
        return read(*arguments)
    except _SHAPE_ERRORS as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise UnknownFormat(what) from error
