"""A user's own code with a real key point model, on real pictures."""

from __future__ import annotations

import pytest
from support import faces
from support.photos import DATA, framed, photos

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.python import PythonBackend
from mpipeline.frame import FrameMeta
from mpipeline.prediction import Detections, Prediction

pytestmark = [
    pytest.mark.needs_data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"needs real pictures and models, MPIPELINE_TEST_DATA: no {DATA}"),
]


def test_faces_have_their_eyes_above_their_mouth() -> None:
    backend = PythonBackend(BackendOptions("support.faces:Faces"))
    backend.open()
    images = photos(31)
    found = backend.infer([framed(image) for image in images])
    backend.close()
    total = 0
    for image, each in zip(images, found, strict=True):
        assert isinstance(each, Detections)
        assert each.keypoints is not None
        assert each.keypoint_name == faces.POINTS
        meta = FrameMeta("photo", 1, None, 0, 0, image.shape[1], image.shape[0])
        for record in Prediction.of(meta, each).to_dict()["predictions"]:
            right_eye, left_eye, nose, right_mouth, left_mouth = record["keypoints"]
            assert nose["class"] == "nose"
            upright = (right_eye["y"] + left_eye["y"]) / 2 < (right_mouth["y"] + left_mouth["y"]) / 2
            inside = abs(nose["x"] - record["x"]) < record["width"] and abs(nose["y"] - record["y"]) < record["height"]
            total += upright and inside
    assert total >= 8
