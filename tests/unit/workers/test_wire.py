"""Predictions to messages and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from support.findings import embedding, multi_label, single_label, with_keypoints, with_masks
from support.predictions import failure, found, meta, prediction

from mpipeline.errors import ProtocolError
from mpipeline.frame import FrameRef
from mpipeline.masks import Masks
from mpipeline.messages import PredictionReady
from mpipeline.prediction import Classification, Detections, Embedding, Prediction
from mpipeline.transport import codec
from mpipeline.wire_columns import WireClassification, WireDetections, WireEmbedding, WireMasks
from mpipeline.workers.wire import MAX_CLASSES, from_wire, to_wire


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
    [
        {"xyxy": b"1234"},
        {"score": b"12345"},
        {"class_id": b""},
        {"score": b"", "class_id": b""},
        {"names": {7: "x"}},
        {"tracker_id": b"1234"},
    ],
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


def test_tracks_come_back_equal() -> None:
    ids = np.array([7, -1, 2**53 - 1], np.int64)
    for given in (with_masks(128, 96), found((1, 2, 3, 4), (5, 6, 7, 8), (1, 1, 2, 2))):
        back = through_the_wire(Prediction.of(meta(), replace(given, tracker_id=ids))).detections
        assert back is not None
        assert back.tracker_id is not None
        assert (back.tracker_id.dtype, back.tracker_id.tolist()) == (np.int64, ids.tolist())
    untracked = through_the_wire(Prediction.of(meta(), found((1, 2, 3, 4)))).detections
    assert untracked is not None
    assert untracked.tracker_id is None


def test_masks_come_back_equal() -> None:
    given = Prediction.of(meta(size=(128, 96)), with_masks(128, 96))
    back = through_the_wire(given).detections
    assert back is not None
    assert back.masks is not None
    assert given.detections is not None
    assert given.detections.masks is not None
    assert (back.masks.width, back.masks.height) == (128, 96)
    for i in range(3):
        assert np.array_equal(back.masks.picture(i), given.detections.masks.picture(i))
    none = Prediction.of(meta(), replace(found(), masks=Masks.of(64, 48, [])))
    back = through_the_wire(none).detections
    assert back is not None
    assert back.masks is not None
    assert len(back.masks) == 0


def test_key_points_come_back_equal() -> None:
    given = with_keypoints()
    back = through_the_wire(Prediction.of(meta(), given)).detections
    assert back is not None
    assert given.keypoints is not None
    np.testing.assert_array_equal(back.keypoints, given.keypoints)
    assert back.keypoint_name == given.keypoint_name
    empty = replace(found(), keypoints=np.zeros((0, 17, 3), np.float32), keypoint_name=given.keypoint_name)
    back = through_the_wire(Prediction.of(meta(), empty)).detections
    assert back is not None
    assert back.keypoints is not None
    assert back.keypoints.shape == (0, 17, 3)


@pytest.mark.parametrize("given", [single_label(), multi_label()], ids=["single label", "multi label"])
def test_classifications_come_back_equal(given: Classification) -> None:
    back = through_the_wire(Prediction.of(meta(), given))
    assert back.detections is None
    assert back.failure is None
    assert back.classification is not None
    np.testing.assert_array_equal(back.classification.score, given.score)
    np.testing.assert_array_equal(back.classification.class_id, given.class_id)
    assert back.classification.class_name == given.class_name
    assert back.to_dict() == Prediction.of(meta(), given).to_dict()


def test_an_embedding_comes_back_equal() -> None:
    back = through_the_wire(Prediction.of(meta(), embedding()))
    assert (back.detections, back.classification, back.failure) == (None, None, None)
    assert back.embedding is not None
    np.testing.assert_array_equal(back.embedding.vector, embedding().vector)
    message = to_wire(Prediction.of(meta(), embedding()), None)
    for wrong in (b"", b"12345"):
        with pytest.raises(ProtocolError, match="not made of numbers"):
            from_wire(replace(message, embedding=WireEmbedding(wrong)))


def test_boxes_alone_send_nothing_else() -> None:
    wire = to_wire(prediction(meta(), (1, 2, 3, 4)), None).detections
    assert wire is not None
    assert (wire.masks, wire.keypoints, wire.keypoint_names) == (None, None, {})


@pytest.mark.parametrize(
    "change",
    [
        {"window": b"1234"},
        {"counts": b"1234"},
        {"runs": b"1"},
        {"runs": b""},
        {"width": 3},
        {"counts": np.array([-1, 5, 5], "<i4").tobytes()},
        {"counts": np.array([2**31 - 1, 2**31 - 1, 2], "<i4").tobytes()},
        {"window": np.full(12, 2**31 - 1, "<i4").tobytes()},
    ],
)
def test_masks_that_do_not_add_up_are_refused(change: dict[str, object]) -> None:
    message = to_wire(Prediction.of(meta(), with_masks(128, 96)), None)
    assert message.detections is not None
    assert isinstance(message.detections.masks, WireMasks)
    masks = replace(message.detections.masks, **change)
    with pytest.raises(ProtocolError):
        from_wire(replace(message, detections=replace(message.detections, masks=masks)))


@settings(deadline=None)
@drawn(st.data())
def test_any_bytes_for_masks_are_masks_or_refused(data: st.DataObject) -> None:
    message = to_wire(Prediction.of(meta(), with_masks(128, 96)), None)
    assert message.detections is not None
    assert message.detections.masks is not None
    column = data.draw(st.sampled_from(["window", "counts", "runs"]))
    raw = bytearray(getattr(message.detections.masks, column))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    masks = replace(message.detections.masks, **{column: bytes(raw)})
    try:
        back = from_wire(replace(message, detections=replace(message.detections, masks=masks))).detections
    except ProtocolError:
        return
    assert back is not None
    assert back.masks is not None
    for i in range(3):
        back.masks.picture(i)


def test_other_columns_that_do_not_fit_together_are_refused() -> None:
    message = to_wire(Prediction.of(meta(), with_keypoints()), None)
    assert isinstance(message.detections, WireDetections)
    for change in ({"keypoints": b"1234"}, {"keypoint_names": {0: "nose"}}, {"keypoint_names": {5: "nose"}}):
        with pytest.raises(ProtocolError):
            from_wire(replace(message, detections=replace(message.detections, **change)))
    message = to_wire(Prediction.of(meta(), single_label()), None)
    assert isinstance(message.classification, WireClassification)
    for change in ({"score": b"12345"}, {"class_id": b""}, {"names": {}}):
        with pytest.raises(ProtocolError):
            from_wire(replace(message, classification=replace(message.classification, **change)))


def noise(count: int, width: int, height: int) -> Detections:
    """Detections whose masks are as hard to tell in runs as can be."""
    rng = np.random.default_rng(0)
    covers = (rng.integers(0, 2, (height, width)).astype(bool) for _ in range(count))
    masks = Masks.of(width, height, ((0, 0, cover) for cover in covers))
    return replace(found(*[(0, 0, width, height)] * count), masks=masks)


def test_three_hundred_large_masks_fit_into_a_message() -> None:
    rows, columns = np.mgrid[:1080, :1920]
    disc = (columns - 900) ** 2 + (rows - 540) ** 2 < 500**2
    disc &= (columns - 800) ** 2 + (rows - 600) ** 2 > 200**2
    masks = Masks.of(1920, 1080, ((0, 0, disc) for _ in range(300)))
    given = Prediction.of(meta(), replace(found(*[(0, 0, 1920, 1080)] * 300), masks=masks))
    back = through_the_wire(given).detections
    assert back is not None
    assert back.masks is not None
    assert np.array_equal(back.masks.picture(299), disc)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (noise(3, 1920, 1080), "prediction_too_large"),
        (
            replace(
                found(*[(0, 0, 1, 1)] * 20_000),
                keypoints=np.zeros((20_000, 17, 3), np.float32),
                keypoint_name=tuple(map(str, range(17))),
            ),
            "prediction_too_large",
        ),
        (
            Classification(
                np.zeros(MAX_CLASSES + 1, np.float32),
                np.arange(MAX_CLASSES + 1, dtype=np.int32),
                ("x",) * (MAX_CLASSES + 1),
            ),
            "too_many_classes",
        ),
        (Embedding(np.zeros(1_000_000, np.float32)), "prediction_too_large"),
    ],
    ids=["masks", "key points", "classes", "embedding"],
)
def test_more_than_a_message_holds_is_a_failure_not_a_lost_message(given, reason: str) -> None:
    back = through_the_wire(Prediction.of(meta(), given))
    assert back.detections is None
    assert back.embedding is None
    assert back.classification is None
    assert back.failure is not None
    assert back.failure.reason == reason
