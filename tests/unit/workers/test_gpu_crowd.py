"""Many sources through one simulated GPU, by chance: formats and rings change, calls fail, slots are written again."""

from __future__ import annotations

import gc
import logging
import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.inference_bench import Deliveries
from support.leftovers import wait_until
from support.plain_kernels import PlainKernels
from support.simulated_tensorrt import DataType, EngineFile
from support.tensorrt_engines import Arrays, Lab, lab_in

from mpipeline.batching import Batcher
from mpipeline.clock import ManualClock
from mpipeline.config.schema import ModelSpec
from mpipeline.frame import FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.messages import FrameReady, PredictionReady, RingRetired, SinkAdded, SinkStatus
from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.workers.inference import InferenceLoop
from mpipeline.workers.loading import open_predictor
from mpipeline.workers.read_rings import AttachedRing
from mpipeline.workers.wire import from_wire

SIZE = (32, 32)
ANCHORS = 21
MOST = 4
SLOTS = 3
FORMATS = [
    FrameFormat(PixelFormat.GRAY8, 16, 16),
    FrameFormat(PixelFormat.I420, 70, 34, full_range=True),
    FrameFormat(PixelFormat.NV12, 33, 65, full_range=True),
    FrameFormat(PixelFormat.BGR24, 120, 90),
]
FAULTS = ["upload", "launch", "allocate", "allocate_host", "download", "register", "fill"]


def infer(given: Arrays) -> Arrays:
    """One box for each frame, as sure as its middle is bright."""
    images = given["images"]
    found = np.zeros((len(images), 5, ANCHORS), np.float32)
    found[:, :4, 3] = (16, 16, 8, 8)
    found[:, 4, 3] = images[:, 0, 16, 16]
    return {"output": found}


def engine() -> EngineFile:
    frame = (3, SIZE[1], SIZE[0])
    return EngineFile(
        {"images": ((-1, *frame), DataType.FLOAT)},
        {"output": ((-1, 5, ANCHORS), DataType.FLOAT)},
        infer,
        lambda sizes: {"output": (sizes["images"][0], 5, ANCHORS)},
        [{"images": ((1, *frame), (MOST, *frame), (MOST, *frame))}] * 3,
    )


class Source:
    """What a decoder does, with a ring that may be exchanged for one of another format."""

    def __init__(self, name: str, every_frame: bool, chance: random.Random) -> None:
        self.name, self.every_frame, self._chance = name, every_frame, chance
        self.published: dict[int, int] = {}  # frame id → level
        self.retired: list[str] = []

    def open(self, loop: InferenceLoop) -> None:
        self.ring = create_ring(uuid.uuid4().hex[:12], self.name, 0, self._chance.choice(FORMATS), SLOTS)
        self.ring.add_reader(0, pinned=self.every_frame)
        self.writer = RingWriter(self.ring.descriptor, reuse=True)
        loop.rings.add(AttachedRing(RingReader(self.ring.descriptor, 0), self.every_frame))

    def exchange(self, loop: InferenceLoop) -> None:
        self.retired.append(self.ring.descriptor.segment)
        loop.rings.obey(RingRetired(self.ring.descriptor.segment), 0)
        self.close()
        self.open(loop)

    def publish(self, loop: InferenceLoop) -> None:
        slot = self.writer.reserve(0.0)
        if slot is None:
            return
        level, frame_id = self._chance.randrange(20, 256), len(self.published) + 1
        self._fill(slot, level)
        form = self.ring.descriptor.format
        meta = FrameMeta(self.name, frame_id, None, frame_id, frame_id, form.width, form.height)
        sequence = self.writer.publish(slot, meta)
        self.published[frame_id] = level
        loop.hint(FrameReady(FrameRef(self.ring.descriptor.segment, slot, sequence), frame_id, frame_id))

    def spoil(self) -> None:
        """Writes into a slot that nobody needs, if there is one."""
        slot = self.writer.reserve(0.0)
        if slot is not None:
            self._fill(slot, 3)
            self.writer.cancel(slot)

    def close(self) -> None:
        self.writer.close()
        self.ring.close()

    def _fill(self, slot: int, level: int) -> None:
        luma, *chroma = self.writer.planes(slot)
        luma[:] = level
        for plane in chroma:
            plane[:] = 128


class Crowd(Deliveries):
    """An inference loop with many sources, and a sink that acknowledges when it is told to."""

    def __init__(self, lab: Lab, streams: int, seed: int) -> None:
        self.lab, self.chance = lab, random.Random(seed)
        told = {"backend": "tensorrt", "family": "yolo", "confidence": 0.01, "streams": streams}
        spec = ModelSpec.from_mapping({"path": str(lab.engine(engine())), **told})
        predictor, _ = open_predictor(spec, MOST, at_once=4)
        super().__init__()
        clock, recorder = ManualClock(), Recorder()
        self.loop = InferenceLoop(predictor, Batcher(MOST, 0, 10**18), self.deliver, clock, recorder)
        self.loop.add_sink(SinkAdded("s", -1, "block", "block", 4))
        self.sources = [Source(f"s{i}", i % 2 == 0, self.chance) for i in range(5)]
        for source in self.sources:
            source.open(self.loop)
        self.acknowledge()

    def acknowledge(self) -> None:
        self.loop.status("x", SinkStatus("s", 1, 0, 0, 0))
        last: dict[str, int] = {}
        for message in self.predictions:
            last[message.frame.source] = max(last.get(message.frame.source, 0), message.frame.frame_id)
        self.loop.status("x", SinkStatus("s", 1, self.session, len(self.sent), 100, last))

    @property
    def predictions(self) -> list[PredictionReady]:
        return [message for message in self.sent if isinstance(message, PredictionReady)]

    def act(self) -> None:
        source = self.chance.choice(self.sources)
        match self.chance.choices(range(6), (8, 6, 4, 3, 0.6, 0.3))[0]:
            case 0:
                source.publish(self.loop)
            case 1:
                self.loop.step()
                if self.chance.random() < 0.7 and self.loop._in_model:
                    wait_until(self.loop._is_through, "what is in the model is through")
            case 2:
                self.acknowledge()
            case 3:
                source.spoil()
            case 4:
                if not source.every_frame or self.is_answered(source):
                    source.exchange(self.loop)
            case 5:
                self.lab.gpu.fails[self.chance.choice(FAULTS)] = self.chance.randrange(1, 6)

    def is_answered(self, source: Source) -> bool:
        """Whether nothing of the source is in its ring any more: only then is that of a file exchanged."""
        told = {message.frame.frame_id for message in self.predictions if message.frame.source == source.name}
        self.acknowledge()
        return told >= source.published.keys()

    def finish(self) -> None:
        def is_drained() -> bool:
            self.loop.step()
            self.acknowledge()
            return self.loop.is_drained(lossless_only=False)

        wait_until(is_drained, "all is through")

    def check(self) -> None:
        """Every frame of a file is answered, of a live source most once, in order; what was found was in the frame."""
        for source in self.sources:
            told = [message for message in self.predictions if message.frame.source == source.name]
            ids = [message.frame.frame_id for message in told]
            assert ids == sorted(set(ids))
            assert not source.every_frame or ids == list(source.published)
            for message in told:
                if message.failure_reason:
                    assert "simulated" in message.failure_message
                    continue
                found = from_wire(message).detections
                assert found is not None
                assert abs(float(found.score[0]) * 255 - source.published[message.frame.frame_id]) < 1.01

    def close(self) -> None:
        self.lab.gpu.fails.clear()
        self.loop.close()
        for source in self.sources:
            source.close()


@pytest.fixture
def lab(tmp_path: Path, plain_kernels: PlainKernels, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab_in(tmp_path, plain_kernels.by_name, monkeypatch) as made:
        yield made


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("integrated", [False, True])
def test_nothing_is_lost_mixed_up_or_left_behind(
    lab: Lab, integrated: bool, streams: int, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    lab.gpu.facts = replace(lab.gpu.facts, integrated=integrated)
    lab.gpu.maps_host = seed > 0
    caplog.set_level(logging.CRITICAL, "mpipeline")  # what is logged of errors, pytest keeps, and with them pixels
    gc.disable()
    crowd = Crowd(lab, streams, seed)
    try:
        for _ in range(400):
            crowd.act()
        crowd.finish()
        crowd.check()
        assert len([message for message in crowd.predictions if not message.failure_reason]) > 20
        assert sum(one.kind == "registered" for one in lab.gpu.alive) <= len(crowd.sources)
        mapped = Path("/proc/self/maps").read_text()
        assert not [name for source in crowd.sources for name in source.retired if name in mapped]
    finally:
        gc.enable()
        crowd.close()
