"""A ring whose frames are inferred on the simulated GPU, by a model that tells how bright they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from support.inference_bench import Bench
from support.leftovers import wait_until
from support.simulated_tensorrt import DataType, EngineFile
from support.tensorrt_engines import Arrays, Lab

from mpipeline.config.schema import ModelSpec
from mpipeline.testing.fakes import level_of
from mpipeline.workers.journal import Journal
from mpipeline.workers.loading import open_predictor
from mpipeline.workers.wire import from_wire

SIZE = (96, 64)
ANCHORS = 126
MOST = 4


class Model:
    """A YOLO that finds one box, whose score is how bright the frame is; `looks` is called while it computes."""

    def __init__(self) -> None:
        self.looks: Callable[[], object] = lambda: None
        self.batches: list[int] = []

    def infer(self, given: Arrays) -> Arrays:
        self.looks()
        images = given["images"]
        self.batches.append(len(images))
        found = np.zeros((len(images), 6, ANCHORS), np.float32)
        found[:, :4, 7] = (48, 32, 20, 10)
        found[:, 5, 7] = images[:, 0, 32, 48]
        return {"output": found, "unread": np.zeros((len(images), 1), np.float32)}

    @property
    def file(self) -> EngineFile:
        frame = (3, SIZE[1], SIZE[0])
        return EngineFile(
            {"images": ((-1, *frame), DataType.FLOAT)},
            {"output": ((-1, 6, ANCHORS), DataType.FLOAT), "unread": ((-1, 1), DataType.FLOAT)},
            self.infer,
            lambda sizes: {"output": (sizes["images"][0], 6, ANCHORS), "unread": (sizes["images"][0], 1)},
            [{"images": ((1, *frame), (MOST, *frame), (MOST, *frame))}] * 2,
        )


class GpuBench(Bench):
    """A ring whose frames are inferred on the simulated GPU."""

    def __init__(self, lab: Lab, every_frame: bool, slots: int = 8, bit: int = -1, **spec: object) -> None:
        self.model = Model()
        path = lab.engine(self.model.file)
        given = {"path": str(path), "backend": "tensorrt", "confidence": 0.01, "family": "yolo", "streams": 1, **spec}
        self._spec = ModelSpec.from_mapping(given)
        super().__init__(every_frame, slots, bit)
        self.report()

    def begin(self, journal: Journal | None = None) -> None:
        self.predictor, _ = open_predictor(self._spec, MOST, at_once=2)  # type: ignore[assignment]
        super().begin(journal)

    def infer(self, *frame_ids: int) -> None:
        """Publishes the frames, and lets the loop step until they are through."""
        through = self.loop.progress + len(frame_ids)
        for frame_id in frame_ids:
            self.publish(frame_id)
        wait_until(lambda: (self.loop.step(), self.loop.progress == through)[1], "the frames are through")
        self.report()

    def levels(self) -> dict[int, int]:
        """Frame id → the level that the model has seen in it."""
        found = {m.frame.frame_id: from_wire(m).detections for m in self.predictions()}
        return {frame_id: round(float(one.score[0]) * 255) for frame_id, one in found.items() if one is not None}

    def failures(self) -> dict[int, str]:
        return {m.frame.frame_id: m.failure_message for m in self.predictions() if m.failure_reason}

    def spoil(self) -> bool:
        """Writes something else into a slot that the writer may have; whether there was one."""
        slot = self.writer.reserve(0.0)
        if slot is not None:
            self.writer.planes(slot)[0][:] = 0
            self.writer.cancel(slot)
        return slot is not None


def expected(*frame_ids: int) -> dict[int, int]:
    return {frame_id: level_of(frame_id) for frame_id in frame_ids}


def kinds(lab: Lab) -> list[str]:
    return [one.kind for one in lab.gpu.alive]
