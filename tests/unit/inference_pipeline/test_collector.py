"""Between the intake's thread and the collecting one: what comes is found, and what is given up is given back."""

from __future__ import annotations

import threading
from typing import Any

from mpipeline.clock import SystemClock
from mpipeline.frame import FrameMeta
from mpipeline.inference_pipeline.collector import Collector
from mpipeline.inference_pipeline.multiplexer import Multiplexer, Rules
from mpipeline.inference_pipeline.windows import FixedTimeout
from mpipeline.prediction import Detections, Prediction


class Loan:
    """As much of a loan as a collector uses."""

    def __init__(self) -> None:
        self.settled = 0

    def settle(self) -> None:
        self.settled += 1


def prediction(frame_id: int) -> Prediction:
    meta = FrameMeta("cam", frame_id, None, SystemClock().monotonic_ns(), 0, 4, 4)
    return Prediction(meta, Detections.empty())


def collector(sources: int = 1, timeout: float | None = None) -> Collector:
    return Collector(Multiplexer([Rules()] * sources, FixedTimeout(timeout)), SystemClock())


def offer(made: Collector, source: int, frame_id: int) -> Loan:
    loan: Any = Loan()
    made.offer(source, prediction(frame_id), loan)
    return loan  # type: ignore[no-any-return]


def ids(found: Any) -> list[tuple[int, int]]:
    return [(item.source, item.content[0].frame.frame_id) for item in found[0]]


def test_frames_and_ends_are_found_and_then_it_is_over() -> None:
    made = collector(2)
    offer(made, 0, 1)
    offer(made, 1, 5)
    found = made.next()
    assert ids(found) == [(0, 1), (1, 5)]
    made.end(0)
    assert made.next() == ([], [], [0])
    made.end(1)
    assert made.next() == ([], [], [1])
    assert made.next() is None


def test_who_waits_is_woken_by_a_frame() -> None:
    made = collector()
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(made.next()))
    waiting.start()
    offer(made, 0, 3)
    waiting.join()
    assert ids(found[0]) == [(0, 3)]


def test_who_waits_is_woken_by_time() -> None:
    made = collector(2, timeout=0.01)
    offer(made, 0, 1)
    assert ids(made.next()) == [(0, 1)]


def test_who_waits_is_woken_when_the_one_that_is_waited_for_goes_away() -> None:
    made = collector(2)
    offer(made, 0, 1)
    threading.Timer(0.01, lambda: made.set_away(1, True)).start()
    assert ids(made.next()) == [(0, 1)]


def test_drops_are_found_with_their_causes() -> None:
    made = collector()
    made.describe(0, live=True, rate=25)
    for number in (1, 2, 3):
        offer(made, 0, number)
    found = made.next()
    assert found is not None
    assert ids(found) == [(0, 3)]
    assert [item.content[0].frame.frame_id for item, _ in found[1]] == [1, 2]


def test_closing_gives_everything_back_and_wakes_who_waits() -> None:
    made = collector(2)
    made.describe(0, live=True, rate=25)
    loans = [offer(made, 0, 1), offer(made, 0, 2)]
    ended: list[Any] = []
    waiting = threading.Thread(target=lambda: ended.append(made.next()))
    made.next()  # the drop
    waiting.start()
    made.close()
    waiting.join()
    made.close()
    late = offer(made, 0, 3)
    assert ended == [None]
    assert (loans[1].settled, late.settled) == (1, 1)
