"""Every family on a simulated GPU finds what it finds on the processor, in frames of all formats and sizes together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import onnx_detectors as detectors
from support.detector_tasks import DETECTORS
from support.onnx_engines import make_engines
from support.onnx_tasks import classifier, detr, yolo_model
from support.pictures import frame_of, planes_of, scene
from support.plain_kernels import PlainKernels
from support.tasks import SIZE
from support.tensorrt_engines import Lab, lab_in

from mpipeline.config.schema import ModelSpec
from mpipeline.frame import Frame, FrameFormat, PixelFormat
from mpipeline.prediction import Classification, Embedding, Findings
from mpipeline.workers.loading import open_predictor

Make = Callable[[Path], Path]

MOST = 4
SQUARE = (64, 64)
FAMILIES: dict[str, Make] = {
    "detection": lambda path: yolo_model(path, SIZE, "detect"),
    "detection, one row a box": lambda path: yolo_model(path, SIZE, "detect", end_to_end=True),
    "segmentation": lambda path: yolo_model(path, SIZE, "segment", masks=32),
    "segmentation, one row a box": lambda path: yolo_model(path, SIZE, "segment", masks=32, end_to_end=True),
    "key points": lambda path: yolo_model(path, SIZE, "pose", points=17),
    "key points, one row a box": lambda path: yolo_model(path, SIZE, "pose", points=5, end_to_end=True),
    "classification": lambda path: classifier(path, SQUARE),
    "embedding": lambda path: detectors.embedder(path, SQUARE),
    "rf-detr": lambda path: detr(path, SIZE, 91),
    "rf-detr with masks": lambda path: detr(path, SIZE, masks=True),
    "yolox": lambda path: detectors.yolox(path, SIZE),
    "classes of cells": lambda path: detectors.segmenter(path, SIZE),
    "classes of pixels": lambda path: detectors.segmenter(path, SIZE, ids=True),
    **{name: task.make for name, task in DETECTORS.items()},
}
# Kind, and size: odd ones, smaller and larger than the inputs, higher than wide.
FORMATS = [
    FrameFormat(PixelFormat.I420, 320, 240),
    FrameFormat(PixelFormat.NV12, 97, 201),
    FrameFormat(PixelFormat.BGR24, 641, 361),
    FrameFormat(PixelFormat.GRAY8, 50, 34),
    FrameFormat(PixelFormat.I420, 321, 241),
    FrameFormat(PixelFormat.NV12, 160, 128),
    FrameFormat(PixelFormat.BGR24, 33, 31),
]


def frames() -> list[Frame]:
    """One of each format, with garbage between the rows."""
    pictures = [scene(form.width, form.height, number) for number, form in enumerate(FORMATS)]
    return [frame_of(form, planes_of(form, each, 7)) for form, each in zip(FORMATS, pictures, strict=True)]


@pytest.fixture
def lab(tmp_path: Path, plain_kernels: PlainKernels, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab_in(tmp_path, plain_kernels.by_name, monkeypatch) as made:
        make_engines(made, monkeypatch)
        yield made


def found(path: Path, backend: str, family: str | None, batches: Sequence[Sequence[Frame]]) -> list[Findings]:
    """What is kept of each batch is looked at when all of them are through, and the model is closed."""
    told = {"path": str(path), "backend": backend, "confidence": 0.3, "streams": 2, "family": family}
    spec = ModelSpec.from_mapping({key: value for key, value in told.items() if value is not None})
    predictor, _ = open_predictor(spec, MOST, at_once=2)
    try:
        return [one for batch in batches for one in predictor.predict(batch)]
    finally:
        predictor.close()


def assert_equal(one: Findings, other: Findings) -> None:
    assert len(one) == len(other)
    if isinstance(one, Embedding) and isinstance(other, Embedding):
        np.testing.assert_allclose(one.vector, other.vector, atol=1e-5)
        return
    assert not isinstance(one, Embedding)
    assert not isinstance(other, Embedding)
    assert one.class_name == other.class_name
    np.testing.assert_allclose(one.score, other.score, atol=1e-5)
    if isinstance(one, Classification) or isinstance(other, Classification):
        return
    np.testing.assert_allclose(one.xyxy, other.xyxy, atol=1e-2)
    assert (one.masks is None, one.keypoints is None) == (other.masks is None, other.keypoints is None)
    if one.keypoints is not None and other.keypoints is not None:
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-2)
    for i in range(len(one) if one.masks is not None else 0):
        assert one.masks is not None
        assert other.masks is not None
        assert (one.masks.picture(i) == other.masks.picture(i)).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_it_finds_the_same(name: str, lab: Lab) -> None:
    path = FAMILIES[name](lab.folder / "model.onnx")
    task = DETECTORS.get(name)
    family = task.family if task is not None and task.asked else None
    each = frames()
    batches = [each[:1], each[3:7], each[:3], each[6:]]
    here = found(path, "onnxruntime", family, batches)
    assert sum(map(len, here)) > 0
    for integrated in (False, True):
        lab.gpu.facts = replace(lab.gpu.facts, integrated=integrated)
        for one, other in zip(found(path, "tensorrt", family, batches), here, strict=True):
            assert_equal(one, other)
