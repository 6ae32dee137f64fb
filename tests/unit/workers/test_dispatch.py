"""Sessions, encodings and duties of all outlets together."""

from __future__ import annotations

from typing import Any

from support.predictions import meta, prediction

from mpipeline.clock import NS_PER_S
from mpipeline.frame import FrameRef
from mpipeline.messages import PredictionReady, SessionOpened, SinkAdded, SinkStatus, SourceEnded
from mpipeline.metrics.recorder import Recorder
from mpipeline.transport import codec
from mpipeline.workers.dispatch import Dispatch


class Lease:
    """As much of a lease as dispatch uses."""

    def __init__(self, slot: int) -> None:
        self.ref = FrameRef("mp-x-0", slot, slot + 10)
        self.released = 0

    def release(self) -> None:
        self.released += 1


class Bench:
    """A dispatch over lists."""

    def __init__(self, *sinks: SinkAdded) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.declined: list[tuple[int, int]] = []
        self.recorder = Recorder()
        self.made = Dispatch(self._deliver, self.recorder, lambda r, slot, s, bit: self.declined.append((slot, bit)))
        self.now = 5 * NS_PER_S
        for sink in sinks:
            self.made.add(sink)

    def _deliver(self, identity: str, data: bytes) -> bool:
        self.sent.append((identity, codec.decode(data)))
        return True

    def publish(self, frame_id: int, every_frame: bool = True) -> Lease:
        lease: Any = Lease(frame_id)
        self.made.publish(prediction(meta("a", frame_id)), lease, every_frame)
        return lease  # type: ignore[no-any-return]

    def status(self, sink: str, session: int, processed: int = 0, identity: str = "", **acknowledged: int) -> None:
        given = SinkStatus(sink, 1, session, processed, 10, acknowledged)
        self.made.status(identity or f"sink:{sink}#1", given, self.now)
        self.made.send()

    def sessions(self) -> list[int]:
        return [m.session for _, m in self.sent if isinstance(m, SessionOpened)]

    def delivered(self, identity: str = "") -> list[int]:
        return [m.frame.frame_id for i, m in self.sent if isinstance(m, PredictionReady) and identity in i]


PLAIN, PIXELS = SinkAdded("plain", -1, "block", "drop_oldest", 2), SinkAdded("pixels", 2, "block", "drop_oldest", 2)
LOSSY = SinkAdded("lossy", 3, "drop_oldest", "drop_newest", 1)


def test_a_sink_gets_a_session_of_its_own_and_then_its_predictions() -> None:
    bench = Bench(PLAIN, PIXELS)
    bench.publish(1)
    bench.status("plain", 0)
    bench.status("pixels", 0)
    one, two = bench.sessions()
    assert 0 < one != two
    assert bench.delivered() == []
    bench.status("plain", one)
    bench.status("pixels", two)
    refs = {i: m.ref for i, m in bench.sent if isinstance(m, PredictionReady)}
    assert refs == {"sink:plain#1": None, "sink:pixels#1": FrameRef("mp-x-0", 1, 11)}


def test_the_lease_is_given_back_after_the_last_acknowledgement() -> None:
    bench = Bench(PLAIN, PIXELS, LOSSY)
    lease = bench.publish(1)
    for name in ("plain", "pixels"):
        bench.status(name, 0)
        bench.status(name, bench.sessions()[-1])
    bench.status("plain", bench.sessions()[0], 1, a=1)
    assert lease.released == 0
    assert not bench.made.is_idle(lossless_only=True)
    bench.status("pixels", bench.sessions()[1], 1, a=1)
    assert lease.released == 1
    assert bench.made.is_idle(lossless_only=True)
    assert not bench.made.is_idle(lossless_only=False)
    assert bench.recorder.snapshot()["predictions_acknowledged{sink=plain}"] == 1


def test_live_frames_and_runs_without_sinks_keep_no_lease() -> None:
    bench = Bench(PLAIN)
    assert bench.publish(1, every_frame=False).released == 0  # the caller's
    assert len(bench.made._ledger) == 0
    assert Bench().publish(1).released == 1


def test_session_opened_that_was_lost_is_sent_again() -> None:
    bench = Bench(PLAIN)
    for _ in range(8):
        bench.status("plain", 0)
        bench.now += NS_PER_S // 2
    assert len(bench.sessions()) == 2
    assert len(set(bench.sessions())) == 1  # a sink that has not listened for long finds one session, not a hundred
    bench.publish(1)
    bench.status("plain", bench.sessions()[0])
    assert bench.delivered() == [1]


def test_a_sink_that_has_lost_touch_with_a_session_in_use_gets_another() -> None:
    bench = Bench(PLAIN)
    bench.status("plain", 0)
    bench.publish(1)
    bench.status("plain", bench.sessions()[0])
    bench.now += 3 * NS_PER_S
    bench.status("plain", 77)
    assert len(set(bench.sessions())) == 2
    bench.status("plain", bench.sessions()[0])  # the older one: not any more
    assert bench.delivered() == [1]
    bench.status("plain", bench.sessions()[1])
    assert bench.delivered() == [1, 1]


def test_a_new_incarnation_gets_a_session_at_once_and_all_that_is_unacknowledged() -> None:
    bench = Bench(PLAIN)
    bench.status("plain", 0)
    bench.publish(1)
    bench.publish(2)
    bench.status("plain", bench.sessions()[0])
    bench.status("plain", 0, identity="sink:plain#2")
    bench.status("plain", bench.sessions()[1], identity="sink:plain#2", a=1)
    assert bench.delivered("#1") == [1, 2]
    assert bench.delivered("#2") == [1, 2]  # it knows itself that it has 1
    bench.status("plain", bench.sessions()[1], 2, identity="sink:plain#2", a=2)
    assert bench.made.is_idle(lossless_only=False)


def test_a_late_word_of_a_dead_incarnation_does_no_lasting_harm() -> None:
    bench = Bench(PLAIN)
    bench.status("plain", 0, identity="sink:plain#2")
    bench.status("plain", 0, identity="sink:plain#1")
    bench.publish(1)
    bench.status("plain", bench.sessions()[0], identity="sink:plain#2")
    bench.status("plain", bench.sessions()[-1], identity="sink:plain#2")
    assert bench.delivered("#2") == [1]


def test_sessions_differ_from_those_of_a_dead_predecessor() -> None:
    first, second = Bench(PLAIN), Bench(PLAIN)
    second.now += 1_000_000
    first.status("plain", 0)
    second.status("plain", 0)
    assert first.sessions() != second.sessions()
    second.status("plain", first.sessions()[0])  # the sink still talks of the old one
    assert len(second.sessions()) == 1


def test_drops_are_counted_and_their_pixels_declined() -> None:
    bench = Bench(LOSSY)
    bench.publish(1)
    bench.publish(2)  # drop_oldest: 1 goes
    bench.publish(3, every_frame=False)  # drop_newest: 3 itself goes
    assert bench.declined == [(1, 3), (3, 3)]
    assert bench.recorder.snapshot()["predictions_dropped{reason=overflow,sink=lossy}"] == 2


def test_a_sink_that_is_removed_is_not_waited_for_and_one_that_nobody_knows_is_ignored() -> None:
    bench = Bench(PLAIN)
    lease = bench.publish(1)
    bench.made.remove("plain")
    bench.made.remove("plain")
    assert lease.released == 1
    bench.status("plain", 0)
    assert bench.sent == []


def test_adding_twice_changes_nothing() -> None:
    bench = Bench(PLAIN)
    bench.publish(1)
    bench.made.add(PLAIN)
    bench.status("plain", 0)
    bench.status("plain", bench.sessions()[0])
    assert bench.delivered() == [1]


def test_the_end_goes_behind_the_last_prediction_in_its_own_lane() -> None:
    bench = Bench(PLAIN)
    bench.publish(1)
    bench.publish(2)
    bench.made.end(SourceEnded("a", 2), every_frame=True)
    bench.status("plain", 0)
    bench.status("plain", bench.sessions()[0])
    assert [type(m).__name__ for _, m in bench.sent[1:]] == ["PredictionReady", "PredictionReady", "SourceEnded"]


def test_closing_leaves_the_slots_held() -> None:
    bench = Bench(PLAIN)
    lease = bench.publish(1)
    bench.made.close()
    assert lease.released == 0


def test_what_is_given_up_at_the_end_is_counted() -> None:
    bench = Bench(PLAIN, LOSSY)
    bench.publish(1, every_frame=False)
    bench.publish(2, every_frame=True)
    bench.made.give_up_lossy()
    bench.made.give_up_lossy()
    counts = {key: n for key, n in bench.recorder.snapshot().items() if "drain" in key}
    assert counts == {
        "predictions_dropped{reason=drain,sink=plain}": 1,
        "predictions_dropped{reason=drain,sink=lossy}": 1,
    }
    assert not bench.made.is_idle(lossless_only=True)  # what must arrive still waits


def acknowledged(bench: Bench) -> float | None:
    return bench.recorder.snapshot().get("acknowledged_frame_id{source=a}")


def test_what_every_sink_has_that_must_is_told() -> None:
    bench = Bench(PLAIN, PIXELS, LOSSY)
    for frame_id in (1, 2, 3):
        bench.publish(frame_id)
    sessions = {}
    for sink in ("plain", "pixels", "lossy"):
        bench.status(sink, 0)
        sessions[sink] = bench.sessions()[-1]
        bench.status(sink, sessions[sink])
    assert acknowledged(bench) is None
    bench.status("plain", sessions["plain"], 3, a=3)
    assert acknowledged(bench) == 0
    bench.status("pixels", sessions["pixels"], 2, a=2)
    assert acknowledged(bench) == 2
    bench.status("pixels", sessions["pixels"], 3, a=3)
    assert acknowledged(bench) == 3


def test_where_no_sink_must_have_every_frame_what_was_inferred_is_told() -> None:
    bench = Bench(LOSSY)
    bench.publish(1, every_frame=False)
    assert acknowledged(bench) is None
    bench.publish(4)
    assert acknowledged(bench) == 4


def test_a_source_whose_rings_are_gone_is_forgotten_by_all() -> None:
    bench = Bench(PLAIN, PIXELS)
    lease = bench.publish(1)
    bench.made.forget("a")
    for sink in ("plain", "pixels"):
        bench.status(sink, 0)
        bench.status(sink, bench.sessions()[-1])
    assert bench.delivered() == [1]  # whoever needs no pixels gets what is known of them
    bench.status("plain", bench.sessions()[0], 1, a=1)
    assert lease.released == 0
    assert bench.made.is_idle(lossless_only=False)


def test_a_drop_that_finds_the_ring_damaged_leaves_nothing_to_wait_for() -> None:
    bench = Bench()
    bench.made = Dispatch(bench._deliver, bench.recorder, lambda *_: bench.made.forget("a"))
    for sink in (PIXELS, LOSSY):
        bench.made.add(sink)
    bench.publish(1)
    assert not bench.made.is_idle(lossless_only=True)
    bench.publish(2)  # of the lossy sink 1 goes, and that is where it is found out
    assert bench.made.is_idle(lossless_only=True)


def test_a_sink_that_comes_late_hears_of_the_sources_that_have_ended() -> None:
    bench = Bench(PLAIN)
    bench.made.end(SourceEnded("a", 7), every_frame=True)
    bench.made.add(PIXELS)
    for sink in ("plain", "pixels"):
        bench.status(sink, 0)
        bench.status(sink, bench.sessions()[-1])
        assert [m for i, m in bench.sent if isinstance(m, SourceEnded) and sink in i] == [SourceEnded("a", 7)]
