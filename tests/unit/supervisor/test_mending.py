"""What the supervisor does about a damaged ring: whom it tells, whom it ends, where the source begins anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.damaging import damage
from support.membership import BIG, SMALL, Bench, kinds

from mpipeline.clock import NS_PER_S
from mpipeline.errors import EXIT_SOURCE_FAILED
from mpipeline.frame import FrameMeta
from mpipeline.messages import (
    Bye,
    Heartbeat,
    Hello,
    RingAttached,
    RingDamaged,
    RingGranted,
    RingRequest,
    RingRetired,
    Role,
)
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.writer import RingWriter
from mpipeline.supervisor.child import ProcessState


class Mended(Bench):
    """Everyone is ready, and the source a has a ring with the frames 1 to 5; `acknowledged` by every sink: 1 to 2."""

    def __init__(self, live: bool = False) -> None:
        super().__init__()
        self.live = live
        self.now = 0
        self.all_ready()
        self.ask()
        self.ring = self.granted()
        writer = RingWriter(self.ring, reuse=True)
        for frame_id in range(1, 6):
            slot = writer.reserve(0.0)
            assert slot is not None
            writer.publish(slot, FrameMeta("a", frame_id, None, 1, 1, self.ring.format.width, 16))
        writer.close()
        self.acknowledge(2)
        self.serve()
        self.take()

    @property
    def decoder(self) -> Any:
        return self.children["decoder:a"]

    def serve(self) -> None:
        """The supervisor has its turn, a second later."""
        self.now += NS_PER_S
        self.made.serve(self.now)

    def ask(self, **request: Any) -> None:
        format = request.pop("format", BIG)
        message = RingRequest(RingDescriptor("", "a", 0, 0, format), self.live, request.get("done", 0), rate=25.0)
        self.made.request(self.decoder, message)
        self.serve()

    def granted(self) -> RingDescriptor:
        (ring,) = [message.descriptor for _, message in self.take() if isinstance(message, RingGranted)]
        return ring  # type: ignore[no-any-return]

    def acknowledge(self, frame_id: int) -> None:
        beat = Heartbeat(0, {"acknowledged_frame_id{source=a}": float(frame_id)})
        self.made.hear(self.children["inference"], beat)

    def report(self) -> None:
        """A sink has found it out, and the supervisor has its turn."""
        self.made.hear(self.children["sink:y"], RingDamaged("a", self.ring.segment, "it is damaged"))
        self.serve()

    def restart(self) -> int:
        """The decoder is started again; returns the frame behind which it begins."""
        self.made.interrupted(self.decoder)
        self.decoder.restart()
        self.decoder.sentence = None
        self.take()
        self.made.greet(self.decoder.identity, Hello(Role.DECODER, "decoder:a", self.decoder.incarnation, 5))
        ((_, start),) = self.take()
        return start.spec["resume_after"]  # type: ignore[no-any-return]


@pytest.fixture
def file() -> Iterator[Mended]:
    made = Mended()
    yield made
    made.made.close()


@pytest.fixture
def live() -> Iterator[Mended]:
    made = Mended(live=True)
    yield made
    made.made.close()


def test_all_readers_are_told_and_the_decoder_is_ended(file: Mended, caplog: pytest.LogCaptureFixture) -> None:
    file.report()
    assert kinds(file.take()) == [("inference#1", "RingDamaged"), ("sink:y#1", "RingDamaged")]
    assert file.decoder.signals
    assert file.decoder.sentence.reason == "ring_damaged"
    assert [r.event for r in caplog.records if r.levelname == "ERROR"] == ["ring_damaged"]  # type: ignore[attr-defined]
    assert "a: it is damaged; it begins anew behind frame 2" in caplog.text


@pytest.mark.parametrize("how", ["cut", "emptied", "removed", "header"])
def test_the_supervisor_sees_for_itself(file: Mended, how: str) -> None:
    damage(file.ring.segment, how)
    for name in ("inference", "sink:x", "decoder:a"):
        file.made.owes(file.children[name], 1)
    file.serve()
    assert ("inference#1", RingDamaged("a", file.ring.segment)) in file.take()
    assert file.decoder.signals


def test_a_file_begins_behind_what_every_sink_has(file: Mended) -> None:
    file.acknowledge(1)  # of a fresh inference, which has heard of one sink only
    damage(file.ring.segment, "emptied")
    file.serve()
    assert file.restart() == 2
    file.ask(done=2)
    order = kinds(file.sent)
    assert order == [("inference#1", "RingAttached"), ("sink:y#1", "RingAttached"), ("decoder:a#2", "RingGranted")]
    assert file.granted().segment != file.ring.segment
    assert file.made._rings.last_frame_id("a") == 2


def test_a_live_stream_goes_on_with_ids_that_nobody_has_seen(live: Mended) -> None:
    damage(live.ring.segment, "emptied")
    live.serve()
    assert live.restart() > 5 + 25  # a second's worth: what was published since the last look


def test_a_supervisor_that_was_stopped_for_long_knows_that_it_has_missed_much(live: Mended) -> None:
    live.now += 8 * NS_PER_S
    damage(live.ring.segment, "emptied")
    live.serve()
    assert live.restart() > 5 + 9 * 25


def test_one_that_tells_no_rate_is_taken_for_a_fast_one(live: Mended) -> None:
    live.made.streams["a"] = replace(live.made.streams["a"], rate=0.0)
    live.report()
    assert live.restart() > 5 + 60


def test_a_camera_cannot_be_read_again_whatever_its_delivery(file: Mended) -> None:
    """An id that a sink has already must not come with another picture."""
    file.made.streams["a"] = replace(file.made.streams["a"], live=True)
    file.report()
    assert file.restart() > 5 + 25
    file.decoder.exit()
    file.made.farewell(file.children["inference"])
    assert file.decoder.state is ProcessState.EXITED


def test_a_file_that_may_lose_frames_goes_on_where_it_was(live: Mended) -> None:
    live.made.streams["a"] = replace(live.made.streams["a"], live=False)
    live.report()
    assert live.restart() == 5


def test_a_report_that_comes_late_or_twice_costs_nothing(file: Mended) -> None:
    for _ in range(2):
        file.made.hear(file.children["sink:y"], RingDamaged("a", file.ring.segment, "it is damaged"))
    file.serve()
    file.restart()
    file.ask(done=2)
    file.take()
    file.report()
    file.made.hear(file.children["sink:y"], RingDamaged("nobody", file.ring.segment))
    file.serve()
    assert file.take() == []
    assert file.decoder.sentence is None


def test_a_ring_that_was_retired_before_its_damage_was_reported_is_begun_anew(file: Mended) -> None:
    """Its reader has let go of the present one too, and waits for the word."""
    old = file.ring
    file.ask(format=SMALL, done=5)
    present = file.granted()
    for bit in (0, 1, 2):
        file.made._rings._sources["a"].older[0].reap(bit)
    file.serve()
    assert RingRetired(old.segment) in [message for _, message in file.take()]
    file.made.hear(file.children["sink:y"], RingDamaged("a", old.segment, "it was damaged"))
    file.serve()
    assert ("sink:y#1", RingDamaged("a", present.segment)) in file.take()
    assert file.decoder.sentence.reason == "ring_damaged"


def test_a_request_of_the_decoder_that_is_ended_gets_no_ring(file: Mended) -> None:
    """It would go on behind what it has published itself."""
    file.decoder.dies_of = ()
    file.report()
    file.take()
    file.ask(done=5)
    assert file.take() == []


def test_a_ring_that_is_damaged_in_the_moment_of_a_request_is_not_granted(file: Mended) -> None:
    file.decoder.dies_of = ()
    request = RingRequest(RingDescriptor("", "a", 0, 0, BIG), False, 5)
    damage(file.ring.segment, "emptied")
    file.made._grant(file.decoder, request, 0)
    assert file.take() == []
    file.serve()
    assert file.decoder.sentence is not None


def test_a_sink_that_comes_later_hears_of_it_before_the_rings_that_are_there(file: Mended) -> None:
    """Inference may still speak of the old one."""
    file.report()
    file.restart()
    file.ask(done=2)
    file.take()
    file.children["sink:y"].incarnation = 2
    file.ready("sink:y", wants_frames=True)
    told = [message for identity, message in file.take() if identity == "sink:y#2"]
    assert [type(message) for message in told] == [RingDamaged, RingAttached]


def test_all_rings_are_looked_at_ten_times_a_second_at_most(file: Mended, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    monkeypatch.setattr(file.made._rings, "look", lambda: looks.append(None))
    for turn in range(1000):
        file.made.serve(file.now + NS_PER_S + turn * NS_PER_S // 1000)
    assert len(looks) == 10
    file.report()  # what is told is not waited for
    assert file.take()


def ended(bench: Mended, last: int) -> None:
    """The decoder has read the file to its end."""
    bench.decoder.bye = Bye("ENDED", last_frame_id=last)
    bench.decoder.exit()
    bench.made.farewell(bench.decoder)


@pytest.mark.parametrize("how", ["emptied", "header"])
def test_what_is_lost_of_a_file_makes_the_run_fail(file: Mended, how: str, caplog: pytest.LogCaptureFixture) -> None:
    ended(file, 5)
    damage(file.ring.segment, how)
    file.serve()
    file.acknowledge(4)
    assert file.decoder.state is ProcessState.EXITED
    file.made.farewell(file.children["inference"])
    assert file.decoder.state is ProcessState.FATAL
    assert file.decoder.exit_code == EXIT_SOURCE_FAILED
    assert "frames from 5 to 5 have not reached every sink" in file.decoder.failure
    assert "frames_lost" in [getattr(record, "event", "") for record in caplog.records]


def test_a_file_whose_end_was_not_seen_in_the_ring_any_more(file: Mended) -> None:
    damage(file.ring.segment, "emptied")
    ended(file, 9)
    file.serve()
    file.acknowledge(5)
    file.made.farewell(file.children["inference"])
    assert "frames from 6 to 9" in file.decoder.failure


def test_nothing_is_lost_of_which_every_sink_has_everything(file: Mended) -> None:
    ended(file, 5)
    damage(file.ring.segment, "emptied")
    file.serve()
    file.acknowledge(5)  # it was on its way
    file.made.farewell(file.children["inference"])
    assert file.decoder.state is ProcessState.EXITED


def test_what_comes_again_is_not_lost(file: Mended) -> None:
    file.report()
    file.restart()
    file.ask(done=2)
    ended(file, 0)
    file.made.farewell(file.children["inference"])
    assert file.decoder.state is ProcessState.EXITED


def test_no_frame_of_a_live_stream_is_owed(live: Mended) -> None:
    live.report()
    live.decoder.exit()
    live.made.farewell(live.decoder)
    live.made.farewell(live.children["inference"])
    assert live.decoder.state is ProcessState.EXITED
