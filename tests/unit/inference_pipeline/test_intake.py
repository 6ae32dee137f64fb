"""The sink in the caller's process: frames that it cannot see yet, for want of open files, are not passed over."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.predictions import prediction
from support.shortage import lack_open_files
from support.worker_ends import Ends

from mpipeline.clock import ManualClock
from mpipeline.frame import FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.inference_pipeline.frames import Loan
from mpipeline.inference_pipeline.intake import Intake
from mpipeline.messages import Drain, Message, RingAttached, SessionOpened
from mpipeline.prediction import Prediction
from mpipeline.ring.segment import create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.transport import channel
from mpipeline.workers.runtime import WorkerContext
from mpipeline.workers.wire import to_wire


class Bench:
    """An intake, a ring with the frames 1 and 2, and what has been received: frame ids, negative if without pixels."""

    def __init__(self, folder: Path) -> None:
        self.ends = Ends(folder, "sink:s#1")
        self.inference = self.ends.inference()
        context = WorkerContext("sink:s", 1, self.ends.control, self.ends.zmq)
        self.clock = context.clock = ManualClock()
        self.received: list[int] = []
        sink = {"name": "s", "kind": "python", "target": "m:S"}
        feed = {"model": "", "bit": 1, "sources": ["a"], "predictions": self.ends.endpoints.predictions}
        spec = {"sink": sink, "feeds": [feed]}
        self.worker = Intake(context, spec, self)
        self.ring = create_ring(uuid.uuid4().hex[:12], "a", 0, FrameFormat(PixelFormat.GRAY8, 16, 16), 3)
        self.ring.add_reader(1, pinned=True)
        self.messages: list[Message] = [SessionOpened(5)]
        writer = RingWriter(self.ring.descriptor, reuse=False)
        for frame_id in (1, 2):
            slot = writer.reserve(0.0)
            assert slot is not None
            frame = FrameMeta("a", frame_id, None, 1, 1, 16, 16)
            ref = FrameRef(self.ring.descriptor.segment, slot, writer.publish(slot, frame))
            self.messages.append(to_wire(Prediction(frame, prediction(frame).detections), ref))
        writer.close()

    def arrived(self, prediction: Prediction, loan: Loan) -> None:
        self.received.append(prediction.frame.frame_id)
        loan.settle()

    def ended(self, source: str) -> None:
        raise AssertionError("nothing ends here")

    def lost(self, prediction: Prediction) -> None:
        self.received.append(-prediction.frame.frame_id)

    def deliver(self) -> None:
        """Inference sends all once the intake has said hello."""
        poller = channel.Poller()
        poller.add(self.inference)
        self.worker.step()
        assert poller.wait(60.0)
        received = self.inference.receive()
        assert received is not None
        for message in self.messages:
            assert self.inference.send(received[0], message)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(0.25)
            assert self.worker.step()

    def step_until_received(self, count: int) -> None:
        for _ in range(600):
            if len(self.received) >= count:
                return
            self.steps(1)
        raise AssertionError(f"received {self.received}")

    def close(self) -> None:
        self.worker.close()
        self.ring.close()
        self.ends.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_under_every_frame_they_wait_also_while_the_run_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lack_open_files(monkeypatch)
    bench.worker.receive(RingAttached(bench.ring.descriptor, every_frame=True))
    bench.deliver()
    while bench.worker._held_up is None:
        bench.steps(1)
    bench.worker.receive(Drain())
    bench.steps(8)
    assert bench.received == []
    monkeypatch.undo()
    bench.step_until_received(2)
    assert bench.received == [1, 2]


def test_of_a_live_stream_they_come_without_pixels(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lack_open_files(monkeypatch)
    bench.worker.receive(RingAttached(bench.ring.descriptor, every_frame=False))
    bench.deliver()
    bench.step_until_received(2)
    assert bench.received == [-1, -2]
