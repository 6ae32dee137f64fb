"""The sink loop over a real ring: pixels, duplicates, rejections, failures."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.damaging import damage
from support.predictions import meta, prediction

from mpipeline.clock import ManualClock
from mpipeline.config.schema import FilterSpec
from mpipeline.errors import Reason, SinkError
from mpipeline.frame import Frame, FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.messages import PredictionReady, RingDamaged, SinkStatus, SourceEnded
from mpipeline.metrics.recorder import Recorder
from mpipeline.prediction import Prediction
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.testing.fakes import FakeSink, FakeSinkOptions, Store, level_of
from mpipeline.workers.filtering import Filter
from mpipeline.workers.read_rings import AttachedRing
from mpipeline.workers.sink import SinkLoop
from mpipeline.workers.subscription import Subscription
from mpipeline.workers.wire import to_wire


@dataclass
class Bench:
    """A loop with a fake sink, and a ring of four slots with reader bit 1."""

    loop: SinkLoop
    store: Store
    subscription: Subscription
    recorder: Recorder
    ring: OwnedRing
    writer: RingWriter
    sink: Full
    clock: ManualClock
    reports: list[RingDamaged]

    def publish(self, frame_id: int) -> PredictionReady:
        slot = self.writer.reserve(0.0)
        assert slot is not None
        self.writer.planes(slot)[0][:] = level_of(frame_id)
        frame = FrameMeta("a", frame_id, None, 1, 1, 16, 16)
        sequence = self.writer.publish(slot, frame)
        return to_wire(Prediction(frame, prediction(frame).detections), self.ref(slot, sequence))

    def ref(self, slot: int, sequence: int) -> FrameRef:
        return FrameRef(self.ring.descriptor.segment, slot, sequence)


class Full(FakeSink):
    """Has no room for the frame ids in `full`, and for the end of a source if `full` has 0."""

    full: frozenset[int] = frozenset()
    attempts = 0

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        self._look(prediction.frame.frame_id)
        super().write(prediction, frame)

    def end(self, source: str) -> None:
        self._look(0)
        super().end(source)

    def _look(self, frame_id: int) -> None:
        self.attempts += 1
        if frame_id in self.full:
            raise SinkError("the disk is full", reason=Reason.NO_SPACE, retryable=True)


def made(
    rejects: frozenset[int] = frozenset(), pixels: bool = True, remembered: int = 0, filter: Filter | None = None
) -> Bench:
    store, recorder = Store(), Recorder()
    sent: list[SinkStatus] = []
    subscription = Subscription("s", 1, 4, sent.append)
    sink = Full("s", FakeSinkOptions(store=store, wants_frames=pixels, rejects=rejects))
    sink.open(resume=False)
    subscription.acknowledged["a"] = remembered
    clock = ManualClock()
    reports: list[RingDamaged] = []
    loop = SinkLoop("s", sink, subscription, clock, recorder, reports.append, filter)
    ring = create_ring(uuid.uuid4().hex[:12], "a", 0, FrameFormat(PixelFormat.GRAY8, 16, 16), 4)
    ring.add_reader(1, pinned=True)
    loop.rings.add(AttachedRing(RingReader(ring.descriptor, 1)))
    writer = RingWriter(ring.descriptor, reuse=True)
    return Bench(loop, store, subscription, recorder, ring, writer, sink, clock, reports)


@pytest.fixture
def bench() -> Iterator[Bench]:
    one = made(remembered=2)
    yield one
    one.loop.close()
    one.writer.close()
    one.ring.close()


def test_writes_with_pixels_and_gives_the_slot_back(bench: Bench) -> None:
    bench.loop.take(bench.publish(3))
    assert bench.store.written[0].level == level_of(3)
    assert bench.ring.idle()
    assert bench.subscription.acknowledged == {"a": 3}
    assert bench.loop.progress == 1


def test_a_duplicate_is_not_written_and_its_pixels_are_declined(bench: Bench) -> None:
    bench.loop.take(bench.publish(2))
    assert bench.store.written == []
    assert bench.ring.idle()
    assert bench.recorder.snapshot() == {"predictions_duplicate{sink=s}": 1}


def test_pixels_that_had_to_be_given_up(bench: Bench) -> None:
    message = bench.publish(3)
    bench.ring.reap(1)
    bench.loop.take(message)
    assert bench.store.written[0].level is None
    assert bench.recorder.snapshot()["frames_missing{sink=s}"] == 1


def test_what_a_damaged_ring_held_is_passed_over_and_not_acknowledged(bench: Bench) -> None:
    """A file's frame comes again in another ring; had a later one been acknowledged, it would be taken for written."""
    three, four = bench.publish(3), bench.publish(4)
    damage(bench.ring.descriptor.segment, "slots")
    for message in (three, four):
        bench.loop.take(message)
        assert bench.loop.is_lost(message)
    assert (bench.store.written, bench.subscription.acknowledged) == ([], {"a": 2})
    assert [report.segment for report in bench.reports] == [bench.ring.descriptor.segment]
    assert bench.recorder.snapshot() == {"predictions_passed_over{sink=s}": 2}
    bench.loop.take(SourceEnded("b", 1))
    assert bench.store.ended == ["b"]


def test_a_ring_that_nobody_has_told_of(bench: Bench) -> None:
    message = bench.publish(3)
    bench.loop.rings.retire(bench.ring.descriptor.segment)
    assert bench.loop.rings.get(bench.ring.descriptor.segment) is None
    bench.loop.take(message)
    assert bench.store.written[0].level is None
    assert not bench.ring.idle()
    bench.loop.rings.add(AttachedRing(RingReader(bench.ring.descriptor, 1)))  # the word comes late
    assert bench.ring.idle()


def test_a_successor_takes_back_what_its_predecessor_was_reading(bench: Bench) -> None:
    message = bench.publish(3)
    assert message.ref is not None
    dead = RingReader(bench.ring.descriptor, 1)
    assert dead.acquire(message.ref.slot, message.ref.sequence) is not None
    bench.loop.rings.retire(bench.ring.descriptor.segment)
    bench.loop.rings.add(AttachedRing(RingReader(bench.ring.descriptor, 1)))
    bench.loop.rings.add(AttachedRing(RingReader(bench.ring.descriptor, 1)))  # told twice
    bench.loop.take(message)
    assert bench.store.written[0].level == level_of(3)
    assert bench.ring.idle()


def test_the_end_of_a_source_is_passed_on_and_not_acknowledged(bench: Bench) -> None:
    bench.loop.take(SourceEnded("a", 9))
    assert bench.store.ended == ["a"]
    assert bench.subscription.acknowledged == {"a": 2}


def test_a_rejected_prediction_is_counted_acknowledged_and_gives_its_slot_back() -> None:
    one = made(rejects=frozenset({1}))
    one.loop.take(one.publish(1))
    one.loop.take(one.publish(2))
    assert one.store.ids("a") == [2]
    assert one.subscription.acknowledged == {"a": 2}
    assert one.recorder.snapshot()["sink_errors{sink=s}"] == 1
    assert one.ring.idle()
    one.ring.close()


def test_a_sink_that_rejects_everything_has_failed() -> None:
    one = made(rejects=frozenset(range(100)), pixels=False)
    for frame_id in range(1, 50):
        one.loop.take(to_wire(prediction(meta("a", frame_id)), None))
    with pytest.raises(SinkError, match="50 predictions in a row"):
        one.loop.take(to_wire(prediction(meta("a", 50)), None))
    assert one.subscription.acknowledged["a"] == 49
    one.ring.close()


def test_an_error_of_the_sink_goes_up_unacknowledged_and_keeps_the_pixels_for_the_successor(bench: Bench) -> None:
    bench.loop._sink.close()
    with pytest.raises(SinkError, match="not open"):
        bench.loop.take(bench.publish(3))
    assert bench.subscription.acknowledged == {"a": 2}
    assert not bench.ring.idle()
    assert bench.loop.rings.of("a")[0].reader.recover() == 1


def test_a_full_disk_is_waited_for_with_the_pixels_held(bench: Bench) -> None:
    bench.sink.full = frozenset({3})
    bench.loop.take(bench.publish(3))
    for _ in range(5):
        assert bench.loop.retrying.is_active
        assert bench.loop.retrying.state() == ("RETRYING", "no_space", "the disk is full")
        assert bench.subscription.acknowledged == {"a": 2}
        assert not bench.ring.idle()
        bench.clock.advance(bench.loop.retrying.wait_s())
        bench.loop.attempt()
    assert bench.sink.attempts == 6
    bench.sink.full = frozenset()
    bench.loop.attempt()
    assert not bench.loop.retrying.is_active
    assert bench.loop.retrying.state() == ("", "", "")
    assert [(one.key, one.level) for one in bench.store.written] == [(("a", 3), level_of(3))]
    assert bench.subscription.acknowledged == {"a": 3}
    assert bench.ring.idle()
    counted = bench.recorder.snapshot()
    assert counted == {"sink_retries{sink=s}": 6, "predictions_written{sink=s}": 1}  # nothing was lost
    bench.loop.take(bench.publish(4))
    assert bench.store.ids("a") == [3, 4]


def test_the_end_of_a_source_is_waited_for_too(bench: Bench) -> None:
    bench.sink.full = frozenset({0})
    bench.loop.take(SourceEnded("a", 9))
    assert bench.store.ended == []
    assert bench.loop.ending == "a"
    bench.sink.full = frozenset()
    bench.loop.attempt()
    assert bench.store.ended == ["a"]
    assert bench.loop.ending == ""


def test_the_last_attempt_ends_with_the_error(bench: Bench) -> None:
    bench.sink.full = frozenset({3})
    bench.loop.take(bench.publish(3))
    with pytest.raises(SinkError, match="the disk is full"):
        bench.loop.attempt(last=True)
    assert bench.subscription.acknowledged == {"a": 2}
    assert not bench.ring.idle()


def test_pixels_that_were_held_for_the_next_attempt_are_taken_back_by_a_successor(bench: Bench) -> None:
    bench.sink.full = frozenset({3})
    message = bench.publish(3)
    bench.loop.take(message)
    bench.loop.rings.retire(bench.ring.descriptor.segment)  # as the death of the process
    successor = made(remembered=2)
    successor.loop.rings.add(AttachedRing(RingReader(bench.ring.descriptor, 1)))
    successor.loop.take(message)
    assert successor.store.written[0].level == level_of(3)
    assert bench.ring.idle()
    successor.loop.close()
    successor.ring.close()


def test_unless_it_has_finished_a_sink_is_abandoned_if_it_knows_how(bench: Bench) -> None:
    told: list[str] = []
    bench.sink.abandon = lambda: told.append("abandoned")  # type: ignore[attr-defined]
    bench.loop.close(finished=False)
    assert told == ["abandoned"]
    assert bench.sink._is_open
    bench.loop.close()
    assert not bench.sink._is_open


def test_what_the_filter_leaves_out_is_done_without_a_look_and_counted() -> None:
    one = made(filter=Filter(FilterSpec(every=2)))
    for frame_id in (1, 2, 3):
        one.loop.take(one.publish(frame_id))
    assert one.store.ids("a") == [1, 3]
    assert one.subscription.acknowledged == {"a": 3}
    assert one.ring.idle()
    assert one.loop.progress == 3
    assert one.recorder.snapshot() == {"predictions_written{sink=s}": 2, "predictions_filtered{sink=s}": 1}
    one.loop.close()
    one.writer.close()
    one.ring.close()


def test_what_the_filter_would_leave_out_is_not_acknowledged_if_its_ring_is_damaged() -> None:
    """Or a frame before it, which comes again in another ring, would be taken for written."""
    one = made(filter=Filter(FilterSpec(every=2)))
    one.loop.take(one.publish(1))
    three, four = one.publish(3), one.publish(4)
    damage(one.ring.descriptor.segment, "slots")
    for message in (three, four):
        one.loop.take(message)
    assert one.subscription.acknowledged == {"a": 1}
    assert one.recorder.snapshot()["predictions_passed_over{sink=s}"] == 2
    one.loop.close()
    one.writer.close()
    one.ring.close()
