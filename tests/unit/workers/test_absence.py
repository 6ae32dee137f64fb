"""Inference comes back after seconds: live rings have turned meanwhile, and the freshest frame is what comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from support.inference_bench import Bench, Inline

from mpipeline.frame import Frame
from mpipeline.prediction import Detections
from mpipeline.testing.fakes import seen

Maker = Callable[..., Bench]
NEVER_STALE_MS = 10**9


@pytest.fixture
def live() -> Iterator[Maker]:
    benches: list[Bench] = []

    def make(staleness_ms: int = 500) -> Bench:
        benches.append(Bench(every_frame=False, bit=1, staleness_ms=staleness_ms))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


def film(bench: Bench, first: int, last: int, hint: bool = False, step_s: float = 0.04) -> None:
    """A camera that goes on by itself; it reuses slots, for nobody pins them."""
    for frame_id in range(first, last + 1):
        bench.clock.advance(step_s)
        bench.publish(frame_id, hint)


def results(bench: Bench, steps: int = 5) -> list[int]:
    bench.report()
    for _ in range(steps):
        bench.loop.step()
        bench.report()
    return [message.frame.frame_id for message in bench.predictions()]


@pytest.mark.parametrize("staleness_ms", [500, NEVER_STALE_MS])
def test_a_fresh_process_begins_with_the_newest_frame(live: Maker, staleness_ms: int) -> None:
    bench = live(staleness_ms)
    bench.loop.close()
    film(bench, 1, 100)  # four seconds in which a model is loaded
    bench.begin()
    assert results(bench) == [100]
    assert bench.predictor.calls == [1]
    film(bench, 101, 101, hint=True)
    assert results(bench) == [100, 101]


@pytest.mark.parametrize("staleness_ms", [500, NEVER_STALE_MS])
def test_what_a_dead_process_held_does_not_come_before_fresh_frames(live: Maker, staleness_ms: int) -> None:
    bench = live(staleness_ms)
    film(bench, 1, 1)
    reader = bench.loop.rings.of("a")[0].reader
    [(ref, _)] = reader.pending()
    assert reader.acquire(ref.slot, ref.sequence) is not None  # and dies with it
    bench.loop.close()
    film(bench, 2, 60)
    bench.begin()
    assert results(bench) == [60]


def test_frames_that_went_stale_while_the_model_was_loaded_are_dropped_and_counted(live: Maker) -> None:
    bench = live()
    bench.loop.close()
    film(bench, 1, 8)
    bench.clock.advance(20)  # and the camera fell silent
    bench.begin()
    assert results(bench) == []
    assert bench.predictor.calls == []
    assert bench.reasons() == {"superseded": 7, "stale": 1}
    assert bench.ring.idle()


def test_without_a_staleness_budget_the_newest_is_taken_however_old(live: Maker) -> None:
    bench = live(NEVER_STALE_MS)
    bench.loop.close()
    film(bench, 1, 8)
    bench.clock.advance(20)
    bench.begin()
    assert results(bench) == [8]
    assert bench.reasons() == {"superseded": 7}


@pytest.mark.parametrize("hinted", [True, False])
@pytest.mark.parametrize("staleness_ms", [500, NEVER_STALE_MS])
def test_a_batch_that_takes_seconds_is_followed_by_the_newest_frame(
    live: Maker, staleness_ms: int, hinted: bool
) -> None:
    """The first run of a model often does. `hinted`: the words of all frames have come, else none has."""
    bench = live(staleness_ms)
    hints = []

    class Slow(Inline):
        def predict(self, frames: Sequence[Frame]) -> list[Detections]:
            if not hints:
                for frame_id in range(2, 100):
                    bench.clock.advance(0.04)
                    hints.append(bench.publish(frame_id, hint=False))
            return [seen(int(frame.planes[0][0, 0]), 16, 16) for frame in frames]

    bench.predictor = Slow()  # type: ignore[assignment]
    bench.loop.close()
    bench.begin()
    film(bench, 1, 1, hint=True)
    bench.loop.step()
    for hint in hints if hinted else ():
        bench.loop.hint(hint)
    assert results(bench) == [1, 99]


def test_a_file_loses_nothing_however_long_inference_was_away() -> None:
    bench = Bench(every_frame=True)
    bench.loop.close()
    film(bench, 1, 8)
    bench.clock.advance(3600)
    bench.begin()
    assert results(bench) == list(range(1, 9))
    bench.close()
