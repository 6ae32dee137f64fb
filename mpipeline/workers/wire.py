"""Predictions as they travel between inference and sinks, and back."""

from __future__ import annotations

import numpy as np

from mpipeline.errors import ProtocolError
from mpipeline.frame import FrameRef
from mpipeline.messages import PredictionReady, WireDetections
from mpipeline.prediction import Detections, Failure, Prediction

MAX_DETECTIONS = 100_000  # a message is bounded, and nobody can use more boxes than that


def to_wire(prediction: Prediction, ref: FrameRef | None) -> PredictionReady:
    """The message for one prediction; `ref` names its pixels for a sink that wants them."""
    if prediction.failure is not None:
        return PredictionReady(prediction.frame, ref, None, prediction.failure.reason, prediction.failure.message)
    found = prediction.detections
    assert found is not None
    if len(found) > MAX_DETECTIONS:
        message = f"{len(found)} detections in one frame are more than the {MAX_DETECTIONS} that can be passed on"
        return PredictionReady(prediction.frame, ref, None, "too_many_detections", message)
    names = dict(zip(found.class_id.tolist(), found.class_name, strict=True))
    wire = WireDetections(
        np.ascontiguousarray(found.xyxy, "<f4").tobytes(),
        np.ascontiguousarray(found.score, "<f4").tobytes(),
        np.ascontiguousarray(found.class_id, "<i4").tobytes(),
        names,
    )
    return PredictionReady(prediction.frame, ref, wire)


def from_wire(message: PredictionReady) -> Prediction:
    """The prediction of a message.

    Raises ProtocolError if its columns do not fit together.
    """
    wire = message.detections
    if wire is None:
        if not message.failure_reason:
            raise ProtocolError("PredictionReady has neither detections nor a failure")
        return Prediction(message.frame, None, Failure(message.failure_reason, message.failure_message))
    rows, rest = divmod(len(wire.score), 4)
    if rest or len(wire.xyxy) != 16 * rows or len(wire.class_id) != 4 * rows:
        raise ProtocolError("PredictionReady: the columns of the detections differ in length")
    class_id = np.frombuffer(wire.class_id, "<i4").astype(np.int32)
    try:
        names = tuple(wire.names[i] for i in class_id.tolist())
    except KeyError as error:
        raise ProtocolError(f"PredictionReady: no name for class {error}") from None
    detections = Detections(
        np.frombuffer(wire.xyxy, "<f4").reshape(rows, 4).astype(np.float32),
        np.frombuffer(wire.score, "<f4").astype(np.float32),
        class_id,
        names,
    )
    return Prediction(message.frame, detections)
