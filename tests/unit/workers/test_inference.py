"""The inference loop over real rings: failures, drops with reasons, hints, waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.inference_bench import Bench

from mpipeline.errors import BackendError
from mpipeline.frame import FrameRef
from mpipeline.messages import FrameReady, SourceEnded
from mpipeline.ring.reader import RingReader
from mpipeline.testing.fakes import level_of
from mpipeline.workers.inference import AttachedRing


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
    live.loop._begin_with([])
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
    file.loop.rings.add(AttachedRing(RingReader(file.ring.descriptor, 0), True))
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
