"""Detection for a GPU on a simulated one: limits, filters, batches; that it finds the right boxes is in tests/gpu."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.detector_outputs import ANCHORS, DETECTORS, UNSHOWN, Detector
from support.kernel_checks import assert_found, detected
from support.simulated_gpu import SimulatedGpu
from support.simulated_streams import SimulatedStream

from mpipeline.cuda.detect import LIMIT, Detection, Head, Rules
from mpipeline.cuda.kernels import Kernels
from mpipeline.errors import ModelError
from mpipeline.models.family import ModelOptions

YOLO, V5, *_ = DETECTORS
POSE, SEGMENTATION = DETECTORS[3], DETECTORS[5]
V5_HEAD = Head(3 * ANCHORS, 2, objectness=True)
every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)


@every_detector
def test_only_wanted_classes_and_no_more_than_asked_for(
    gpu: SimulatedGpu, stream: SimulatedStream, detector: Detector
) -> None:
    outputs = detector.outputs(np.random.default_rng(7), 2, 40)
    for most in (5, 1):
        options = ModelOptions(0.1, 0.9, most, classes=(*range(10), 33, 39))
        kept = assert_found(gpu, stream, detector, options, outputs, 40)
        assert all(frame.candidates > len(frame.score) == most for frame in kept)


@every_detector
def test_a_frame_with_nothing_in_it(gpu: SimulatedGpu, stream: SimulatedStream, detector: Detector) -> None:
    outputs = detector.outputs(np.random.default_rng(7), 2, 3)
    kept = assert_found(gpu, stream, detector, ModelOptions(1.5), outputs, 3)
    assert [(len(frame.score), frame.candidates) for frame in kept] == [(0, 0), (0, 0)]


def test_what_stands_behind_the_scores_comes_down_and_is_no_score(gpu: SimulatedGpu, stream: SimulatedStream) -> None:
    rng = np.random.default_rng(2)
    outputs = V5.outputs(rng, 2, 2)
    longer = np.concatenate([outputs, rng.normal(9, 1, (*outputs.shape[:2], 3)).astype(np.float32)], axis=2)
    rules = Rules(0.3, 0.5, 100)
    plain = detected(gpu, stream, V5_HEAD, rules, outputs)
    found = detected(gpu, stream, replace(V5_HEAD, more=3), rules, longer)
    for one, other, rows in zip(plain, found, longer, strict=True):
        np.testing.assert_array_equal(one.xyxy, other.xyxy)
        np.testing.assert_array_equal(one.anchor, other.anchor)
        assert one.more.shape == (len(one.score), 0)
        np.testing.assert_array_equal(other.more, rows[other.anchor, -3:])
        assert other.more.dtype == np.float32


def test_nothing_comes_down_but_what_is_kept(
    gpu: SimulatedGpu, stream: SimulatedStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    download = gpu.download
    monkeypatch.setattr(gpu, "download", lambda to, *rest: (sizes.append(to.nbytes), download(to, *rest)))
    for detector, more in ((YOLO, 0), (POSE, 51), (SEGMENTATION, 32)):
        outputs = detector.outputs(np.random.default_rng(2), 3, 2)
        assert_found(gpu, stream, detector, ModelOptions(0.3, 0.5, 20), outputs, 2)
        assert sizes.pop() == 3 * (8 + 20 * (28 + 4 * more))
        assert not sizes


def test_prototypes_of_another_shape_are_told() -> None:
    outputs = SEGMENTATION.outputs(np.random.default_rng(2), 2, 2)
    family = SEGMENTATION.family(outputs, ModelOptions(), 2)
    plan = family.gpu_detection({"output": outputs})
    assert plan is not None
    with pytest.raises(ModelError, match=r"gave prototypes of shape \(2, 31, 16, 24\); expected \(batch, 32, height"):
        plan.findings([], [], {"prototypes": np.zeros((2, 31, 16, 24), np.float32)})


def test_an_anchor_leads_back_to_the_output(gpu: SimulatedGpu, stream: SimulatedStream) -> None:
    outputs = V5.outputs(np.random.default_rng(4), 1, 2)
    (kept,) = detected(gpu, stream, V5_HEAD, Rules(0.3, 0.5, 100), outputs)
    rows = outputs[0][kept.anchor]
    np.testing.assert_array_equal(rows[:, 4] * rows[:, 5:].max(axis=1), kept.score)


def test_batches_follow_each_other(gpu: SimulatedGpu, stream: SimulatedStream) -> None:
    """What one batch left behind is not in the next, also of fewer frames."""
    kernels, options = Kernels(gpu), ModelOptions(0.3, 0.5, 50)
    head, rules = Head(ANCHORS, 3, anchors_last=True), Rules(0.3, 0.5, 50)
    work = Detection(gpu, kernels, head, rules, 3, stream)
    for seed, rows in [(0, 3), (1, 1), (2, 2)]:
        outputs = YOLO.outputs(np.random.default_rng(seed), rows, 3)
        there = gpu.allocate(outputs.nbytes)
        gpu.upload(there.begin, outputs.reshape(-1).view(np.uint8), stream)
        work.run(there.begin, rows, stream)
        stream.synchronize()
        expected = YOLO.family(outputs, options, 3).postprocess({"output": outputs}, [UNSHOWN] * rows)
        for kept, found in zip(work.found(rows), expected, strict=True):
            np.testing.assert_array_equal(UNSHOWN.to_source(kept.xyxy), found.xyxy)
        there.free()
    work.free(), kernels.free()


def test_limits_are_told(gpu: SimulatedGpu, stream: SimulatedStream) -> None:
    kernels, head = Kernels(gpu), Head(ANCHORS, 3)
    for most in (0, LIMIT + 1):
        with pytest.raises(ValueError, match=f"keeps 1 to {LIMIT} boxes of a frame, not {most}"):
            Detection(gpu, kernels, head, Rules(0.3, 0.5, most), 2, stream)
    work = Detection(gpu, kernels, head, Rules(0.3, 0.5, 10), 2, stream)
    with pytest.raises(ValueError, match="3 frames do not fit a batch of 2"):
        work.run(0, 3, stream)
    work.free(), kernels.free()


def test_what_no_kernel_does_stays_on_the_processor() -> None:
    outputs = YOLO.outputs(np.random.default_rng(0), 1, 3)
    family = YOLO.family(outputs, ModelOptions(), 3)
    assert family.gpu_detection({"output": outputs.astype(np.float64)}) is None
    many = YOLO.family(outputs, ModelOptions(max_detections=LIMIT + 1), 3)
    assert many.gpu_detection({"output": outputs}) is None


@pytest.mark.parametrize(
    ("detector", "more"), [(YOLO, 0), (POSE, 51), (SEGMENTATION, 32)], ids=["boxes", "pose", "segmentation"]
)
def test_what_the_model_has_suppressed_stays_on_the_processor(detector: Detector, more: int) -> None:
    rows = np.zeros((1, 300, 6 + more), np.float32)
    assert detector.family(rows, ModelOptions(), 3).gpu_detection({"output": rows}) is None
