"""How long a collection waits: fixed, or tuned by the sources' period and the taker's work."""

from __future__ import annotations

import pytest

from mpipeline.clock import NS_PER_MS, NS_PER_S
from mpipeline.inference_pipeline.windows import FixedTimeout, Limiter, SelfTuned

MS = NS_PER_MS


class Bench:
    """A self-tuned window whose taker works for so long after each batch."""

    def __init__(self) -> None:
        self.made = SelfTuned()
        self.now = NS_PER_S

    def work(self, times: int, work_ms: float, sources: int = 0, period_ms: float = 50) -> float:
        """Batches with that much work after each, while live sources bring frames; the last window in ms."""
        for _ in range(times):
            self.made.begin(self.now)
            assert self.made.closes_ns is not None
            window = (self.made.closes_ns - self.now) / MS
            self.made.given(self.now)
            self.now += int(work_ms * MS)
            for source in range(sources):
                self.made.arrived(source, self.captured(source, period_ms), self.now)
        return window

    def captured(self, source: int, period_ms: float) -> int:
        counts = self.__dict__.setdefault("counts", {})
        counts[source] = counts.get(source, 0) + 1
        return int(counts[source] * period_ms * MS)


def test_the_first_window_is_long() -> None:
    assert Bench().work(1, 0) == pytest.approx(100)


def test_without_a_known_period_a_fifth_of_the_work_is_waited() -> None:
    assert Bench().work(30, 60) == pytest.approx(12, rel=0.1)
    assert Bench().work(30, 0) == pytest.approx(2)
    assert Bench().work(30, 1000) == pytest.approx(30)


def test_with_a_period_the_window_is_what_the_work_leaves_of_it() -> None:
    assert Bench().work(60, 20, sources=2) == pytest.approx(30, rel=0.05)
    assert Bench().work(60, 80, sources=2) == pytest.approx(2)
    assert Bench().work(60, 1, sources=1, period_ms=1000) == pytest.approx(100)


def test_the_work_is_averaged() -> None:
    bench = Bench()
    bench.work(40, 20, sources=1)
    assert bench.work(2, 40, sources=1) == pytest.approx(50 - (0.8 * 20 + 0.2 * 40), rel=0.1)


def test_a_source_that_is_gone_has_no_period() -> None:
    bench = Bench()
    bench.work(40, 20, sources=1)
    bench.now += 3 * NS_PER_S
    bench.made.begin(bench.now)
    assert bench.made.closes_ns is not None
    assert (bench.made.closes_ns - bench.now) / MS == pytest.approx(30)  # the pause counts as work


def test_a_window_that_passes_empty_opens_again() -> None:
    made = SelfTuned()
    made.begin(0)
    assert made.closes_ns == 100 * MS
    made.passed(100 * MS)
    assert made.closes_ns == 102 * MS


def test_no_timeout_never_closes() -> None:
    made = FixedTimeout(None)
    for act in (made.begin, made.given, made.passed):
        act(5)
        assert made.closes_ns is None


def test_a_fixed_timeout_begins_once() -> None:
    made = FixedTimeout(1.0)
    made.begin(0)
    made.begin(NS_PER_S // 2)
    assert made.closes_ns == NS_PER_S
    made.given(NS_PER_S // 2)
    assert made.closes_ns == 3 * NS_PER_S // 2


def test_no_limit_is_always_due() -> None:
    made = Limiter(None)
    made.tick(7 * NS_PER_S)
    assert made.due_ns == 0


def test_a_limit_near_zero_is_one_batch_in_a_hundred_seconds() -> None:
    made = Limiter(1e-9)
    made.tick(1000 * NS_PER_S)
    assert made.due_ns == 1100 * NS_PER_S
