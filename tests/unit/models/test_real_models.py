"""Real models on real videos against reference predictions made with OpenCV preprocessing and numpy alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from support.agreement import agreement, load_expected
from support.data import DATA, needs_data
from support.pictures import frame_of

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.onnxruntime import OnnxRuntimeBackend
from mpipeline.backends.openvino import OpenVinoBackend
from mpipeline.errors import ModelError
from mpipeline.frame import ColorMatrix, Frame, FrameFormat, PixelFormat
from mpipeline.models.family import ModelOptions
from mpipeline.models.selection import choose_family

FRAMES = 15  # of each video, the first ones that have a reference
H273_MATRICES = {1: ColorMatrix.BT709, 9: ColorMatrix.BT2020, 10: ColorMatrix.BT2020}  # all others as BT.601
FULL_RANGE = 2

pytestmark = needs_data


@dataclass(frozen=True)
class Case:
    model: str
    video: str
    expected: str


CASES = [
    Case("yolox_nano", "intel_car-detection.mp4", "intel_car-detection.yolox_nano"),
    Case("yolox_nano", "intel_one-by-one-person-detection.mp4", "intel_one-by-one-person-detection.yolox_nano"),
    Case("yolox_nano", "intel_person-bicycle-car-detection.mp4", "intel_person-bicycle-car-detection.yolox_nano"),
    Case("yolox_nano", "nvidia_Retail02_short.mp4", "nvidia_Retail02_short.yolox_nano"),
    Case("yolox_nano_dyn", "nvidia_Retail02_short.mp4", "nvidia_Retail02_short.yolox_nano"),
    Case("yolox_nano", "derived/retail_720p15_h264.mp4", "retail_720p15_h264.yolox_nano"),
    Case("yolox_nano", "udacity_test_video_720p.mp4", "udacity_test_video_720p.yolox_nano"),
    Case(
        "light_person_detector",
        "intel_one-by-one-person-detection.mp4",
        "intel_one-by-one-person-detection.light_person_detector",
    ),
    Case("light_person_detector", "nvidia_Retail02_short.mp4", "nvidia_Retail02_short.light_person_detector"),
    Case("light_person_detector", "derived/retail_720p15_h264.mp4", "retail_720p15_h264.light_person_detector"),
    Case("light_person_detector", "udacity_test_video_720p.mp4", "udacity_test_video_720p.light_person_detector"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.model}-{Path(case.video).stem}")
def test_agrees_with_the_reference(case: Case) -> None:
    expected = load_expected(DATA / "expected" / f"{case.expected}.jsonl")
    expected = {frame: expected[frame] for frame in sorted(expected)[:FRAMES]}
    result = agreement(expected, found_by(OnnxRuntimeBackend, case, expected))
    assert result.good(), result


@pytest.mark.parametrize("case", CASES[3:6:2] + CASES[-3:-2], ids=lambda case: f"{case.model}-{Path(case.video).stem}")
def test_openvino_finds_in_float32_what_onnx_runtime_finds(case: Case) -> None:
    numbers = range(1, FRAMES + 1)
    wanted, found = (found_by(backend, case, numbers) for backend in (OnnxRuntimeBackend, OpenVinoBackend))
    assert sum(map(len, wanted.values())) >= FRAMES
    for number in numbers:
        boxes, others = np.array(wanted[number]), np.array(found[number])
        assert boxes.shape == others.shape
        if len(boxes):
            np.testing.assert_array_equal(others[:, 5], boxes[:, 5])
            np.testing.assert_allclose(others[:, 4], boxes[:, 4], atol=1e-4)
            np.testing.assert_allclose(others[:, :4], boxes[:, :4], atol=0.05)  # pixels


def found_by(
    kind: type[OnnxRuntimeBackend] | type[OpenVinoBackend], case: Case, numbers: Collection[int]
) -> dict[int, list[list[float]]]:
    """What a backend finds in those frames: rows of x1, y1, x2, y2, score, class."""
    backend = kind(BackendOptions(str(DATA / "models" / f"{case.model}.onnx"), threads=1))
    info = backend.open()
    family_class, _ = choose_family(info, None)
    family = family_class(info, ModelOptions(confidence=0.3, iou_threshold=0.45))
    row = np.empty((1, *family.input_shape), family.input_dtype)
    actual = {}
    for number, frame in frames(DATA / "videos" / case.video, max(numbers)):
        if number in numbers:
            geometry = family.preprocess(frame, row[0])
            (found,) = family.postprocess(backend.run({family.input_name: row}), [geometry])
            columns = zip(found.xyxy.tolist(), found.score.tolist(), found.class_id.tolist(), strict=True)
            actual[number] = [[*box, score, class_id] for box, score, class_id in columns]
    backend.close()
    return actual


def test_a_model_that_is_declared_as_of_another_family_is_told() -> None:
    backend = OnnxRuntimeBackend(BackendOptions(str(DATA / "models" / "light_person_detector.onnx"), threads=1))
    info = backend.open()
    family_class, why = choose_family(info, "yolo")
    assert "unasked it would be taken for yolox" in why
    family = family_class(info, ModelOptions())
    row = np.empty((1, *family.input_shape), family.input_dtype)
    ((_, frame),) = frames(DATA / "videos" / "nvidia_Retail02_short.mp4", 1)
    geometry = family.preprocess(frame, row[0])
    with pytest.raises(ModelError, match=r"set model\.family to .*yolox"):
        family.postprocess(backend.run({family.input_name: row}), [geometry])
    backend.close()


def frames(path: Path, last: int) -> Iterator[tuple[int, Frame]]:
    """The frames of a video with their numbers from 1, in the decoder's own planes and colours."""
    with av.open(str(path)) as container:
        for number, picture in enumerate(container.decode(video=0), start=1):
            if number > last:
                return
            yield number, planar(picture)


def planar(picture: av.VideoFrame) -> Frame:
    assert picture.format.name in ("yuv420p", "yuvj420p")
    full_range = picture.color_range == FULL_RANGE or picture.format.name == "yuvj420p"
    matrix = H273_MATRICES.get(int(picture.colorspace), ColorMatrix.BT601)
    form = FrameFormat(PixelFormat.I420, picture.width, picture.height, matrix, full_range)
    planes = []
    for plane, shape in zip(picture.planes, form.planes(), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: shape.rows, : shape.row_bytes])
    return frame_of(form, tuple(planes))
