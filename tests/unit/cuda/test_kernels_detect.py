"""Detection for a GPU on a simulated one: limits, filters, batches; that it finds the right boxes is in tests/gpu."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.detector_outputs import ANCHORS, DETECTORS, SIZE, Detector
from support.kernel_checks import UNSHOWN, assert_found, detected
from support.simulated_gpu import SimulatedGpu
from support.simulated_streams import SimulatedStream

from mpipeline.cuda.detect import LIMIT, Detection, Head, Rules
from mpipeline.cuda.kernels import Kernels
from mpipeline.models.family import ModelOptions
from mpipeline.models.yolo import Yolo
from mpipeline.tensor import ModelInfo, TensorSpec

YOLO, V5, YOLOX = DETECTORS
V5_HEAD = Head(3 * ANCHORS, 2, objectness=True)
every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)


@every_detector
def test_only_wanted_classes_and_no_more_than_asked_for(
    gpu: SimulatedGpu, stream: SimulatedStream, detector: Detector
) -> None:
    outputs = detector.outputs(np.random.default_rng(7), 2, 40)
    kept = assert_found(gpu, stream, detector, ModelOptions(0.1, 0.9, 5, classes=(*range(10), 33, 39)), outputs)
    assert all(frame.candidates > len(frame.score) == 5 for frame in kept)


def test_what_stands_behind_the_scores_is_not_looked_at(gpu: SimulatedGpu, stream: SimulatedStream) -> None:
    outputs = V5.outputs(np.random.default_rng(2), 2, 2)
    longer = np.concatenate([outputs, np.full((*outputs.shape[:2], 3), 9.0, np.float32)], axis=2)
    rules = Rules(0.3, 0.5, 100)
    plain = detected(gpu, stream, V5_HEAD, rules, outputs)
    found = detected(gpu, stream, replace(V5_HEAD, more=3), rules, longer)
    for one, other in zip(plain, found, strict=True):
        np.testing.assert_array_equal(one.xyxy, other.xyxy)
        np.testing.assert_array_equal(one.anchor, other.anchor)


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
        expected = YOLO.family(outputs, options).postprocess({"output": outputs}, [UNSHOWN] * rows)
        for kept, found in zip(work.found(rows), expected, strict=True):
            np.testing.assert_array_equal(UNSHOWN.to_source(kept.xyxy), found.xyxy)
        there.free()
    work.free(), kernels.free()


def test_a_frame_with_nothing_in_it(gpu: SimulatedGpu, stream: SimulatedStream) -> None:
    outputs = np.zeros((2, 7, ANCHORS), np.float32)
    kept = detected(gpu, stream, Head(ANCHORS, 3, anchors_last=True), Rules(0.3, 0.5, 10), outputs)
    assert [(len(frame.score), frame.candidates) for frame in kept] == [(0, 0), (0, 0)]


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
    family = YOLO.family(outputs, ModelOptions())
    assert family.gpu_detection(outputs.shape, np.dtype(np.float64)) is None
    assert (
        YOLO.family(outputs, ModelOptions(max_detections=LIMIT + 1)).gpu_detection(outputs.shape, outputs.dtype) is None
    )
    image = TensorSpec("images", (None, 3, SIZE[1], SIZE[0]), outputs.dtype)
    suppressed = Yolo(ModelInfo((image,), (TensorSpec("output", (None, 300, 6), outputs.dtype),)), ModelOptions())
    assert suppressed.gpu_detection((1, 300, 6), outputs.dtype) is None
