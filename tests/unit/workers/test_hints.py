"""Messages that say where a frame lies: they may be false, early, late or many. The ring is the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.inference_bench import Bench

from mpipeline.clock import NS_PER_S
from mpipeline.frame import FrameRef
from mpipeline.messages import FrameReady


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


def inferred(bench: Bench, steps: int = 4) -> list[int]:
    """Steps, and has the sink take everything; the frame ids that it got so far."""
    bench.report()
    for _ in range(steps):
        bench.loop.step()
        bench.report()
    return [message.frame.frame_id for message in bench.predictions()]


class Walks:
    """Counts how often the ring is asked for all that is pending."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        reader = bench.loop.rings.of("a")[0].reader
        ask = reader.pending

        def counted() -> object:
            self.count += 1
            return ask()

        monkeypatch.setattr(reader, "pending", counted)


@pytest.mark.parametrize(
    "false",
    [
        {"sequence": 77},
        {"slot": 5},
        {"slot": 4095},
        {"slot": 0, "sequence": 1},  # of the frame before
        {"slot": 2, "sequence": 3},  # of the frame behind
    ],
)
def test_a_false_place_with_the_next_frame_id_hides_no_frame(file: Bench, false: dict[str, int]) -> None:
    first, second, _ = (file.publish(frame_id, hint=False) for frame_id in (1, 2, 3))
    file.loop.step()  # walks
    file.begin()
    file.loop.hint(first)
    file.loop.hint(replace(second, ref=replace(second.ref, **false)))
    assert inferred(file) == [1, 2, 3]
    file.loop.hint(file.publish(4, hint=False))
    assert inferred(file) == [1, 2, 3, 4]


def test_a_false_place_hides_no_frame_until_the_next_walk(file: Bench) -> None:
    """The clock stands: the second in which all rings are walked anyway does not come."""
    assert inferred(file) == []
    true = file.publish(1, hint=False)
    file.loop.hint(replace(true, ref=replace(true.ref, sequence=9)))
    assert inferred(file, steps=1) == [1]
    file.loop.hint(true)
    assert inferred(file) == [1]


def test_a_frame_that_is_announced_and_never_comes_hides_no_other(file: Bench) -> None:
    assert inferred(file) == []
    file.loop.hint(FrameReady(FrameRef(file.ring.descriptor.segment, 0, 1), 1, 0))
    file.loop.hint(FrameReady(FrameRef(file.ring.descriptor.segment, 1, 2), 10**12, 0))
    assert inferred(file) == []
    file.publish(1)
    file.publish(2)
    assert inferred(file) == [1, 2]


def test_the_time_of_capture_is_that_of_the_ring(live: Bench) -> None:
    """Or a message could make fresh frames stale."""
    true = live.publish(1, hint=False)
    live.loop.hint(replace(true, captured_ns=true.captured_ns - 900 * NS_PER_S))
    assert inferred(live) == [1]
    assert live.reasons() == {}


def test_many_doubtful_messages_cost_one_walk_a_step(file: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inferred(file) == []
    walks = Walks(file, monkeypatch)
    for number in range(500):
        file.loop.hint(FrameReady(FrameRef(file.ring.descriptor.segment, number % 8, number), 1 + number, 0))
    assert walks.count == 0
    file.loop.step()
    assert walks.count == 1
    file.loop.step()
    assert walks.count == 1


def test_a_backlog_of_expired_live_frames_costs_one_walk(live: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inferred(live) == []
    backlog = [live.publish(frame_id, hint=False) for frame_id in range(1, 101)]
    walks = Walks(live, monkeypatch)
    for hint in backlog[:80]:  # all of them were reused
        live.loop.hint(hint)
    assert inferred(live) == [100]
    assert walks.count == 1
    for hint in backlog[80:]:
        live.loop.hint(hint)
    live.loop.step()
    assert walks.count == 1


def test_messages_that_are_true_cost_no_walk(file: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inferred(file) == []
    walks = Walks(file, monkeypatch)
    for frame_id in range(1, 6):
        file.publish(frame_id)
    assert inferred(file) == [1, 2, 3, 4, 5]
    assert walks.count == 0
