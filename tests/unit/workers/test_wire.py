"""Predictions to messages and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.predictions import failure, found, meta, prediction

from mpipeline.errors import ProtocolError
from mpipeline.frame import FrameRef
from mpipeline.messages import PredictionReady, WireDetections
from mpipeline.prediction import Detections, Prediction
from mpipeline.transport import codec
from mpipeline.workers.wire import from_wire, to_wire


def through_the_wire(given: Prediction) -> Prediction:
    message = codec.decode(codec.encode(to_wire(given, FrameRef("r", 1, 2))))
    assert isinstance(message, PredictionReady)
    assert message.ref == FrameRef("r", 1, 2)
    return from_wire(message)


@pytest.mark.parametrize("boxes", [0, 1, 300])
def test_detections_come_back_equal(boxes: int) -> None:
    rows = [(i, i + 0.5, i + 10, i + 20.25) for i in range(boxes)]
    given = prediction(meta(pts=None), *rows)
    back = through_the_wire(given)
    assert back.frame == given.frame
    assert back.detections is not None
    assert given.detections is not None
    np.testing.assert_array_equal(back.detections.xyxy, given.detections.xyxy)
    assert back.detections.xyxy.shape == (boxes, 4)
    np.testing.assert_array_equal(back.detections.score, given.detections.score)
    np.testing.assert_array_equal(back.detections.class_id, given.detections.class_id)
    assert back.detections.class_name == given.detections.class_name
    assert back.records() == given.records()


def test_other_dtypes_and_layouts_are_converted() -> None:
    xyxy = np.asfortranarray(np.arange(8, dtype=np.float64).reshape(2, 4))[::-1]
    given = Detections(xyxy, np.array([0.5, 0.25]), np.array([1, 2], np.int64), ("one", "two"))  # type: ignore[arg-type]
    back = through_the_wire(Prediction(meta(), given)).detections
    assert back is not None
    assert back.xyxy.tolist() == xyxy.tolist()
    assert (back.xyxy.dtype, back.class_id.dtype) == (np.float32, np.int32)
    assert back.xyxy.flags.writeable


def test_a_failure_is_never_an_empty_prediction() -> None:
    back = through_the_wire(failure(meta()))
    assert back.detections is None
    assert back.failure == failure(meta()).failure
    with pytest.raises(ProtocolError, match="neither"):
        from_wire(PredictionReady(meta(), None, None))


@pytest.mark.parametrize(
    "change",
    [{"xyxy": b"1234"}, {"score": b"12345"}, {"class_id": b""}, {"score": b"", "class_id": b""}, {"names": {7: "x"}}],
)
def test_columns_that_do_not_fit_together_are_refused(change: dict[str, object]) -> None:
    message = to_wire(Prediction(meta(), found((1, 2, 3, 4))), None)
    assert isinstance(message.detections, WireDetections)
    with pytest.raises(ProtocolError):
        from_wire(replace(message, detections=replace(message.detections, **change)))


def test_more_detections_than_a_message_holds_are_a_failure_not_a_lost_message() -> None:
    count = 100_001
    many = Detections(
        np.zeros((count, 4), np.float32), np.zeros(count, np.float32), np.zeros(count, np.int32), ("x",) * count
    )
    back = through_the_wire(Prediction(meta(), many))
    assert back.detections is None
    assert back.failure is not None
    assert back.failure.reason == "too_many_detections"
