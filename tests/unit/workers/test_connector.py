"""Who may connect and when: pauses, permits, sources that are away for long."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.decoding import Bench

from mpipeline.backoff import Backoff
from mpipeline.clock import NS_PER_S, ManualClock
from mpipeline.errors import Reason, SourceError
from mpipeline.messages import StreamState
from mpipeline.sources.source import Source, StreamInfo
from mpipeline.testing.fakes import FakeSource, FakeSourceOptions
from mpipeline.workers.attempts import Attempts
from mpipeline.workers.connector import Connector
from mpipeline.workers.permits import Permit, Permits

CAMERA = FakeSourceOptions(live=True, connects=True)


class Probe(FakeSource):
    """Notes whether a permit was free while it was opened."""

    def __init__(self, options: FakeSourceOptions, permits: Permits) -> None:
        super().__init__("cam", options)
        self._permits = permits
        self.found_free: bool | None = None

    def open(self) -> StreamInfo:
        permit = self._permits.take()
        self.found_free = permit is not None
        if permit is not None:
            permit.give_back()
        return super().open()


def nothing(source: Source, info: StreamInfo) -> None:
    pass


def connector(options: FakeSourceOptions, folder: Path) -> tuple[Connector, Probe, Attempts]:
    """For one source, under a limit of one."""
    clock = ManualClock()
    attempts = Attempts(Backoff(rng=random.Random(1)), clock)
    probe = Probe(options, Permits(folder, 1))
    return Connector(lambda: probe, attempts, clock, Permits(folder, 1)), probe, attempts


class TestPermit:
    def test_is_held_while_opening_and_no_longer(self, tmp_path: Path) -> None:
        made, probe, _ = connector(CAMERA, tmp_path)
        assert made.connect(nothing) is not None
        assert probe.found_free is False
        assert Permits(tmp_path, 1).take() is not None

    def test_is_given_back_after_a_failure(self, tmp_path: Path) -> None:
        made, probe, _ = connector(
            FakeSourceOptions(live=True, connects=True, refuses_with=Reason.UNREACHABLE), tmp_path
        )
        with pytest.raises(SourceError):
            made.connect(nothing)
        assert made.take_back() is probe
        assert made.take_back() is None
        assert Permits(tmp_path, 1).take() is not None

    def test_is_given_back_after_a_crash_in_the_source(self, tmp_path: Path) -> None:
        made, _, _ = connector(CAMERA, tmp_path)

        def crash(source: Source, info: StreamInfo) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            made.connect(crash)
        assert Permits(tmp_path, 1).take() is not None

    def test_none_is_needed_for_a_file(self, tmp_path: Path) -> None:
        taken = Permits(tmp_path, 1).take()
        made, probe, _ = connector(FakeSourceOptions(), tmp_path)
        assert made.connect(nothing) is not None
        assert probe.found_free is False
        assert taken is not None

    def test_none_free_is_a_short_sleep_and_another_time(self, tmp_path: Path) -> None:
        taken = Permits(tmp_path, 1).take()
        made, probe, _ = connector(CAMERA, tmp_path)
        assert made.connect(nothing) is None
        assert made.waits_for_turn
        assert probe.found_free is None
        assert taken is not None
        taken.give_back()
        assert made.connect(nothing) is not None
        assert not made.waits_for_turn


@pytest.fixture
def bench() -> Iterator[Any]:
    made: list[Bench] = []

    def make(*sources: FakeSourceOptions, **options: Any) -> Bench:
        made.append(Bench(*sources, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


class TestLoop:
    def test_waits_for_its_turn_and_says_so(self, bench: Any, tmp_path: Path) -> None:
        taken = Permits(tmp_path, 1).take()
        assert taken is not None
        made = bench(CAMERA, permits=Permits(tmp_path, 1))
        before = made.clock.monotonic_ns()
        for _ in range(50):
            assert made.loop.step()
        assert made.clock.monotonic_ns() - before == pytest.approx(50 * NS_PER_S // 10)
        assert (made.loop.state, made.loop.reason) == (StreamState.CONNECTING, "waiting_for_turn")
        assert not made.pauses
        assert len(made.made) == 1
        taken.give_back()
        assert made.loop.step()
        assert (made.loop.state, made.loop.reason, made.loop.detail) == (StreamState.CONNECTING, "", "")
        made.run(until=lambda: made.loop.progress == 3)
        assert (made.loop.state, made.loop.reason) == (StreamState.STREAMING, "")

    def test_on_reconnecting_too(self, bench: Any, tmp_path: Path) -> None:
        made = bench(CAMERA, permits=Permits(tmp_path, 1))
        made.run(until=lambda: made.loop.state is StreamState.RECONNECTING)
        assert made.loop.reason == "end_of_stream"
        taken = Permits(tmp_path, 1).take()
        made.run(until=lambda: made.loop.reason == "waiting_for_turn")
        assert made.loop.state is StreamState.RECONNECTING
        assert taken is not None
        taken.give_back()
        made.run(until=lambda: made.loop.progress == 15)
        assert made.ids() == list(range(1, 16))

    def test_stopped_while_it_waits(self, bench: Any, tmp_path: Path) -> None:
        taken = Permits(tmp_path, 1).take()
        made = bench(CAMERA, permits=Permits(tmp_path, 1))
        made.loop.step()
        made.loop.stop()
        assert made.made[0].closed
        assert not made.loop.step()
        assert taken is not None

    def test_cameras_that_fail_leave_room_for_healthy_ones(self, bench: Any, tmp_path: Path) -> None:
        hanging = [Permits(tmp_path, 4).take(failing=True) for _ in range(2)]
        assert all(hanging)
        dead = bench(
            FakeSourceOptions(live=True, connects=True, refuses_with=Reason.TIMEOUT), permits=Permits(tmp_path, 4)
        )
        dead.run(until=lambda: dead.loop.reason == "waiting_for_turn")  # after its first attempt
        assert dead.pauses == [0.5]
        healthy = bench(CAMERA, permits=Permits(tmp_path, 4))
        healthy.run(until=lambda: healthy.loop.progress == 1)

    def test_a_stream_that_flowed_is_healthy_when_it_breaks(self, bench: Any, tmp_path: Path) -> None:
        steady = FakeSourceOptions(frames=300, live=True, connects=True)
        made = bench(steady, permits=Permits(tmp_path, 2))
        made.run(until=lambda: made.loop.state is StreamState.RECONNECTING)
        failing: list[Permit | None] = [Permits(tmp_path, 2).take(failing=True)]
        made.run(until=lambda: made.loop.state is StreamState.STREAMING)
        assert failing[0] is not None


class TestAwayForLong:
    def test_offline_at_start_and_back_after_an_hour(self, bench: Any) -> None:
        away = FakeSourceOptions(live=True, connects=True, refuses_with=Reason.UNREACHABLE)
        made = bench(away)
        begin = made.clock.monotonic_ns()
        made.run(until=lambda: made.clock.monotonic_ns() - begin > 3600 * NS_PER_S, steps=100_000)
        assert made.loop.state is StreamState.CONNECTING
        assert made.loop.reason == "unreachable"
        assert made.pauses[:2] == [0.5, 1]
        assert made.pauses == sorted(made.pauses)
        assert set(made.pauses[8:]) == {30}
        assert len(made.made) >= 3600 // 31
        assert all(source.closed for source in made.made)
        made._script = [FakeSourceOptions(frames=400, live=True, connects=True)]
        made.run(until=lambda: made.loop.progress == 3)
        assert made.ids() == [1, 2, 3]
        assert made.count("connect_failures") == {"unreachable": len(made.pauses)}

    def test_lost_for_an_hour_in_mid_stream(self, bench: Any) -> None:
        away = FakeSourceOptions(live=True, refuses_with=Reason.UNREACHABLE)
        made = bench(LIVE := FakeSourceOptions(frames=5, live=True), away)
        made.run(until=lambda: made.loop.state is StreamState.RECONNECTING)
        begin = made.clock.monotonic_ns()
        made.run(until=lambda: made.clock.monotonic_ns() - begin > 3600 * NS_PER_S, steps=100_000)
        assert made.loop.state is StreamState.RECONNECTING
        made._script = [LIVE]
        made.run(until=lambda: made.loop.progress == 8)
        assert made.ids() == list(range(1, 9))

    @pytest.mark.parametrize("seed", range(5))
    def test_pauses_are_drawn_from_all_of_their_range(self, seed: int) -> None:
        clock = ManualClock()
        attempts = Attempts(Backoff(rng=random.Random(seed)), clock)
        pauses = []
        for _ in range(400):
            pauses.append(attempts.failed(finite=False, progress=False) or 0.0)
            clock.advance(pauses[-1])
        settled = pauses[20:]
        assert max(pauses) <= 30
        assert min(settled) < 3
        assert max(settled) > 27
        assert sum(settled) / len(settled) == pytest.approx(15, abs=2)

    def test_a_password_that_is_refused_is_not_tried_more_often_with_time(self) -> None:
        clock = ManualClock()
        attempts = Attempts(Backoff(rng=random.Random(1)), clock)
        pauses = [attempts.failed(finite=False, progress=False, seldom=True) or 0.0 for _ in range(100)]
        assert all(15 <= pause <= 30 for pause in pauses)
        assert attempts.is_failing
