"""The dictionaries of `InferencePipeline`, key by key, and read by the library that its users read them with."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import numpy as np
import pytest
import supervision as sv
from support.findings import embedding, multi_label, single_label, with_keypoints, with_masks
from support.predictions import failure, meta, prediction
from support.reference_tasks import outline

from mpipeline.models.coco import COCO_KEYPOINTS
from mpipeline.prediction import Classification, Detections, Prediction

FRAME = meta("gate", 3, size=(128, 96))


def box(record: dict) -> dict:
    """A record without its id, which is a UUID."""
    assert uuid.UUID(record["detection_id"])
    return {key: value for key, value in record.items() if key != "detection_id"}


def test_boxes() -> None:
    made = prediction(FRAME, (10.25, 20.5, 30.5, 61.25), (0, 0, 1, 1)).to_dict()
    assert list(made) == ["image", "predictions"]
    assert made["image"] == {"width": 128, "height": 96}
    assert box(made["predictions"][0]) == {
        "x": 20.375,
        "y": 40.875,
        "width": 20.25,
        "height": 40.75,
        "confidence": 0.875,
        "class": "cat",
        "class_id": 2,
    }
    assert len({record["detection_id"] for record in made["predictions"]}) == 2
    assert prediction(FRAME).to_dict()["predictions"] == []


def test_corners_in_whole_pixels() -> None:
    """Half pixels go to the even neighbour, as torch rounds them; the centre may then end in .5."""
    (record,) = prediction(FRAME, (10.25, 20.5, 31.5, 61.75)).to_dict(whole_pixels=True)["predictions"]
    assert {key: record[key] for key in ("x", "y", "width", "height")} == {"x": 21, "y": 41, "width": 22, "height": 42}
    (record,) = prediction(FRAME, (10, 20, 31, 61)).to_dict(whole_pixels=True)["predictions"]
    assert (record["x"], record["y"]) == (20.5, 40.5)
    assert all(type(record[key]) is float for key in ("x", "y", "width", "height", "confidence"))


def test_tracks() -> None:
    """The library gives no tracks as soon as one is null, and takes the dictionary all the same."""
    given = prediction(FRAME, (10, 20, 30, 60), (0, 0, 1, 1))
    assert given.detections is not None
    assert "tracker_id" not in given.to_dict()["predictions"][0]
    tracked = Prediction.of(FRAME, replace(given.detections, tracker_id=np.array([4, -1])))
    assert [row["tracker_id"] for row in tracked.to_dict()["predictions"]] == [4, None]
    assert [row["tracker_id"] for row in json.loads(json.dumps(tracked.records()))] == [4, None]
    assert sv.Detections.from_inference(tracked.to_dict()).tracker_id is None
    clear = Prediction.of(FRAME, replace(given.detections, tracker_id=np.array([4, 5])))
    assert sv.Detections.from_inference(clear.to_dict()).tracker_id.tolist() == [4, 5]


def test_a_failure_has_no_dictionary() -> None:
    with pytest.raises(ValueError, match="frame 3 of gate has no findings: the engine fell over"):
        failure(FRAME).to_dict()
    assert failure(FRAME).records() == []


def test_outlines() -> None:
    detections = with_masks(128, 96)
    made = Prediction.of(FRAME, detections).to_dict()["predictions"]
    assert [record["mask_format"] for record in made] == ["polygon"] * 3
    assert detections.masks is not None
    for i, record in enumerate(made):
        expected = [{"x": x, "y": y} for x, y in outline(detections.masks.picture(i))]
        assert record["points"] == expected
        assert all(type(point["x"]) is float for point in record["points"])
    assert made[2]["points"] == []
    assert "rle" not in made[0]


def test_complete_masks() -> None:
    made = Prediction.of(FRAME, with_masks(128, 96)).to_dict(masks="rle")["predictions"]
    for record in made:
        assert record["mask_format"] == "rle"
        assert record["rle"]["size"] == [96, 128]
        assert type(record["rle"]["counts"]) is str
        assert "points" not in record


def test_key_points() -> None:
    (record,) = Prediction.of(FRAME, with_keypoints()).to_dict()["predictions"]
    assert record["class"] == "person"
    assert len(record["keypoints"]) == 16  # the one that was not found is left out
    assert record["keypoints"][15] == {
        "x": 61.5,
        "y": 114.25,
        "confidence": pytest.approx(0.9),
        "class_id": 15,
        "class": "left_ankle",
    }
    (record,) = Prediction.of(FRAME, with_keypoints()).to_dict(whole_pixels=True)["predictions"]
    assert (record["keypoints"][15]["x"], record["keypoints"][15]["y"]) == (62.0, 114.0)


def test_one_class_of_several() -> None:
    assert Prediction.of(FRAME, single_label()).to_dict() == {
        "image": {"width": 128, "height": 96},
        "predictions": [
            {"class": "cat", "class_id": 2, "confidence": 0.8124},
            {"class": "dog", "class_id": 5, "confidence": 0.125},
        ],
        "top": "cat",
        "confidence": 0.8124,
    }
    none = Classification(np.zeros(0, np.float32), np.zeros(0, np.int32), ())
    assert Prediction.of(FRAME, none).to_dict() == {
        "image": {"width": 128, "height": 96},
        "predictions": [],
        "top": "",
        "confidence": 0.0,
    }


def test_each_class_by_itself() -> None:
    assert Prediction.of(FRAME, multi_label()).to_dict() == {
        "image": {"width": 128, "height": 96},
        "predictions": {
            "dark": {"confidence": 0.625, "class_id": 0},
            "cold": {"confidence": 0.25, "class_id": 1},
            "wet": {"confidence": pytest.approx(0.9), "class_id": 2},
        },
        "predicted_classes": ["dark", "wet"],
    }
    at_it = replace(multi_label(), threshold=0.625)
    assert Prediction.of(FRAME, at_it).to_dict()["predicted_classes"] == ["wet"]


def test_an_embedding_is_its_vector() -> None:
    given = Prediction.of(FRAME, embedding())
    assert given.to_dict() == {"image": {"width": 128, "height": 96}, "embedding": [0.6, 0.0, -0.8]}
    assert given.fields() == {"embedding": [0.6, 0.0, -0.8]}
    assert given.records() == []


def test_records_are_rounded_and_are_plain_data() -> None:
    for findings in (with_masks(128, 96), with_keypoints(), single_label(), multi_label(), embedding()):
        made = Prediction.of(FRAME, findings)
        assert json.loads(json.dumps(made.to_dict())) == made.to_dict()
        assert json.loads(json.dumps(made.records())) == made.records()
    (person,) = Prediction.of(FRAME, with_keypoints()).records()
    assert person["keypoints"][0]["confidence"] == 0.9
    assert Prediction.of(FRAME, multi_label()).records()[0] == {"class": "wet", "class_id": 2, "confidence": 0.9}
    first = Prediction.of(FRAME, with_masks(128, 96)).records()[0]
    assert all(type(point["x"]) is int for point in first["points"])


# --- with supervision ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole_pixels", [False, True])
def test_supervision_reads_boxes(whole_pixels: bool) -> None:
    rows = [(10.25, 20.5, 30.5, 61.25), (0, 0, 1.5, 1)]
    read = sv.Detections.from_inference(prediction(FRAME, *rows).to_dict(whole_pixels=whole_pixels))
    expected = np.rint(rows) if whole_pixels else np.array(rows)
    np.testing.assert_allclose(read.xyxy, expected)
    np.testing.assert_allclose(read.confidence, [0.875] * 2)
    assert read.class_id is not None
    assert read.class_id.tolist() == [2, 2]
    assert list(read.data["class_name"]) == ["cat", "cat"]
    assert len(sv.Detections.from_inference(prediction(FRAME).to_dict())) == 0


def test_supervision_reads_masks_of_both_forms() -> None:
    detections = with_masks(128, 96)
    assert detections.masks is not None
    shown = replace(detections, masks=detections.masks.select([0, 1]), **first_rows(detections, 2))
    whole = sv.Detections.from_inference(Prediction.of(FRAME, shown).to_dict(masks="rle"))
    filled = sv.Detections.from_inference(Prediction.of(FRAME, shown).to_dict())
    assert whole.mask is not None
    assert filled.mask is not None
    for i in range(2):
        assert np.array_equal(np.asarray(whole.mask[i]), shown.masks.picture(i))
    assert np.array_equal(np.asarray(filled.mask[0]), shown.masks.picture(0))
    assert np.asarray(filled.mask[1]).sum() > shown.masks.area(1)  # the hole of the ring is filled


def first_rows(detections: Detections, count: int) -> dict:
    return {
        "xyxy": detections.xyxy[:count],
        "score": detections.score[:count],
        "class_id": detections.class_id[:count],
        "class_name": detections.class_name[:count],
    }


def test_supervision_reads_key_points() -> None:
    person = with_keypoints()
    read = sv.KeyPoints.from_inference(Prediction.of(FRAME, person).to_dict())
    assert person.keypoints is not None
    assert len(read) == 1
    found_points = np.asarray(read.xy)[0]
    np.testing.assert_allclose(found_points[:16], person.keypoints[0, :16, :2])
    assert len(sv.KeyPoints.from_inference(prediction(FRAME).to_dict())) == 0
    everything = person.keypoints.copy()
    everything[0, 16, 2] = 0.5
    read = sv.KeyPoints.from_inference(Prediction.of(FRAME, replace(person, keypoints=everything)).to_dict())
    np.testing.assert_allclose(np.asarray(read.xy)[0], everything[0, :, :2])
    assert len(COCO_KEYPOINTS) == np.asarray(read.xy).shape[1]
