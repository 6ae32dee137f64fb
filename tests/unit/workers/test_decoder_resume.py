"""Where the decoder loop goes on: after a crash, in a resumed run, on a broken connection, over jumping timestamps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.decoding import Bench

from mpipeline.errors import Reason, SourceError
from mpipeline.messages import StreamState
from mpipeline.testing.fakes import FakeSource, FakeSourceOptions, level_of
from mpipeline.workers import decoder as decoder_module

FILE = FakeSourceOptions(frames=10)
LIVE = FakeSourceOptions(frames=10, live=True)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(decoder_module, "_RESERVE_S", 0.0)
    made: list[Bench] = []

    def make(*sources: FakeSourceOptions, **options: Any) -> Bench:
        made.append(Bench(*sources, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def whole(first: int, last: int = 10) -> list[tuple[int, int, float]]:
    return [(n, level_of(n), (n - 1) / 25) for n in range(first, last + 1)]


class TestAfterACrash:
    @pytest.mark.parametrize("seeks", [True, False])
    def test_a_file_goes_on_behind_the_last_frame(self, bench: Any, seeks: bool) -> None:
        made = bench(FakeSourceOptions(frames=10, seeks=seeks), resume_after=6, resume_pts=5 / 25, restarted=True)
        made.run()
        assert made.read == whole(7)
        assert made.made[0].sought == ((6, 5 / 25) if seeks else None)
        assert made.count("frames_decoded") == {"": 4}
        assert made.count("frames_skipped") == ({} if seeks else {"": 6})

    def test_no_seek_without_a_pts(self, bench: Any) -> None:
        made = bench(FILE, resume_after=6, restarted=True)
        made.run()
        assert made.made[0].sought is None
        assert made.read == whole(7)

    def test_no_seek_to_the_start(self, bench: Any) -> None:
        made = bench(FILE, resume_after=0, resume_pts=0.0)
        made.run()
        assert made.made[0].sought is None
        assert made.read == whole(1)

    def test_no_seek_under_max_fps_which_looks_back(self, bench: Any) -> None:
        undisturbed = bench(FakeSourceOptions(frames=50), max_fps=7.0)
        undisturbed.run()
        last = undisturbed.ids()[3]
        made = bench(FakeSourceOptions(frames=50), max_fps=7.0, resume_after=last, resume_pts=(last - 1) / 25)
        made.run()
        assert made.made[0].sought is None
        assert made.ids() == undisturbed.ids()[4:]

    def test_no_seek_in_a_live_stream(self, bench: Any) -> None:
        made = bench(LIVE, resume_after=6, resume_pts=5 / 25, restarted=True)
        made.run(until=lambda: made.loop.progress == 3)
        assert made.made[0].sought is None
        assert made.ids() == [8, 9, 10]

    def test_to_the_very_end(self, bench: Any) -> None:
        made = bench(FILE, resume_after=10, resume_pts=9 / 25, restarted=True)
        made.run()
        assert made.loop.state is StreamState.ENDED
        assert made.made[0].sought == (10, 9 / 25)
        assert made.read == []

    def test_a_seek_that_breaks_is_trouble_like_any_other(self, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        real, failed = FakeSource.seek, []

        def seek(source: FakeSource, frame_id: int, pts: float) -> bool:
            if not failed:
                failed.append(frame_id)
                raise SourceError("cam: gone", Reason.UNREACHABLE)
            return real(source, frame_id, pts)

        monkeypatch.setattr(FakeSource, "seek", seek)
        made = bench(FILE, resume_after=6, resume_pts=5 / 25, restarted=True)
        made.run(until=lambda: bool(made.loop.reason))
        assert made.loop.reason == "unreachable"
        made.run()
        assert made.read == whole(7)
        assert all(source.closed for source in made.made)


class TestWhatTheSupervisorKnows:
    @pytest.mark.parametrize("done", [1, 4, 9])
    def test_a_file_leaves_out_what_is_done(self, bench: Any, done: int) -> None:
        made = bench(FILE, done=done)
        made.run()
        assert made.loop.state is StreamState.ENDED
        assert made.read == whole(done + 1)
        assert not made.count("frames_dropped")

    def test_all_of_it_is_done(self, bench: Any) -> None:
        made = bench(FILE, done=10)
        made.run()
        assert made.loop.state is StreamState.ENDED
        assert made.read == []
        assert made.loop.last_frame_id == 10

    def test_what_the_decoder_knows_better_stands(self, bench: Any) -> None:
        made = bench(FILE, done=3, resume_after=6, restarted=True)
        made.run()
        assert made.read == whole(7)

    def test_more_than_the_decoder_knew_after_a_seek(self, bench: Any) -> None:
        made = bench(FILE, done=8, resume_after=5, resume_pts=4 / 25, restarted=True)
        made.run()
        assert made.made[0].sought == (5, 4 / 25)
        assert made.read == whole(9)

    def test_max_fps_takes_the_same_frames(self, bench: Any) -> None:
        undisturbed = bench(FakeSourceOptions(frames=50), max_fps=7.0)
        undisturbed.run()
        made = bench(FakeSourceOptions(frames=50), max_fps=7.0, done=undisturbed.ids()[3])
        made.run()
        assert made.ids() == undisturbed.ids()[4:]

    def test_a_live_stream_goes_on_behind_it(self, bench: Any) -> None:
        made = bench(LIVE, done=100)
        made.run(until=lambda: made.loop.progress == 12)
        assert made.ids() == list(range(102, 114)), "an id is left free, so that the gap between the runs shows"
        assert [level for _, level, _ in made.read[:10]] == [level_of(n) for n in range(1, 11)]

    def test_a_new_ring_in_mid_stream_changes_nothing(self, bench: Any) -> None:
        made = bench(FakeSourceOptions(frames=10, sizes={5: (32, 20)}), done=2)
        made.run()
        assert made.ids() == list(range(3, 11))


class TestBrokenConnections:
    def test_a_finite_source_seeks_to_where_it_broke_off(self, bench: Any) -> None:
        made = bench(FakeSourceOptions(frames=4, fails_with=Reason.TIMEOUT), FILE)
        made.run()
        assert made.made[1].sought == (4, 3 / 25)
        assert made.read == whole(1)

    def test_without_pts_it_reads_forward(self, bench: Any) -> None:
        broken = FakeSourceOptions(frames=4, fails_with=Reason.TIMEOUT, has_pts=False)
        made = bench(broken, FakeSourceOptions(frames=10, has_pts=False))
        made.run()
        assert made.made[1].sought is None
        assert made.ids() == list(range(1, 11))

    def test_give_up_counts_attempts_that_bring_nothing_new(self, bench: Any) -> None:
        made = bench(FakeSourceOptions(frames=3, fails_with=Reason.TIMEOUT), done=1)
        made.run()
        assert made.loop.state is StreamState.FAILED
        assert made.ids() == [2, 3]


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
class TestJumpingTimestamps:
    @pytest.mark.parametrize("max_fps", [None, 5.0])
    def test_of_a_live_stream_change_nothing(self, bench: Any, jump: float, max_fps: float | None) -> None:
        reads = []
        for jumps in ({}, {20: jump}):
            made = bench(FakeSourceOptions(frames=50, live=True, pts_jumps=jumps), max_fps=max_fps)
            made.run(until=lambda made=made: made.loop.state is StreamState.RECONNECTING)
            reads.append([(frame_id, level) for frame_id, level, _ in made.read])
        assert reads[0] == reads[1]

    def test_of_a_file_lose_no_frame(self, bench: Any, jump: float) -> None:
        made = bench(FakeSourceOptions(frames=50, pts_jumps={20: jump}))
        made.run()
        assert made.ids() == list(range(1, 51))

    def test_of_a_file_keep_the_pace(self, bench: Any, jump: float) -> None:
        made = bench(FakeSourceOptions(frames=100, pts_jumps={50: jump}), max_fps=5.0)
        made.run()
        assert made.ids() == sorted(set(made.ids()))
        assert len(made.ids()) in (20, 21)
