"""Frames of rings on a GPU: page-locked, brought up as they are, and given back when they are there."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from support.bright_model import INFO, SIZE, BrightModel
from support.gpus import real_gpu
from support.inference_bench import Bench
from support.kernel_checks import pictures_of_every_kind
from support.model_on_gpu import ModelByProcessor
from support.pictures import frame_of
from support.plain_kernels import PlainKernels
from support.simulated_gpu import SimulatedGpu

from mpipeline.cuda.thread import GpuThread
from mpipeline.frame import Frame, plane_views
from mpipeline.models.family import ModelOptions
from mpipeline.models.yolo import Yolo
from mpipeline.testing.fakes import FakeBackend, level_of
from mpipeline.workers.gpu_way import GpuShare, GpuWay
from mpipeline.workers.predictor import TensorPredictor, keep
from mpipeline.workers.wire import from_wire

MOST = 4


@dataclass
class OnGpu:
    """The model on the GPU, and what it needs there."""

    model: BrightModel
    family: Yolo
    share: GpuShare
    way: GpuWay
    registers: bool


@pytest.fixture(params=["simulated", "real"])
def on_gpu(request: pytest.FixtureRequest, plain_kernels: PlainKernels) -> Iterator[OnGpu]:
    simulated = SimulatedGpu(kernels=plain_kernels.by_name)
    gpu = real_gpu() if request.param == "real" else simulated
    thread = GpuThread(lambda: gpu)  # type: ignore[arg-type, return-value]
    model, family = BrightModel(), Yolo(INFO, ModelOptions(confidence=0.01))
    by_processor, share = ModelByProcessor(thread, model.infer), GpuShare(thread, 1 << 30)
    target = family.preprocessor.gpu_target("float32")
    assert target is not None
    way = GpuWay(family, family.preprocessor, target, by_processor, share, MOST)
    yield OnGpu(model, family, share, way, gpu.facts.registers)
    way.close()
    share.close()
    by_processor.close()
    thread.close()
    assert simulated.misuses == []


def in_one_piece(pictures: list[Frame]) -> tuple[np.ndarray, list[Frame]]:
    """The frames as they lie in slots, in whole pages of memory."""
    sizes = [frame.format.payload_bytes() for frame in pictures]
    memory = np.frombuffer(mmap.mmap(-1, sum(sizes)), np.uint8)
    frames, offset = [], 0
    for frame, size in zip(pictures, sizes, strict=True):
        planes = plane_views(frame.format, memory[offset : offset + size])
        for plane, given in zip(planes, frame.planes, strict=True):
            plane[:] = given
        frames.append(Frame(frame.meta, frame.format, planes))
        offset += size
    return memory, frames


@pytest.mark.parametrize("locked", [True, False])
def test_pictures_of_every_kind(on_gpu: OnGpu, caplog: pytest.LogCaptureFixture, locked: bool) -> None:
    """The model sees the numbers that the pass on the processor makes, to the last bit."""
    memory, frames = in_one_piece([frame_of(*one) for one in pictures_of_every_kind(np.random.default_rng(1))])
    if locked:
        on_gpu.share.lend("pictures", memory)
        assert not on_gpu.registers or "ring_pageable" not in [getattr(one, "event", "") for one in caplog.records]
    for start in range(0, len(frames), MOST):
        batch = frames[start : start + MOST]
        rows = np.zeros((len(batch), 3, SIZE[1], SIZE[0]), np.float32)
        geometries = [on_gpu.family.preprocess(frame, row) for frame, row in zip(batch, rows, strict=True)]
        expected = on_gpu.family.postprocess(BrightModel().infer({"images": rows}), geometries)
        for ours, theirs in zip(on_gpu.way.infer(batch, keep), expected, strict=True):
            np.testing.assert_array_equal(ours.score, theirs.score)
            np.testing.assert_array_equal(ours.xyxy, theirs.xyxy)
        np.testing.assert_array_equal(np.stack(on_gpu.model.seen[start:]), rows)
    on_gpu.share.take_back("pictures")


@pytest.mark.parametrize("every_frame", [False, True])
def test_slots_of_a_live_source_are_free_while_the_model_computes(on_gpu: OnGpu, every_frame: bool) -> None:
    class Loop(Bench):
        def begin(self, journal: None = None) -> None:
            self.predictor = TensorPredictor([on_gpu.way], FakeBackend, MOST, None, on_gpu.share)  # type: ignore[assignment]
            super().begin(journal)

    bench = Loop(every_frame, slots=1)
    bench.report()
    free: list[bool] = []

    def look() -> None:
        slot = bench.writer.reserve(0.0)
        free.append(slot is not None)
        if slot is not None:
            bench.writer.planes(slot)[0][:] = 0  # does not reach the model any more
            bench.writer.cancel(slot)

    on_gpu.model.looks = look
    for frame_id in (1, 2, 3):
        bench.publish(frame_id)
        bench.loop.step()
        bench.report()
        bench.loop.step()
    found = {m.frame.frame_id: from_wire(m).detections for m in bench.predictions()}
    levels = {frame_id: round(float(one.score[0]) * 255) for frame_id, one in found.items() if one is not None}
    assert levels == {frame_id: level_of(frame_id) for frame_id in (1, 2, 3)}
    assert free == [not every_frame] * 3
    bench.loop.rings.close()
    bench.writer.close()
    bench.ring.close()
