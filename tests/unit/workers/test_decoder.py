"""The decoder loop over fake sources and real rings: frame ids, ends, troubles, thinning, full rings, new sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.decoding import Bench

from mpipeline.clock import NS_PER_S
from mpipeline.errors import Reason, SourceError
from mpipeline.messages import PlayMode, StreamState
from mpipeline.testing.fakes import FakeSource, FakeSourceOptions, level_of
from mpipeline.workers import decoder as decoder_module


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    monkeypatch.setattr(decoder_module, "_RESERVE_S", 0.0)  # a full ring is not waited for in real time
    made: list[Bench] = []

    def make(*sources: FakeSourceOptions, **options: Any) -> Bench:
        made.append(Bench(*sources, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


FILE = FakeSourceOptions(frames=10)
LIVE = FakeSourceOptions(frames=10, live=True)


def test_a_file_is_read_to_its_end(bench: Callable[..., Bench]) -> None:
    made = bench(FILE)
    made.run()
    assert made.loop.state is StreamState.ENDED
    assert made.read == [(n, level_of(n), (n - 1) / 25) for n in range(1, 11)]
    assert [hint.frame_id for hint in made.hints] == made.ids()
    assert (made.loop.progress, made.loop.last_frame_id) == (10, 10)
    assert made.made[0].closed
    assert not made.loop.step()


def test_a_file_waits_for_slots_and_loses_nothing(bench: Callable[..., Bench]) -> None:
    made = bench(FILE, reading=False, slots=3)
    for _ in range(30):
        made.loop.step()
    assert made.loop.progress == 3
    assert made.loop.state is StreamState.STREAMING
    made.reading = True
    made.drain()
    made.run()
    assert made.ids() == list(range(1, 11))
    assert not made.count("frames_dropped")


def test_a_live_stream_reuses_the_oldest_and_counts_it(bench: Callable[..., Bench]) -> None:
    made = bench(LIVE, reading=False, slots=3)
    made.run(until=lambda: made.loop.state is StreamState.RECONNECTING)
    made.drain()
    assert made.ids() == [8, 9, 10]
    assert made.count("frames_dropped") == {"expired": 7}


def test_a_live_stream_never_waits_for_slots_that_are_held(bench: Callable[..., Bench]) -> None:
    made = bench(LIVE, reading=False, slots=2)
    made.run(until=lambda: made.loop.progress == 2)
    leases = [made.readers[0].acquire(hint.ref.slot, hint.ref.sequence) for hint in made.hints]
    made.run(until=lambda: made.loop.state is StreamState.RECONNECTING)
    assert made.count("frames_dropped") == {"ring_full": 8}
    assert made.loop.last_frame_id == 10
    assert all(
        lease is not None and int(lease.frame.planes[0][0, 0]) == level_of(n) for n, lease in enumerate(leases, 1)
    )


def test_a_live_stream_reconnects_with_back_off_and_its_ids_go_on(bench: Callable[..., Bench]) -> None:
    refused = FakeSourceOptions(live=True, refuses_with=Reason.UNREACHABLE)
    made = bench(
        FakeSourceOptions(frames=4, live=True), refused, refused, refused, FakeSourceOptions(frames=3, live=True)
    )
    made.run(until=lambda: made.loop.progress == 7)
    assert made.pauses == sorted(made.pauses)
    assert made.ids() == list(range(1, 8))
    assert made.loop.state is StreamState.STREAMING
    assert made.loop.reason == ""
    assert all(source.closed for source in made.made[:-1])


def test_back_off_has_a_limit_and_starts_small_after_a_steady_time(bench: Callable[..., Bench]) -> None:
    refused = FakeSourceOptions(live=True, refuses_with=Reason.TIMEOUT)
    made = bench(*[refused] * 10, FakeSourceOptions(frames=300, live=True), refused)
    made.run(until=lambda: made.loop.state is StreamState.STREAMING, steps=20_000)
    assert made.pauses[:2] + made.pauses[8:] == [0.5, 1, 30, 30]
    made.run(until=lambda: len(made.pauses) == 12, steps=20_000)
    assert made.pauses[10:] == [0.5, 1.0]


def test_says_why_while_it_waits(bench: Callable[..., Bench]) -> None:
    made = bench(FakeSourceOptions(live=True, refuses_with=Reason.UNREACHABLE))
    made.run(until=lambda: bool(made.loop.reason))
    assert (made.loop.state, made.loop.reason) == (StreamState.CONNECTING, "unreachable")
    assert "cam" in made.loop.detail


def test_a_refused_password_is_not_tried_again(bench: Callable[..., Bench]) -> None:
    made = bench(FakeSourceOptions(live=True, refuses_with=Reason.AUTH_FAILED, retryable=False))
    made.run()
    assert (made.loop.state, made.loop.reason) == (StreamState.FAILED, "auth_failed")
    assert len(made.made) == 1


def test_a_refused_password_that_may_come_right_is_tried_seldom(bench: Callable[..., Bench]) -> None:
    made = bench(FakeSourceOptions(live=True, refuses_with=Reason.AUTH_FAILED))
    before = made.clock.monotonic_ns()
    made.run(until=lambda: len(made.made) == 3, steps=20_000)
    assert made.clock.monotonic_ns() - before >= 2 * 15 * NS_PER_S
    assert made.loop.reason == "auth_failed"


def test_stopped_while_it_waits(bench: Callable[..., Bench]) -> None:
    made = bench(FakeSourceOptions(live=True, refuses_with=Reason.UNREACHABLE))
    made.run(until=lambda: len(made.pauses) == 3)
    made.loop.stop()
    assert made.loop.state is StreamState.ENDED
    assert not made.loop.step()


def test_a_truncated_file_has_failed_with_all_its_frames_delivered(bench: Callable[..., Bench]) -> None:
    made = bench(FakeSourceOptions(frames=7, fails_with=Reason.TRUNCATED, retryable=False))
    made.run()
    assert (made.loop.state, made.loop.reason) == (StreamState.FAILED, "truncated")
    assert made.ids() == list(range(1, 8))
    made.loop.stop()
    assert made.loop.state is StreamState.FAILED


def test_a_finite_source_goes_on_where_it_broke_off(bench: Callable[..., Bench]) -> None:
    broken = [FakeSourceOptions(frames=n, fails_with=Reason.TIMEOUT) for n in (3, 3, 6)]
    made = bench(*broken, FILE)
    made.run()
    assert made.loop.state is StreamState.ENDED
    assert made.read == [(n, level_of(n), (n - 1) / 25) for n in range(1, 11)]


def test_a_finite_source_is_given_up_after_five_attempts_without_progress(bench: Callable[..., Bench]) -> None:
    broken = FakeSourceOptions(frames=3, fails_with=Reason.TIMEOUT)
    made = bench(broken)
    made.run()
    assert (made.loop.state, made.loop.reason) == (StreamState.FAILED, "timeout")
    assert len(made.made) == 1 + 4  # the first brought frames; it and the four that did not are five
    assert made.ids() == [1, 2, 3]


def test_progress_counts_the_attempts_anew(bench: Callable[..., Bench]) -> None:
    stuck = [FakeSourceOptions(frames=n, fails_with=Reason.TIMEOUT) for n in (2, 2, 2, 2, 3, 3, 3, 3)]
    made = bench(*stuck, FILE)
    made.run()
    assert made.loop.state is StreamState.ENDED
    assert made.ids() == list(range(1, 11))


def test_resume_after_skips_exactly(bench: Callable[..., Bench]) -> None:
    made = bench(FILE, resume_after=6, restarted=True)
    made.run()
    assert made.read == [(n, level_of(n), (n - 1) / 25) for n in range(7, 11)]


def test_resume_after_the_last_frame_ends(bench: Callable[..., Bench]) -> None:
    made = bench(FILE, resume_after=10, restarted=True)
    made.run()
    assert made.loop.state is StreamState.ENDED
    assert made.read == []
    assert made.loop.last_frame_id == 10


def test_a_crash_of_a_live_decoder_leaves_a_visible_gap(bench: Callable[..., Bench]) -> None:
    made = bench(LIVE, resume_after=6, restarted=True)
    made.run(until=lambda: made.loop.progress == 12)
    assert made.ids() == [*range(8, 20)]  # the gap once, not at every reconnection


def test_restarted_before_any_frame(bench: Callable[..., Bench]) -> None:
    made = bench(LIVE, resume_after=0, restarted=True)
    made.run(until=lambda: made.loop.progress == 3)
    assert made.ids() == [1, 2, 3]


@pytest.mark.parametrize("live", [False, True])
def test_max_fps_thins_and_counts(bench: Callable[..., Bench], live: bool) -> None:
    made = bench(FakeSourceOptions(frames=50, live=live), max_fps=5.0)
    made.run(until=lambda: made.loop.state in (StreamState.ENDED, StreamState.RECONNECTING))
    assert made.ids() == list(range(1, 51, 5))
    assert made.count("frames_dropped") == {"max_fps": 40}
    assert made.loop.last_frame_id == 50


def test_max_fps_after_a_crash_accepts_the_same_frames(bench: Callable[..., Bench]) -> None:
    made = bench(FakeSourceOptions(frames=50), max_fps=7.0)
    made.run()
    again = bench(FakeSourceOptions(frames=50), max_fps=7.0, resume_after=made.ids()[3], restarted=True)
    again.run()
    assert again.ids() == made.ids()[4:]


def test_a_new_size_goes_on_in_a_new_ring(bench: Callable[..., Bench]) -> None:
    made = bench(FakeSourceOptions(frames=10, sizes={5: (32, 20), 8: (16, 16)}))
    made.run()
    assert made.ids() == list(range(1, 11))
    assert [r.descriptor.format.width for r in made.rings] == [16, 32, 16]
    old = made.rings[0].descriptor.segment
    made.loop.retire(old)
    made.loop.retire(old)
    made.loop.retire("mp-unknown-0")


def test_no_ring_means_stop(bench: Callable[..., Bench]) -> None:
    made = bench(FILE)
    made.refuse = True
    made.run()
    assert made.loop.state is StreamState.ENDED
    assert made.loop.progress == 0
    assert made.made[0].closed


def test_trouble_while_copying_gives_the_slot_back_and_reads_the_frame_again(bench: Callable[..., Bench]) -> None:
    made = bench(FILE)
    real, failed = FakeSource.retrieve, []

    def retrieve(source: FakeSource, planes: Any) -> None:
        if source._number == 4 and not failed:
            failed.append(4)
            raise SourceError("cam: torn", Reason.CORRUPT_DATA)
        real(source, planes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeSource, "retrieve", retrieve)
        made.run()
    assert made.ids() == list(range(1, 11))
    assert made.rings[0].idle()


def test_survived_errors_are_counted_once(bench: Callable[..., Bench]) -> None:
    made = bench(FILE)
    made.run(until=lambda: made.loop.progress == 2)
    made.made[0].decode_errors = 3
    made.run(until=lambda: made.loop.progress == 4)
    made.made[0].decode_errors = 5
    made.run()
    assert made.count("decode_errors") == {"": 5}


def test_a_paused_source_is_not_read_and_goes_on_where_it_was(bench: Callable[..., Bench]) -> None:
    made = bench(FILE)
    made.run(until=lambda: made.loop.progress == 4)
    made.loop.mode = PlayMode.PAUSE
    for _ in range(20):
        assert made.loop.step()
    assert (made.loop.progress, made.loop.state, made.loop.shown_state) == (
        4,
        StreamState.STREAMING,
        StreamState.PAUSED,
    )
    made.loop.mode = PlayMode.PLAY
    made.run()
    assert made.ids() == list(range(1, 11))


def test_a_muted_source_is_read_and_every_frame_is_a_counted_drop(bench: Callable[..., Bench]) -> None:
    made = bench(FakeSourceOptions(frames=100, live=True))
    made.run(until=lambda: made.loop.progress == 3)
    made.loop.mode = PlayMode.MUTE
    made.run(until=lambda: made.count("frames_dropped")["muted"] == 5)
    assert made.loop.shown_state is StreamState.MUTED
    made.loop.mode = PlayMode.PLAY
    made.run(until=lambda: made.loop.progress == 5)
    assert made.ids() == [1, 2, 3, 9, 10]


@pytest.mark.parametrize("mode", [PlayMode.PAUSE, PlayMode.MUTE])
def test_a_mode_that_was_set_before_the_first_frame(bench: Callable[..., Bench], mode: PlayMode) -> None:
    made = bench(FakeSourceOptions(frames=100, live=True))
    made.loop.mode = mode
    for _ in range(10):
        made.loop.step()
    assert made.read == []
    assert made.loop.shown_state in (StreamState.PAUSED, StreamState.MUTED)


def test_modes_do_not_hide_trouble_or_an_end(bench: Callable[..., Bench]) -> None:
    made = bench(FakeSourceOptions(live=True, refuses_with=Reason.UNREACHABLE))
    made.loop.mode = PlayMode.PAUSE
    made.run(until=lambda: bool(made.loop.reason))
    assert made.loop.shown_state is StreamState.CONNECTING
    made.loop.stop()
    assert made.loop.shown_state is StreamState.ENDED
