"""When a build counts as one that hangs."""

from __future__ import annotations

import os

from support.leftovers import wait_until

from mpipeline.backends.engines.pulse import PATIENCE, Pulse, processor_time


def beats(pulse: Pulse, count: int) -> set[bool]:
    return {pulse.beat(False) for _ in range(count)}


def test_neither_a_word_nor_work_for_all_the_patience() -> None:
    pulse = Pulse(lambda: 0.0)
    assert beats(pulse, PATIENCE - 1) == {True}
    assert pulse.beat(True)
    assert beats(pulse, PATIENCE - 1) == {True}
    assert not pulse.beat(False)


def test_work_is_a_sign_of_life_and_what_a_driver_does_by_the_way_is_none() -> None:
    used = [0.0]

    def work(share: float) -> float:
        used[0] += share
        return used[0]

    assert beats(Pulse(lambda: work(0.01)), 3 * PATIENCE) == {True}
    assert beats(Pulse(lambda: work(0.0005)), PATIENCE) == {True, False}


def test_the_time_that_a_process_has_used() -> None:
    before = processor_time(os.getpid())
    wait_until(lambda: sum(range(100_000)) > 0 and processor_time(os.getpid()) > before, "processor time")
    assert processor_time(1 << 30) == 0.0
