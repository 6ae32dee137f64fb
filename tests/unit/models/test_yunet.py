"""YuNet: the real model against OpenCV's own reader of it, and files and outputs that are none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from support.agreement import agreement
from support.faces import MODEL
from support.photos import DATA, framed

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.onnxruntime import OnnxRuntimeBackend
from mpipeline.errors import ModelError
from mpipeline.models.family import ModelOptions
from mpipeline.models.selection import choose_family
from mpipeline.models.yunet import YuNet
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

SIDE = 320  # of the input
CONFIDENCE, OVERLAP = 0.6, 0.3
F32 = np.dtype(np.float32)
NUMBERS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


def info(size: int | None = 64, numbers: dict[str, int] = NUMBERS) -> ModelInfo:
    outputs = tuple(
        TensorSpec(f"{kind}_{stride}", (None, None if size is None else (size // stride) ** 2, count), F32)
        for kind, count in numbers.items()
        for stride in (8, 16, 32)
    )
    return ModelInfo((TensorSpec("input", (None, 3, size, size), F32),), outputs)


def outputs(size: int = 64) -> dict[str, np.ndarray]:
    return {spec.name: np.zeros((1, *spec.shape[1:]), np.float32) for spec in info(size).outputs}


@pytest.mark.needs_data
@pytest.mark.skipif(not MODEL.is_file(), reason=f"needs the real model, MPIPELINE_TEST_DATA: no {MODEL}")
def test_finds_what_opencv_finds_in_real_pictures() -> None:
    pictures = [cv2.imread(str(path)) for path in sorted((DATA / "images").rglob("*.jpg"))]
    backend = OnnxRuntimeBackend(BackendOptions(str(MODEL), threads=1))
    model = backend.open()
    family_class, why = choose_family(model, None)
    assert why.startswith("The family is yunet: its outputs have the names of YuNet's")
    family = family_class(model, ModelOptions(CONFIDENCE, OVERLAP, size=(SIDE, SIDE)))
    detector = cv2.FaceDetectorYN.create(str(MODEL), "", (SIDE, SIDE), CONFIDENCE, OVERLAP, 5000)
    row = np.empty((1, *family.input_shape), family.input_dtype)
    expected, actual, apart = {}, {}, []
    for number, picture in enumerate(pictures):
        geometry = family.preprocess(framed(picture), row[0])
        (found,) = family.postprocess(backend.run({family.input_name: row}), [geometry])
        columns = zip(found.xyxy.tolist(), found.score.tolist(), strict=True)
        actual[number] = [(*box, score, 0) for box, score in columns]
        faces, ratio = seen_by_opencv(detector, picture)
        expected[number] = [(*corners(face, ratio, picture), float(face[14]), 0) for face in faces]
        for face in faces:
            points = face[4:14].reshape(5, 2) / ratio
            if len(found):
                assert found.keypoints is not None
                nearest = np.abs(found.keypoints[:, :, :2] - points).max(axis=(1, 2)).min()
                apart.append(float(nearest) * ratio)
    backend.close()
    judged = agreement(expected, actual, CONFIDENCE)
    assert judged.judged >= 50
    assert judged.good(), judged
    assert np.median(apart) < 0.1  # pixels of the input
    assert np.quantile(apart, 0.9) < 0.5


def seen_by_opencv(detector: cv2.FaceDetectorYN, picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Rows of x, y, width, height, five points and a score, in pixels of an input to which the ratio leads."""
    height, width = picture.shape[:2]
    ratio = min(SIDE / width, SIDE / height)
    small = cv2.resize(picture, (round(width * ratio), round(height * ratio)), interpolation=cv2.INTER_LINEAR)
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    faces = detector.detect(canvas)[1]
    return np.zeros((0, 15)) if faces is None else faces, ratio


def corners(face: np.ndarray, ratio: float, picture: np.ndarray) -> list[float]:
    height, width = picture.shape[:2]
    x, y, w, h = (float(number) / ratio for number in face[:4])
    return [min(max(x, 0), width), min(max(y, 0), height), min(max(x + w, 0), width), min(max(y + h, 0), height)]


def test_a_face_and_its_points_lie_in_the_source() -> None:
    made = outputs()
    made["cls_16"][0, 5], made["obj_16"][0, 5] = 0.81, 1.3  # cell (1, 1); more than 1 counts as 1
    made["bbox_16"][0, 5] = [0.5, 0.5, 0, np.log(2)]
    made["kps_16"][0, 5] = np.arange(10) / 4
    family = YuNet(info(), ModelOptions())
    (found,) = family.postprocess(made, [Geometry(0.5, 0.5, 0.0, 0.0, 128, 128)])
    np.testing.assert_allclose(found.xyxy, [[32, 16, 64, 80]], rtol=1e-6)
    assert found.score.tolist() == pytest.approx([0.9])
    assert found.class_name == ("face",)
    assert found.keypoint_name[2] == "nose"
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints, [[[32 + 16 * i, 40 + 16 * i, 1] for i in range(5)]])


def test_names_and_sizes() -> None:
    assert YuNet(info(), ModelOptions(names=("head",))).names == ("head",)
    assert YuNet(info(None), ModelOptions()).input_shape == (3, 640, 640)
    assert YuNet(info(None), ModelOptions(size=(640, 352))).input_shape == (3, 352, 640)
    with pytest.raises(ModelError, match="multiples of 32"):
        YuNet(info(None), ModelOptions(size=(640, 360)))


def test_files_and_outputs_that_are_none() -> None:
    older = ModelInfo(info().inputs, tuple(TensorSpec(name, (1, 10, 2), F32) for name in ("loc", "conf", "iou")))
    with pytest.raises(ModelError, match=r"a YuNet model has outputs cls_.*; this one has loc \[1, 10, 2\]"):
        YuNet(older, ModelOptions())
    family = YuNet(info(), ModelOptions())
    for wrong in (np.zeros((1, 64, 4)), np.zeros((1, 63, 10)), np.zeros((64, 10))):
        with pytest.raises(ModelError, match="the model gave kps of shapes"):
            family.postprocess({**outputs(), "kps_8": wrong}, [Geometry(1, 1, 0, 0, 64, 64)])
    made = outputs()
    for value in made.values():
        value[:] = np.nan
    (found,) = family.postprocess(made, [Geometry(1, 1, 0, 0, 64, 64)])
    assert len(found) == 0
