"""Which workers are ended, by which signal, and what is said about it."""

from __future__ import annotations

import logging
import signal

import pytest
from support.children import FakeChild, child

from mpipeline.clock import ManualClock
from mpipeline.config.supervision import RestartSpec
from mpipeline.errors import Reason
from mpipeline.messages import FINISHING, Heartbeat, Role
from mpipeline.supervisor.guard import Guard

SPEC = RestartSpec(decoder_timeout=10, inference_timeout=10, sink_timeout=10)


class Post:
    """One worker under guard. `owes`: what it ought to be doing; `over`: what the look at its usage says."""

    def __init__(self, role: Role, dies_of: tuple[int, ...] = (signal.SIGTERM, signal.SIGKILL)) -> None:
        self.clock = ManualClock()
        self.owes: str | None = ""
        self.over: tuple[Reason, str] | None = None
        self.child: FakeChild = child(role, "x", dies_of=dies_of, heard_ns=self.clock.monotonic_ns())
        self.guard = Guard(SPEC, lambda *_: self.owes)
        self.guard.usage.look = lambda *_: self.over  # type: ignore[method-assign]

    def seconds(self, count: int, *, beats: Heartbeat | None = None, at_work: bool = True) -> list[int]:
        """So many seconds; with `beats` it says that every second. Returns the signals it was sent."""
        before = len(self.child.signals)
        for _ in range(count):
            self.clock.advance(1)
            if beats is not None:
                self.child.heartbeat, self.child.heard_ns = beats, self.clock.monotonic_ns()
            if self.child.is_alive:
                self.guard.look(self.child, at_work, self.clock.monotonic_ns())  # type: ignore[arg-type]
        return self.child.signals[before:]


def test_a_silent_worker_is_killed_and_that_is_its_own_fault(caplog: pytest.LogCaptureFixture) -> None:
    post = Post(Role.INFERENCE)
    with caplog.at_level(logging.ERROR):
        assert post.seconds(12) == [signal.SIGKILL]
    assert post.child.sentence is not None
    assert post.child.sentence.is_hang
    record = caplog.records[0]
    assert (record.event, record.worker, record.reason) == ("worker_stalled", "inference", "stalled")  # type: ignore[attr-defined]
    assert "not been heard of" in record.getMessage()


@pytest.mark.parametrize("state", ["CONNECTING", "RECONNECTING"])
def test_a_decoder_that_waits_for_its_server_is_left_to_its_own_time_limits(state: str) -> None:
    post = Post(Role.DECODER)
    post.child.heartbeat = Heartbeat(0, {}, state)
    assert post.seconds(119) == []
    assert post.seconds(2) == [signal.SIGKILL]


def test_a_sink_that_completes_a_long_film_is_left_alone_for_longer() -> None:
    post = Post(Role.SINK)
    post.child.heartbeat = Heartbeat(5, {}, FINISHING)
    assert post.seconds(int(SPEC.load_timeout) - 1) == []
    assert post.seconds(2) == [signal.SIGKILL]


@pytest.mark.parametrize("role", [Role.DECODER, Role.INFERENCE, Role.SINK])
def test_one_that_beats_and_does_not_advance_is_killed(role: Role) -> None:
    post = Post(role)
    post.owes = "there is work"
    assert post.seconds(9, beats=Heartbeat(5, {})) == []
    assert post.seconds(3, beats=Heartbeat(5, {})) == [signal.SIGKILL]


@pytest.mark.parametrize(
    ("role", "metric"),
    [
        (Role.DECODER, "frames_dropped{reason=max_fps,source=x}"),
        (Role.INFERENCE, "frames_dropped{reason=stale,source=a}"),
        (Role.SINK, "predictions_duplicate{sink=x}"),
    ],
)
def test_dropping_and_leaving_out_is_work_too(role: Role, metric: str) -> None:
    post = Post(role)
    post.owes = "there is work"
    for count in range(12):
        assert post.seconds(5, beats=Heartbeat(5, {metric: float(count)})) == []


def test_a_decoder_that_reads_forward_to_where_it_must_begin_is_at_work() -> None:
    post = Post(Role.DECODER)
    post.owes = "there is room"
    for count in range(12):
        assert post.seconds(5, beats=Heartbeat(0, {"frames_skipped{source=x}": float(count)})) == []


def test_a_decoder_that_computes_and_reads_nothing_hangs() -> None:
    post = Post(Role.DECODER)
    post.owes = "there is room"
    skipped = Heartbeat(0, {"frames_skipped{source=x}": 7.0})
    assert post.seconds(12, beats=skipped) == [signal.SIGKILL]


@pytest.mark.parametrize("role", [Role.DECODER, Role.INFERENCE, Role.SINK])
@pytest.mark.parametrize("beats", [None, Heartbeat(5, {})])
def test_nobody_pays_for_a_pause_of_the_whole_machine(role: Role, beats: Heartbeat | None) -> None:
    """Silent, or beating without advancing, for five seconds; then all stand still, the supervisor too."""
    post = Post(role)
    post.owes = "there is work"
    post.child.heartbeat = Heartbeat(5, {})
    assert post.seconds(5, beats=beats) == []
    for _ in range(3):
        post.clock.advance(200)
        assert post.seconds(1, beats=beats) == []
    assert post.seconds(3, beats=beats) == []
    assert post.seconds(3, beats=beats) == [signal.SIGKILL]


def test_a_sink_that_tries_again_is_at_work() -> None:
    post = Post(Role.SINK)
    post.owes = "predictions wait for it"
    assert post.seconds(300, beats=Heartbeat(5, {}, "RETRYING", "no_space", "the disk is full")) == []
    assert post.seconds(12, beats=Heartbeat(5, {})) == [signal.SIGKILL]


def test_loading_and_finishing_take_their_time() -> None:
    post = Post(Role.INFERENCE)
    post.owes = "frames wait for it"
    assert post.seconds(800, at_work=False) == []


def test_one_that_uses_too_much_is_asked_to_end(caplog: pytest.LogCaptureFixture) -> None:
    post = Post(Role.DECODER)
    post.over = Reason.MEMORY_LIMIT, "used 900 MB of memory, 800 are allowed"
    with caplog.at_level(logging.ERROR):
        assert post.seconds(1, beats=Heartbeat(1, {})) == [signal.SIGTERM]
    assert post.child.sentence is not None
    assert not post.child.sentence.is_hang
    record = caplog.records[0]
    assert (record.event, record.reason) == ("worker_over_limit", "memory_limit")  # type: ignore[attr-defined]


def test_one_that_does_not_obey_is_killed() -> None:
    post = Post(Role.DECODER, dies_of=(signal.SIGKILL,))
    post.over = Reason.CPU_LIMIT, "used 2 cores"
    assert post.seconds(1, beats=Heartbeat(1, {})) == [signal.SIGTERM]
    assert post.seconds(2, beats=Heartbeat(1, {})) == []
    assert post.seconds(2, beats=Heartbeat(1, {})) == [signal.SIGKILL]


def test_a_hosted_worker_is_never_ended() -> None:
    """Code of the calling program runs there: it may sit in a debugger, and its memory is that of the program."""
    post = Post(Role.INFERENCE)
    post.child.is_hosted = True
    post.owes, post.over = "frames wait for it", (Reason.MEMORY_LIMIT, "used 900 MB of memory, 1 are allowed")
    assert post.seconds(1000) == []
    assert post.child.sentence is None
