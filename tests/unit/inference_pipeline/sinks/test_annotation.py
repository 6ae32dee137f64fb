"""§6 as drawn: predictions of every task become visible where they should."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
import pytest
import supervision as sv
from support.video_frames import box, detections, grey, touched

from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.sinks import conversion
from mpipeline.inference_pipeline.sinks.annotation import UnknownFormat, annotated

SQUARE = [{"x": 60.0, "y": 60.0}, {"x": 140.0, "y": 60.0}, {"x": 140.0, "y": 140.0}, {"x": 60.0, "y": 140.0}]


def draw(prediction: Any, annotators: Any = None) -> Pixels:
    return annotated(grey(), prediction, annotators)


def rle(top: int, bottom: int, left: int, right: int) -> dict[str, Any]:
    mask = np.zeros((240, 320), bool)
    mask[top:bottom, left:right] = True
    return {"size": [240, 320], "counts": sv.mask_to_rle(mask, compressed=True)}


def person(*joints: tuple[int, str, float, float]) -> dict[str, Any]:
    points = [{"x": x, "y": y, "confidence": 0.9, "class_id": number, "class": name} for number, name, x, y in joints]
    return box(160, 120, 200, 160, "person", keypoints=points)


def test_6_object_detection_nothing_found_draws_nothing() -> None:
    assert not touched(draw(detections()))


def test_6_object_detection_with_optional_keys_is_drawn() -> None:
    row = box(160, 120, 100, 80, tracker_id=7, parent_id="image.[0]", class_confidence=0.5)
    assert (160, 150) in touched(draw(detections(row)))


@pytest.mark.parametrize(
    "mask", [{"points": SQUARE, "mask_format": "polygon"}, {"rle": rle(60, 141, 60, 141), "mask_format": "rle"}]
)
def test_6_instance_segmentation_tints_the_mask(mask: dict[str, Any]) -> None:
    drawn = touched(draw(detections(box(160, 120, 240, 160, **mask))))
    assert {(100, 100), (62, 70), (138, 130)} <= drawn
    assert (100, 200) not in drawn


def test_6_instance_segmentation_one_empty_mask_does_not_hide_the_others() -> None:
    empty = box(260, 120, 60, 60, points=[])
    masked = box(100, 100, 80, 80, points=SQUARE)
    drawn = touched(draw(detections(empty, masked)))
    assert (100, 100) in drawn  # the mask
    assert (150, 250) in drawn  # the box of the other
    assert (120, 260) not in drawn


def test_6_chosen_annotators_get_empty_masks_where_there_are_none() -> None:
    prediction = detections(box(260, 120, 60, 60, points=[]), box(100, 100, 80, 80, points=SQUARE))
    found = conversion.boxes_and_masks(prediction)
    assert found.mask.shape == (2, 240, 320)
    assert [int(mask.sum()) for mask in found.mask] == [0, 81 * 81]
    drawn = touched(draw(prediction, sv.MaskAnnotator()))
    assert (100, 100) in drawn
    assert (150, 250) not in drawn


def test_6_conversion_gives_what_the_library_reads_from_the_same_dictionary() -> None:
    prediction = detections(box(100, 80, 40, 20), box(200.5, 90, 3, 9, "dog", tracker_id=4))
    ours, theirs = conversion.boxes(prediction), sv.Detections.from_inference(prediction)
    assert np.array_equal(ours.xyxy, theirs.xyxy)
    assert list(ours.data["class_name"]) == list(theirs.data["class_name"]) == ["cat", "dog"]
    assert np.array_equal(ours.class_id, theirs.class_id)


def test_6_tracks_are_converted_with_those_that_are_not_clear() -> None:
    def tracks(*ids: int | None) -> list[int] | None:
        found = conversion.boxes(detections(*[box(100, 80, 40, 20, tracker_id=number) for number in ids]))
        return found.tracker_id if found.tracker_id is None else found.tracker_id.tolist()

    assert tracks(7, None, 9) == [7, -1, 9]
    assert tracks(7) == [7]
    assert tracks(None, None) is None
    assert touched(draw(detections(box(160, 120, 100, 80, tracker_id=7), box(60, 50, 20, 20, tracker_id=None))))


def test_6_keypoint_detection_draws_the_skeleton_even_if_joints_are_omitted() -> None:
    shoulders = person((5, "left_shoulder", 200.0, 100.0), (6, "right_shoulder", 120.0, 100.0))
    drawn = touched(draw(detections(shoulders)))
    assert {(100, 200), (100, 120)} <= drawn  # the joints
    assert (100, 160) in drawn  # and the line between them
    assert (0, 0) not in drawn


def test_6_keypoint_detection_of_another_skeleton_draws_the_points() -> None:
    tip = {"x": 150.0, "y": 130.0, "confidence": 0.5, "class_id": 0, "class": "tip"}
    drawn = touched(draw(detections(box(160, 120, 200, 160, keypoints=[tip]), box(30, 30, 20, 20))))
    assert (130, 150) in drawn


def test_6_keypoint_detection_with_annotators_of_key_points() -> None:
    vertices = sv.VertexAnnotator(color=sv.Color.WHITE, radius=4)
    prediction = detections(person((0, "nose", 160.0, 120.0)))
    assert tuple(draw(prediction, [vertices])[120, 160]) == (255, 255, 255)
    assert not touched(draw(detections(box(1, 1, 1, 1)), [vertices]))
    assert touched(draw(prediction, [sv.BoxAnnotator(), vertices, sv.VertexLabelAnnotator()]))


def single(*rows: tuple[str, float]) -> dict[str, Any]:
    found = [{"class": name, "class_id": number, "confidence": score} for number, (name, score) in enumerate(rows)]
    top, score = rows[0] if rows else ("", 0.0)
    return {"image": {"width": 320, "height": 240}, "predictions": found, "top": top, "confidence": score}


def several(*chosen: str) -> dict[str, Any]:
    found = {name: {"confidence": 0.9, "class_id": number} for number, name in enumerate(["a", "b", "c"])}
    return {"image": {"width": 320, "height": 240}, "predictions": found, "predicted_classes": list(chosen)}


@pytest.mark.parametrize(
    ("prediction", "lines"),
    [
        (single(("cat", 0.9)), 1),
        (single(("cat", 0.6), ("dog", 0.3), ("cow", 0.1)), 3),
        (single(), 1),
        (several("a", "b"), 2),
        (several(), 1),
    ],
)
def test_6_classification_writes_the_classes_into_the_corner(prediction: Any, lines: int) -> None:
    drawn = touched(draw(prediction))
    height = max(row for row, _ in drawn) + 1
    first = max(row for row, _ in touched(draw(single(("cat", 0.9))))) + 1
    assert min(drawn) == (0, 0)
    assert height == pytest.approx(lines * first, abs=3 * lines)


def test_6_semantic_segmentation_tints_each_class_but_the_background() -> None:
    classes = np.zeros((120, 160), np.uint8)  # of half the size
    classes[60:, :80] = 1
    classes[60:, 80:] = 3
    png = base64.b64encode(cv2.imencode(".png", classes)[1].tobytes()).decode()
    found = {"segmentation_mask": png, "class_map": {"0": "background", "1": "road", "3": "grass"}}
    drawn = draw({"image": {"width": 320, "height": 240}, "predictions": found})
    assert (180, 80) in touched(drawn)
    assert tuple(drawn[180, 80]) != tuple(drawn[180, 240])
    assert (100, 240) not in touched(drawn)


@pytest.mark.parametrize("mask", ["", "bm90IGEgcG5n", "a"])
def test_6_semantic_segmentation_without_a_picture_is_told(mask: str) -> None:
    with pytest.raises(UnknownFormat, match="segmentation_mask"):
        draw({"predictions": {"segmentation_mask": mask, "class_map": {}}})


def test_6_a_stub_is_told() -> None:
    with pytest.raises(UnknownFormat, match=r"is_stub.*not a dictionary with 'predictions'"):
        draw({"is_stub": True, "model_id": "x/0", "task_type": "object-detection"})


@pytest.mark.parametrize("wrap", [lambda found: found, lambda found: {"predictions": found}])
def test_9_2_detections_of_supervision_are_drawn_as_they_are(wrap: Any) -> None:
    found = sv.Detections(np.array([[110.0, 80.0, 210.0, 160.0]]), class_id=np.array([1]))
    assert (160, 150) in touched(draw(wrap(found)))


def test_6_a_model_with_dict_is_read_by_its_aliases() -> None:
    class Response:
        def dict(self, *, exclude_none: bool, by_alias: bool) -> Any:
            assert exclude_none
            assert by_alias
            return detections(box(160, 120, 100, 80))

    assert (160, 150) in touched(draw(Response()))


def test_6_predictions_are_not_changed() -> None:
    prediction = detections(person((5, "left_shoulder", 9.0, 9.0)), box(1, 1, 1, 1, points=SQUARE))
    before = repr(prediction)
    draw(prediction)
    draw(prediction, [sv.MaskAnnotator(), sv.VertexAnnotator()])
    assert repr(prediction) == before
