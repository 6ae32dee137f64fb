"""The inference loop over real rings: failures, drops with reasons, hints, waiting."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mpipeline.batching import Batcher
from mpipeline.clock import NS_PER_MS, ManualClock
from mpipeline.errors import BackendError
from mpipeline.frame import Frame, FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.messages import FrameReady, PredictionReady, SessionOpened, SinkAdded, SinkStatus, SourceEnded
from mpipeline.metrics.recorder import Recorder
from mpipeline.prediction import Detections
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.testing.fakes import level_of, seen
from mpipeline.transport import codec
from mpipeline.workers.inference import AttachedRing, InferenceLoop

FORMAT = FrameFormat(PixelFormat.GRAY8, 16, 16)


class Predictor:
    """Fails for poisonous levels; counts calls."""

    max_batch = 8

    def __init__(self) -> None:
        self.poison: set[int] = set()
        self.broken = False
        self.short = False
        self.calls: list[int] = []

    def predict(self, frames: Sequence[Frame]) -> list[Detections]:
        self.calls.append(len(frames))
        levels = [int(frame.planes[0][0, 0]) for frame in frames]
        if self.broken or self.poison.intersection(levels):
            raise RuntimeError("poison")
        return [seen(level, 16, 16) for level in levels][1 if self.short else 0 :]

    def close(self) -> None:
        pass


class Bench:
    """One ring, one sink that takes everything, an inference loop."""

    def __init__(self, every_frame: bool, slots: int = 8, bit: int = -1) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder()
        self.predictor = Predictor()
        self.sent: list[Any] = []
        self.ring = create_ring(uuid.uuid4().hex[:12], "a", 0, FORMAT, slots)
        self.ring.add_reader(0, pinned=every_frame)
        self.ring.add_reader(1, pinned=False)
        self.writer = RingWriter(self.ring.descriptor, reuse=True)
        batcher = Batcher(8, 0, 500 * NS_PER_MS)
        self.loop = InferenceLoop(self.predictor, batcher, self._deliver, self.clock, self.recorder)
        self.loop.add_sink(SinkAdded("s", bit, "block", "drop_oldest", 4))
        self.loop.attach(AttachedRing(RingReader(self.ring.descriptor, 0), every_frame, 0x7FFE))
        self.session = 0
        self.acknowledged = 0

    def _deliver(self, identity: str, data: bytes) -> bool:
        message = codec.decode(data)
        if isinstance(message, SessionOpened):
            self.session = message.session
        else:
            self.sent.append(message)
        return True

    def publish(self, frame_id: int, hint: bool = True) -> FrameReady:
        slot = self.writer.reserve(0.0)
        assert slot is not None
        self.writer.planes(slot)[0][:] = level_of(frame_id)
        now = self.clock.monotonic_ns()
        sequence = self.writer.publish(slot, FrameMeta("a", frame_id, None, now, now, 16, 16))
        ready = FrameReady(FrameRef(self.ring.descriptor.segment, slot, sequence), frame_id, now)
        if hint:
            self.loop.hint(ready)
        return ready

    def report(self) -> None:
        """The sink has done all that it was sent."""
        self.loop.status("x", SinkStatus("s", 1, 0, 0, 0))
        ids = [m.frame.frame_id for m in self.sent if isinstance(m, PredictionReady)]
        self.loop.status("x", SinkStatus("s", 1, self.session, len(self.sent), 100, {"a": max(ids, default=0)}))

    def counted(self, metric: str) -> float:
        return sum(v for k, v in self.recorder.snapshot().items() if k.partition("{")[0] == metric)

    def reasons(self) -> dict[str, float]:
        snapshot = self.recorder.snapshot().items()
        return {k.partition("reason=")[2].partition(",")[0]: v for k, v in snapshot if k.startswith("frames_dropped")}

    def predictions(self) -> list[PredictionReady]:
        return [m for m in self.sent if isinstance(m, PredictionReady)]

    def close(self) -> None:
        self.loop.close()
        self.writer.close()
        self.ring.close()


@pytest.fixture
def file() -> Iterator[Bench]:
    made = Bench(every_frame=True)
    yield made
    made.close()


@pytest.fixture
def live() -> Iterator[Bench]:
    made = Bench(every_frame=False, bit=1)
    yield made
    made.close()


def free_for(bench: Bench, reader: int) -> bool:
    """Whether nothing is pending for a reader and nothing is held."""
    words = [bench.ring._ring.control(slot) for slot in range(bench.ring.descriptor.slots)]
    return not any(pending & 1 << reader or held for _, pending, held in words)


def test_a_poisonous_frame_costs_only_itself(file: Bench) -> None:
    file.report()
    file.predictor.poison = {level_of(2)}
    for frame_id in (1, 2, 3):
        file.publish(frame_id)
    file.loop.step()
    file.report()
    file.loop.step()
    assert [m.failure_reason for m in file.predictions()] == ["", "inference_failed", ""]
    assert "RuntimeError: poison" in file.predictions()[1].failure_message
    assert file.predictions()[1].detections is None
    assert file.predictor.calls == [3, 1, 1, 1]
    assert file.counted("frames_failed") == 1
    assert file.loop.progress == 3
    file.report()
    assert free_for(file, 0)


def test_a_predictor_that_loses_a_result_fails_the_frames_and_not_the_worker(file: Bench) -> None:
    file.report()
    file.predictor.short = True
    file.publish(1)
    file.publish(2)
    file.loop.step()
    file.report()
    file.loop.step()
    assert [m.failure_reason for m in file.predictions()] == ["inference_failed"] * 2


def test_gives_up_when_nothing_works_any_more(file: Bench) -> None:
    file.report()
    file.predictor.broken = True
    for frame_id in range(1, 30):
        file.publish(frame_id)
        file.loop.step()
        file.report()
    file.publish(30)
    with pytest.raises(BackendError, match="30 frames in a row"):
        file.loop.step()


def test_one_good_frame_begins_the_count_anew(file: Bench) -> None:
    file.report()
    for frame_id in range(1, 90):
        file.predictor.broken = frame_id % 29 != 0
        file.publish(frame_id)
        file.loop.step()
        file.report()
    assert file.loop.progress == 89


def test_superseded_live_frames_are_declined_for_everyone(live: Bench) -> None:
    for frame_id in (1, 2, 3):
        live.publish(frame_id)
    live.loop.step()
    live.report()
    live.loop.step()
    assert [m.frame.frame_id for m in live.predictions()] == [3]
    assert live.reasons() == {"superseded": 2}
    words = [live.ring._ring.control(slot) for slot in range(live.ring.descriptor.slots)]
    assert sorted(pending for _, pending, _ in words) == [0] * 7 + [0b10]  # the one that was sent to the sink


def test_stale_live_frames_are_declined_for_everyone(live: Bench) -> None:
    live.publish(1)
    live.clock.advance(0.6)
    live.loop.step()
    assert live.reasons() == {"stale": 1}
    assert live.ring.idle()
    assert live.loop.progress == 0


def test_overflow_declines_the_pixels_and_counts(live: Bench) -> None:
    for frame_id in range(1, 8):  # the sink never speaks; of a live source two frames with pixels wait for it
        live.publish(frame_id)
        live.loop.step()
    assert live.counted("frames_inferred") == 7
    assert live.counted("predictions_dropped") == 5
    words = [live.ring._ring.control(slot) for slot in range(live.ring.descriptor.slots)]
    assert sum(bool(pending & 0b10) for _, pending, _ in words) == 2
    assert free_for(live, 0)


def test_a_live_slot_that_was_reused_meanwhile_is_passed_over(live: Bench) -> None:
    live.report()
    first = live.publish(1)
    for frame_id in range(2, 11):
        live.publish(frame_id, hint=False)
    live.loop._batcher.take(live.clock.monotonic_ns())
    live.loop._infer([])
    live.loop.hint(first)
    live.clock.advance(1.1)
    live.publish(11)
    live.loop.step()
    live.report()
    live.loop.step()
    assert [m.frame.frame_id for m in live.predictions()] == [11]


def test_hints_that_come_twice_late_or_for_unknown_rings(file: Bench) -> None:
    file.report()
    first = file.publish(1)
    file.loop.hint(first)
    file.loop.hint(FrameReady(FrameRef("mp-elsewhere-0", 0, 1), 2, 0))
    file.loop.step()
    file.loop.hint(first)
    file.report()
    file.loop.step()
    assert [m.frame.frame_id for m in file.predictions()] == [1]
    file.publish(2, hint=False)
    file.publish(3)  # the gap says: look
    file.loop.step()
    file.loop.step()
    assert [m.frame.frame_id for m in file.predictions()] == [1, 2, 3]


def test_a_ring_that_is_announced_twice_is_read_once(file: Bench) -> None:
    file.loop.attach(AttachedRing(RingReader(file.ring.descriptor, 0), True, 0x7FFE))
    file.report()
    file.publish(1)
    file.loop.step()
    file.report()
    file.loop.step()
    assert len(file.predictions()) == 1


def test_the_end_comes_behind_the_last_prediction(file: Bench) -> None:
    file.publish(1)
    file.publish(2, hint=False)
    file.loop.end(SourceEnded("a", 2))
    assert not file.loop.is_drained(lossless_only=True)
    file.report()
    for _ in range(3):
        file.loop.step()
        file.report()
    assert [type(m).__name__ for m in file.sent] == ["PredictionReady", "PredictionReady", "SourceEnded"]
    assert file.loop.is_drained(lossless_only=False)
    assert file.ring._ring.control(0)[2] == 0


def test_the_end_of_a_source_that_never_had_a_ring(file: Bench) -> None:
    file.report()
    file.loop.end(SourceEnded("never", 0))
    file.loop.step()
    assert file.sent == [SourceEnded("never", 0)]


def test_is_not_drained_before_every_acknowledgement(file: Bench) -> None:
    file.report()
    file.publish(1)
    file.loop.step()
    file.report()
    assert file.loop.is_drained(lossless_only=True)
    file.publish(2)
    file.loop.step()
    assert not file.loop.is_drained(lossless_only=True)
    file.loop.dispatch.remove("s")
    assert file.loop.is_drained(lossless_only=True)


def test_how_long_there_is_nothing_to_do(file: Bench) -> None:
    assert file.loop.wait_s(0.1) == 0.1
    file.publish(1)
    assert file.loop.wait_s(0.1) == 0.0
