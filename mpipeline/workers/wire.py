"""Predictions as they travel between inference and sinks, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mpipeline.errors import ProtocolError
from mpipeline.frame import FrameRef
from mpipeline.masks import Masks
from mpipeline.messages import PredictionReady
from mpipeline.prediction import Classification, Detections, Embedding, Failure, Prediction
from mpipeline.wire_columns import WireClassification, WireDetections, WireEmbedding, WireMasks

MAX_DETECTIONS = 100_000  # a message is bounded, and nobody can use more boxes than that
MAX_CLASSES = 50_000
MAX_COLUMN_BYTES = 2 << 20  # of one column, and of all of them together: the rest of a message is names
MAX_BYTES = 3_800_000

_F4, _I4, _I8, _U2 = np.dtype("<f4"), np.dtype("<i4"), np.dtype("<i8"), np.dtype("<u2")


def to_wire(prediction: Prediction, ref: FrameRef | None) -> PredictionReady:
    """The message for one prediction; `ref` names its pixels for a sink that wants them.

    What does not fit into a message becomes a failure that says so.
    """
    frame = prediction.frame
    if prediction.failure is not None:
        return PredictionReady(frame, ref, None, prediction.failure.reason, prediction.failure.message)
    if prediction.classification is not None:
        classes = prediction.classification
        if len(classes) > MAX_CLASSES:
            message = f"{len(classes)} classes of one frame are more than the {MAX_CLASSES} that can be passed on"
            return PredictionReady(frame, ref, None, "too_many_classes", message)
        return PredictionReady(frame, ref, None, classification=_classification(classes))
    if prediction.embedding is not None:
        vector = _bytes(prediction.embedding.vector, _F4)
        if len(vector) > MAX_COLUMN_BYTES:
            message = f"an embedding of {len(vector) // 4} numbers is larger than can be passed on"
            return PredictionReady(frame, ref, None, "prediction_too_large", message)
        return PredictionReady(frame, ref, None, embedding=WireEmbedding(vector))
    found = prediction.detections
    assert found is not None
    if len(found) > MAX_DETECTIONS:
        message = f"{len(found)} detections in one frame are more than the {MAX_DETECTIONS} that can be passed on"
        return PredictionReady(frame, ref, None, "too_many_detections", message)
    wire = _detections(found)
    if found.masks is not None or found.keypoints is not None:
        message = _oversize(wire, len(found))
        if message:
            return PredictionReady(frame, ref, None, "prediction_too_large", message)
    return PredictionReady(frame, ref, wire)


def _detections(found: Detections) -> WireDetections:
    masks, points = found.masks, found.keypoints
    columns = (_bytes(found.xyxy, _F4), _bytes(found.score, _F4), _bytes(found.class_id, _I4))
    names = dict(zip(found.class_id.tolist(), found.class_name, strict=True))
    tracks = None if found.tracker_id is None else _bytes(found.tracker_id, _I8)
    if masks is None and points is None:
        return WireDetections(*columns, names, tracker_id=tracks)
    return WireDetections(
        *columns,
        names,
        None if masks is None else _masks(masks),
        None if points is None else _bytes(points, _F4),
        dict(enumerate(found.keypoint_name)),
        tracks,
    )


def _masks(masks: Masks) -> WireMasks:
    columns = (_bytes(masks.window, _I4), _bytes(np.diff(masks.first), _I4), _bytes(masks.runs, _U2))
    return WireMasks(masks.width, masks.height, *columns)


def _classification(found: Classification) -> WireClassification:
    names = dict(zip(found.class_id.tolist(), found.class_name, strict=True))
    columns = (_bytes(found.score, _F4), _bytes(found.class_id, _I4))
    return WireClassification(*columns, names, found.multi_label, float(found.threshold))


def _oversize(wire: WireDetections, count: int) -> str:
    """Why masks and key points do not fit, empty if they do."""
    columns = [wire.keypoints or b""]
    if wire.masks is not None:
        columns += [wire.masks.runs, wire.masks.window, wire.masks.counts]
    sizes = [len(column) for column in columns]
    together = sum(sizes)
    if max(sizes) <= MAX_COLUMN_BYTES and together + 32 * count <= MAX_BYTES:  # a box takes 24 bytes, its track 8
        return ""
    return (
        f"the masks and key points of {count} detections take {together} bytes, which is more than can be passed on: "
        "set max_detections lower, or confidence higher"
    )


def _bytes(column: npt.NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    return np.ascontiguousarray(column, dtype).tobytes()


def from_wire(message: PredictionReady, model: str = "") -> Prediction:
    """The prediction of a message, which has come from the model of that name.

    Raises ProtocolError if its columns do not fit together.
    """
    if message.classification is not None:
        return Prediction(message.frame, None, None, _to_classification(message.classification), model=model)
    if message.embedding is not None:
        return Prediction(message.frame, None, embedding=_to_embedding(message.embedding), model=model)
    if message.detections is not None:
        return Prediction(message.frame, _to_detections(message.detections), model=model)
    if not message.failure_reason:
        raise ProtocolError("PredictionReady has neither findings nor a failure")
    return Prediction(message.frame, None, Failure(message.failure_reason, message.failure_message), model=model)


def _to_detections(wire: WireDetections) -> Detections:
    rows, rest = divmod(len(wire.score), 4)
    if rest or len(wire.xyxy) != 16 * rows or len(wire.class_id) != 4 * rows:
        raise ProtocolError("PredictionReady: the columns of the detections differ in length")
    class_id = np.frombuffer(wire.class_id, _I4).astype(np.int32)
    return Detections(
        np.frombuffer(wire.xyxy, _F4).reshape(rows, 4).astype(np.float32),
        np.frombuffer(wire.score, _F4).astype(np.float32),
        class_id,
        _names_of(class_id.tolist(), wire.names),
        None if wire.masks is None else _to_masks(wire.masks, rows),
        None if wire.keypoints is None else _to_keypoints(wire.keypoints, rows, len(wire.keypoint_names)),
        _names_of(range(len(wire.keypoint_names)), wire.keypoint_names),
        tracker_id=None if wire.tracker_id is None else _to_tracks(wire.tracker_id, rows),
    )


def _to_masks(wire: WireMasks, rows: int) -> Masks:
    if len(wire.window) != 16 * rows or len(wire.counts) != 4 * rows or len(wire.runs) % 2:
        raise ProtocolError("PredictionReady: the columns of the masks differ in length")
    window = np.frombuffer(wire.window, _I4).reshape(rows, 4).astype(np.int32)
    counts = np.frombuffer(wire.counts, _I4).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    masks = Masks(wire.width, wire.height, window, np.frombuffer(wire.runs, _U2).astype(np.uint16), first)
    try:
        masks.check()
    except ValueError as error:
        raise ProtocolError(f"PredictionReady: {error}") from None
    return masks


def _to_keypoints(column: bytes, rows: int, points: int) -> npt.NDArray[np.float32]:
    if len(column) != 12 * rows * points:
        raise ProtocolError("PredictionReady: the column of key points is not as long as there are key points")
    return np.frombuffer(column, _F4).reshape(rows, points, 3).astype(np.float32)


def _to_tracks(column: bytes, rows: int) -> npt.NDArray[np.int64]:
    if len(column) != 8 * rows:
        raise ProtocolError("PredictionReady: the column of track ids is not as long as the others")
    return np.frombuffer(column, _I8).astype(np.int64)


def _to_classification(wire: WireClassification) -> Classification:
    if len(wire.score) % 4 or len(wire.class_id) != len(wire.score):
        raise ProtocolError("PredictionReady: the columns of the classification differ in length")
    class_id = np.frombuffer(wire.class_id, _I4).astype(np.int32)
    score = np.frombuffer(wire.score, _F4).astype(np.float32)
    return Classification(score, class_id, _names_of(class_id.tolist(), wire.names), wire.multi_label, wire.threshold)


def _to_embedding(wire: WireEmbedding) -> Embedding:
    if not wire.vector or len(wire.vector) % 4:
        raise ProtocolError("PredictionReady: the embedding is not made of numbers")
    return Embedding(np.frombuffer(wire.vector, _F4).astype(np.float32))


def _names_of(ids: Any, names: Mapping[int, str]) -> tuple[str, ...]:
    try:
        return tuple([names[i] for i in ids])
    except KeyError as error:
        raise ProtocolError(f"PredictionReady: no name for class {error}") from None
