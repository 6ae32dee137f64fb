"""A ring whose frames are inferred on the simulated GPU, by a model that tells how bright they are."""

from __future__ import annotations

from support.bright_model import SHAPES, SIZE, BrightModel
from support.inference_bench import Bench
from support.leftovers import wait_until
from support.simulated_tensorrt import DataType, EngineFile
from support.tensorrt_engines import Lab

from mpipeline.config.schema import ModelSpec
from mpipeline.testing.fakes import level_of
from mpipeline.workers.journal import Journal
from mpipeline.workers.loading import open_predictor
from mpipeline.workers.wire import from_wire

MOST = 4


def engine_of(model: BrightModel) -> EngineFile:
    """An engine that computes as the model does, for batches up to MOST."""
    frame = (3, SIZE[1], SIZE[0])
    return EngineFile(
        {"images": ((-1, *frame), DataType.FLOAT)},
        {name: ((-1, *shape), DataType.FLOAT) for name, shape in SHAPES.items()},
        model.infer,
        lambda sizes: {name: (sizes["images"][0], *shape) for name, shape in SHAPES.items()},
        [{"images": ((1, *frame), (MOST, *frame), (MOST, *frame))}] * 2,
    )


class GpuBench(Bench):
    """A ring whose frames are inferred on the simulated GPU."""

    def __init__(self, lab: Lab, every_frame: bool, slots: int = 8, bit: int = -1, **spec: object) -> None:
        self.model = BrightModel()
        path = lab.engine(engine_of(self.model))
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
