"""The rings that are read: what damage costs, when a source is read again, what strangers may name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from support.damaging import damage
from support.shortage import lack_open_files

from mpipeline.clock import ManualClock
from mpipeline.errors import RingError
from mpipeline.frame import FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.messages import Drain, RingAttached, RingDamaged, RingRetired
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.workers.read_rings import AttachedRing, ReadRings

FORMAT = FrameFormat(PixelFormat.GRAY8, 16, 16)


class Bench:
    """Rings "a", "a" (of another time) and "b", with a frame in each, read with bit 0."""

    def __init__(self) -> None:
        self.reports: list[RingDamaged] = []
        self.forgotten: list[str] = []
        self.clock = ManualClock()
        self.made = ReadRings(self.reports.append, self.forgotten.append, clock=self.clock)
        self.owned: list[OwnedRing] = []
        self.refs = [self.ring(source) for source in ("a", "a", "b")]

    def ring(self, source: str) -> FrameRef:
        """Another ring, with a frame in it, is read."""
        owned = self.another(source)
        owned.add_reader(0, True)
        writer = RingWriter(owned.descriptor, reuse=True)
        slot = writer.reserve(0.0)
        assert slot is not None
        sequence = writer.publish(slot, FrameMeta(source, 4, None, 7, 1, 16, 16))
        writer.close()
        self.attach(owned)
        return FrameRef(owned.descriptor.segment, slot, sequence)

    def attach(self, owned: OwnedRing) -> bool:
        return self.made.add(AttachedRing(RingReader(owned.descriptor, 0)))

    def another(self, source: str) -> OwnedRing:
        """A ring that nobody has told of yet."""
        owned = create_ring(uuid.uuid4().hex[:12], source, len(self.owned), FORMAT, 3)
        self.owned.append(owned)
        return owned

    def tell(self, descriptor: RingDescriptor, every_frame: bool = True) -> None:
        """The supervisor's word of a ring."""
        self.made.obey(RingAttached(descriptor, every_frame), 0)

    def damage(self, index: int, how: str = "slots") -> None:
        damage(self.owned[index].descriptor.segment, how)

    def close(self) -> None:
        self.made.close()
        for owned in self.owned:
            owned.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.mark.parametrize("how", ["slots", "cut", "emptied"])
@pytest.mark.parametrize("look", ["pending", "acquire", "captured_ns"])
def test_a_damaged_ring_costs_all_rings_of_its_source_and_no_other(bench: Bench, how: str, look: str) -> None:
    bench.damage(0, how)
    if look == "pending":
        assert bench.made.pending("a") == []
    elif look == "acquire":
        assert bench.made.acquire(bench.refs[0]) is None
    else:
        bench.made.captured_ns(bench.refs[0], 4)  # does not look at all of the header
        assert bench.made.pending("a") == []
    assert bench.made.sources() == {"b"}
    assert len(bench.made.pending("b")) == 1
    ((source, segment, detail),) = [(m.source, m.segment, m.detail) for m in bench.reports]
    assert (source, segment) == ("a", bench.refs[0].ring)
    assert detail
    assert bench.forgotten == ["a"]
    assert all(bench.made.is_damaged("a", ref.ring) for ref in bench.refs[:2])
    assert not bench.made.is_damaged("b", bench.refs[2].ring)


def test_a_source_is_not_read_again_before_the_supervisor_has_told_of_the_damage(bench: Bench) -> None:
    """A ring that was made before it knew holds later frames than those which come again."""
    bench.damage(0)
    bench.made.pending("a")
    late = bench.ring("a")
    assert bench.made.get(late.ring) is None
    assert bench.made.is_damaged("a", late.ring)
    bench.made.let_go("a", bench.refs[0].ring)
    bench.made.let_go("a", late.ring)
    fresh = bench.ring("a")
    assert bench.made.get(fresh.ring) is not None
    assert [ref for ref, _ in bench.made.pending("a")] == [fresh]
    assert bench.made.is_damaged("a", late.ring)


def test_what_the_supervisor_tells_is_let_go_without_a_look(bench: Bench) -> None:
    bench.made.let_go("a", bench.refs[1].ring)
    assert bench.made.sources() == {"b"}
    assert (bench.reports, bench.forgotten) == ([], ["a"])
    assert not bench.attach(bench.owned[1])  # that word comes late


def test_a_ring_that_cannot_even_be_attached_is_reported(bench: Bench) -> None:
    descriptor = bench.another("b").descriptor
    damage(descriptor.segment, "header")
    bench.tell(descriptor)
    assert [(m.source, m.segment) for m in bench.reports] == [("b", descriptor.segment)]
    assert "its first 8 bytes are wrong" in bench.reports[0].detail
    bench.tell(descriptor)
    assert len(bench.reports) == 1


def test_only_damage_is_passed_over(bench: Bench) -> None:
    with pytest.raises(ValueError, match="mine"), bench.made.guard(bench.owned[0].descriptor):
        raise ValueError("mine")
    with bench.made.guard(bench.owned[0].descriptor):
        raise RingError("broken")
    assert bench.made.sources() == {"b"}


@pytest.mark.parametrize("ref", [FrameRef("mp-elsewhere-0", 0, 1), FrameRef("", 4095, 1), FrameRef("", 0, 99)])
def test_a_stranger_who_names_what_is_not_there_damages_nothing(bench: Bench, ref: FrameRef) -> None:
    named = FrameRef(ref.ring or bench.refs[0].ring, ref.slot, ref.sequence)
    assert bench.made.acquire(named) is None
    assert bench.made.captured_ns(named, 4) is None
    assert not bench.made.skip(named)
    assert bench.reports == []
    assert len(bench.made.pending("a")) == 2


def test_a_frame_is_taken_and_declined(bench: Bench) -> None:
    assert bench.made.captured_ns(bench.refs[0], 4) == 7
    lease = bench.made.acquire(bench.refs[0])
    assert lease is not None
    lease.release()
    assert bench.made.skip(bench.refs[1])
    assert bench.made.pending("a") == []
    bench.made.retire(bench.refs[0].ring)
    bench.made.retire(bench.refs[0].ring)
    assert len(bench.made.of("a")) == 1


def test_rings_come_and_go_by_the_word_of_the_supervisor(bench: Bench) -> None:
    begun: list[AttachedRing] = []
    made = ReadRings(bench.reports.append, begin=begun.append)
    first, second = bench.another("a").descriptor, bench.another("a").descriptor
    for descriptor in (first, second, second):
        made.obey(RingAttached(descriptor, every_frame=True), 5)
    made.obey(Drain(), 5)
    assert [ring.reader.descriptor for ring in begun] == [first, second]
    assert [(ring.reader.bit, ring.every_frame) for ring in begun] == [(5, True)] * 2
    made.obey(RingRetired(first.segment), 5)
    assert made.of("a") == [begun[1]]
    made.obey(RingDamaged("a", second.segment), 5)
    assert made.of("a") == []
    assert bench.reports == []


def test_damage_that_is_found_when_a_ring_begins_to_be_read_is_reported(bench: Bench) -> None:
    def find(ring: AttachedRing) -> None:
        raise RingError("broken")

    made = ReadRings(bench.reports.append, begin=find)
    made.obey(RingAttached(bench.owned[2].descriptor, every_frame=True), 0)
    assert [report.detail for report in bench.reports] == ["broken"]
    assert made.sources() == set()


def test_only_a_ring_of_which_nothing_was_heard_may_still_come(bench: Bench) -> None:
    gone, ring = bench.another("a"), bench.refs[0].ring
    assert bench.made.may_come("a", gone.descriptor.segment)
    gone.close()
    bench.tell(gone.descriptor)
    assert not bench.made.may_come("a", gone.descriptor.segment)
    assert not bench.made.may_come("a", ring)
    bench.made.retire(ring)
    assert not bench.made.may_come("a", ring)
    bench.made.let_go("b", "mp-x-7")
    assert not bench.made.may_come("b", "mp-x-7")
    assert bench.reports == []


def test_what_this_process_lacks_is_no_damage_and_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ring = bench.another("a").descriptor
    lack_open_files(monkeypatch)
    bench.tell(ring)
    for _ in range(5):
        bench.clock.advance(1)
        bench.made.try_again()
    assert bench.made.get(ring.segment) is None
    assert bench.made.holds_up(ring.segment)
    assert bench.made.held_up() == {"a"}
    assert not bench.made.may_come("a", ring.segment)
    monkeypatch.undo()
    bench.made.try_again()
    assert bench.made.get(ring.segment) is None, "it is not tried at every turn"
    bench.clock.advance(1)
    bench.made.try_again()
    assert bench.made.get(ring.segment) is not None
    assert bench.made.held_up() == set()
    assert (bench.reports, bench.forgotten) == ([], [])
    assert len(bench.made.of("a")) == 3
    assert [record.event for record in caplog.records] == ["ring_postponed", "ring_attached"]  # type: ignore[attr-defined]


def test_a_live_stream_is_not_held_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = bench.another("a").descriptor
    lack_open_files(monkeypatch)
    bench.tell(ring, every_frame=False)
    assert not bench.made.holds_up(ring.segment)
    assert bench.made.held_up() == set()
    assert not bench.made.may_come("a", ring.segment)


@pytest.mark.parametrize("how", ["retired", "damaged", "gone", "found"])
def test_what_is_over_is_not_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    owned = bench.another("a")
    segment = owned.descriptor.segment
    lack_open_files(monkeypatch)
    bench.tell(owned.descriptor)
    monkeypatch.undo()
    if how == "retired":
        bench.made.obey(RingRetired(segment), 0)
    elif how == "damaged":
        bench.made.obey(RingDamaged("a", bench.refs[0].ring), 0)
    elif how == "gone":
        owned.close()
    else:
        bench.damage(0)
        bench.made.pending("a")
    bench.made.try_again(at_once=True)
    assert bench.made.get(segment) is None
    assert bench.made.held_up() == set()
    assert not bench.made.may_come("a", segment)
    assert len(bench.reports) == (how == "found")
